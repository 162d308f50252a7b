/* The product of the backward pass, which no cell changes: the gradients of all gates with W_hh. Part of
 * instruction_set.h. A panel is one to three vectors of units; panels cover H.
 */

/* What of the cell the product needs to know. */
typedef struct {
    const float *panels; /* W_hh, packed */
    int64_t columns;     /* GH */
    int64_t first;       /* the first of these columns of grad_gates */
    int64_t saved;       /* SH */
} NAME(product);

/* The step before reads a row's gates and states from far memory: ask for some units of them. */
FN void NAME(prefetch_before)(const kernel_call *c, const NAME(product) *p, int64_t step, int64_t b,
                              int64_t unit, const int units) {
    const int64_t H = c->hidden_size, row = row_of(c, step - 1, b);
    for (int64_t at = unit; at < unit + units; at += 16) {
        for (int64_t g = 0; g < p->saved; g += H)
            __builtin_prefetch(c->saved + row * c->saved_stride + g + at, 0, 2);
        if (c->grad_hidden) __builtin_prefetch(c->grad_hidden + row * H + at, 0, 2);
        __builtin_prefetch(state_before(c, step - 1, b) + at, 0, 2);
    }
}

/* grad_state += grad_gates @ W_hh for `rows` rows and `panels` panels of `vecs` vectors of units. */
FN void NAME(backward_tile)(const kernel_call *c, const NAME(product) *p, const float *panel,
                            int64_t step, int64_t b, int64_t unit, const int rows, const int panels,
                            const int vecs) {
    const int64_t H = c->hidden_size;
    const float *grads[8];
    vec sums[8][4][3];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        grads[i] = c->grad_gates + (row_of(c, step, b + i) - c->first_row) * c->grad_stride + p->first;
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) {
                const int64_t at = unit + (j * vecs + v) * LANES;
                sums[i][j][v] = NAME(load_some)(c->grad_state + (b + i) * H + at, H - at);
            }
    }
    if (step > c->first_step)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            NAME(prefetch_before)(c, p, step, b + i, unit, panels * vecs * LANES);
    MULTIPLY(rows, panels, vecs, sums, grads, panel, p->columns * vecs * LANES, p->columns)
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) {
                const int64_t at = unit + (j * vecs + v) * LANES;
                NAME(store_some)(c->grad_state + (b + i) * H + at, sums[i][j][v], H - at);
            }
}

#define BACKWARD_TILE(ROWS_, PANELS_, VECS_)                                                       \
    static TARGET __attribute__((noinline)) void NAME(                                             \
        backward_tile_##ROWS_##x##PANELS_##x##VECS_)(const kernel_call *c, const NAME(product) *p, \
                                                     const float *panel, int64_t step, int64_t b,  \
                                                     int64_t unit) {                               \
        NAME(backward_tile)(c, p, panel, step, b, unit, ROWS_, PANELS_, VECS_);                    \
    }
/* `rows` rows times one or more panels, all of `vecs` vectors. */
#define BACKWARD_TILES(ROWS_, PANELS_)                                                             \
    BACKWARD_TILE(ROWS_, PANELS_, 1)                                                               \
    BACKWARD_TILE(ROWS_, PANELS_, 2)                                                               \
    BACKWARD_TILE(ROWS_, PANELS_, 3)                                                               \
    static TARGET void NAME(backward_rows_##ROWS_##x##PANELS_)(                                    \
        const kernel_call *c, const NAME(product) *p, const float *panel, int64_t step, int64_t b, \
        int64_t unit, int vecs) {                                                                  \
        if (vecs == 3) NAME(backward_tile_##ROWS_##x##PANELS_##x3)(c, p, panel, step, b, unit);    \
        if (vecs == 2) NAME(backward_tile_##ROWS_##x##PANELS_##x2)(c, p, panel, step, b, unit);    \
        if (vecs == 1) NAME(backward_tile_##ROWS_##x##PANELS_##x1)(c, p, panel, step, b, unit);    \
    }
#if ROWS == 8
BACKWARD_TILES(8, 1)
#endif
BACKWARD_TILES(4, 1)
BACKWARD_TILES(2, 2)
BACKWARD_TILES(2, 1)
BACKWARD_TILES(1, 4)
BACKWARD_TILES(1, 1)

/* Vectors in the next panel of W_hh's columns: threes, and twos rather than a lone one. */
static int NAME(panel_vecs)(int64_t left) { return left == 4 || left == 2 ? 2 : left == 1 ? 1 : 3; }

/* Rows b to b + rows (fewer than a full block) times all panels of one step. */
static TARGET void NAME(backward_rest)(const kernel_call *c, const NAME(product) *p, int64_t step,
                                       int64_t b, int64_t rows) {
    const int64_t V = (c->hidden_size + LANES - 1) / LANES;
    const float *panel = p->panels;
    for (int64_t v = 0; v < V;) {
        const int vecs = NAME(panel_vecs)(V - v);
        const int64_t unit = v * LANES, size = p->columns * vecs * LANES;
        /* Panels of one width in a row, of which few rows take several at a time. */
        int64_t same = 1;
        while (same < 4 && v + same * vecs < V && NAME(panel_vecs)(V - v - same * vecs) == vecs)
            same++;
        int64_t row = b;
        if (ROWS > 4 && rows & 4) {
            for (int64_t j = 0; j < same; j++)
                NAME(backward_rows_4x1)(c, p, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            row += 4;
        }
        if (rows & 2) {
            int64_t j = 0;
            for (; j + 2 <= same; j += 2)
                NAME(backward_rows_2x2)(c, p, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            for (; j < same; j++)
                NAME(backward_rows_2x1)(c, p, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            row += 2;
        }
        if (rows & 1) {
            int64_t j = 0;
            for (; j + 4 <= same; j += 4)
                NAME(backward_rows_1x4)(c, p, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            for (; j < same; j++)
                NAME(backward_rows_1x1)(c, p, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
        }
        panel += same * size;
        v += same * vecs;
    }
}

/* All full blocks of a share of the rows times all panels of one step, then what is left of it. */
static TARGET void NAME(backward_products)(const kernel_call *c, const NAME(product) *p, int64_t step,
                                           int64_t start, int64_t stride) {
    const int64_t V = (c->hidden_size + LANES - 1) / LANES, running = rows_at(c, step);
    const float *panel = p->panels;
    int64_t b = start;
    for (int64_t v = 0, vecs; v < V; v += vecs) {
        vecs = NAME(panel_vecs)(V - v);
        for (b = start; b + ROWS <= running; b += stride) {
#if ROWS == 8
            NAME(backward_rows_8x1)(c, p, panel, step, b, v * LANES, (int)vecs);
#else
            NAME(backward_rows_4x1)(c, p, panel, step, b, v * LANES, (int)vecs);
#endif
        }
        panel += p->columns * vecs * LANES;
    }
    if (b < running) NAME(backward_rest)(c, p, step, b, running - b);
}

/* Pack W_hh, (columns, H), panel by panel; `each` is 2 for pairs of its rows in bfloat16, else 1. */
static TARGET void NAME(pack_columns)(const float *weight_hh, int64_t columns, int64_t H, int64_t each,
                                      float *packed) {
    const int64_t V = (H + LANES - 1) / LANES;
    for (int64_t v = 0; v < V;) {
        const int64_t width = NAME(panel_vecs)(V - v) * LANES;
        const int64_t units = min_i64(width, H - v * LANES);
        for (int64_t k = 0; k < columns; k += each, packed += width) {
            const float *from = weight_hh + k * H + v * LANES;
            for (int64_t u = 0; u < units; u++)
                packed[u] = each == 1 ? from[u] : pair_of(from[u], from[H + u]);
            for (int64_t u = units; u < width; u++) packed[u] = 0.0f;
        }
        v += width / LANES;
    }
}
