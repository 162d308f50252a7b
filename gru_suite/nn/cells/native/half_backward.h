/* The product of the backward pass with bfloat16 numbers. Part of instruction_set.h. */

/* grad_state += grad_half @ W_hh for `rows` rows and a panel of `vecs` vectors of units. The last row stands
 * for those that a full block would have beyond it: both store the same. */
FN void NAME(half_backward_tile)(const kernel_call *c, const NAME(product) *p, const float *panel,
                                 int64_t step, int64_t b, int64_t unit, int64_t rows,
                                 const int vecs) {
    const int64_t H = c->hidden_size;
    const float *grads[ROWS];
    float *carry[ROWS];
    vec sums[ROWS][3];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
        const int64_t at = b + min_i64(i, rows - 1);
        const int64_t row = row_of(c, step, at) - c->first_row;
        grads[i] = (const float *)(c->grad_half + row * c->grad_stride + p->first);
        carry[i] = c->grad_state + at * H;
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) {
            const int64_t first = unit + v * LANES;
            sums[i][v] = NAME(load_some)(carry[i] + first, H - first);
        }
    }
    if (step > c->first_step)
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++)
            NAME(prefetch_before)(c, p, step, b + min_i64(i, rows - 1), unit, vecs * LANES);
    MULTIPLY_PAIRS(ROWS, vecs, sums, grads, panel, p->columns / 2)
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++) {
            const int64_t first = unit + v * LANES;
            NAME(store_some)(carry[i] + first, sums[i][v], H - first);
        }
}

#define HALF_BACKWARD_TILE(VECS_)                                                                  \
    static TARGET __attribute__((noinline)) void NAME(half_backward_tile_##VECS_)(                 \
        const kernel_call *c, const NAME(product) *p, const float *panel, int64_t step, int64_t b, \
        int64_t unit, int64_t rows) {                                                              \
        NAME(half_backward_tile)(c, p, panel, step, b, unit, rows, VECS_);                         \
    }
HALF_BACKWARD_TILE(1)
HALF_BACKWARD_TILE(2)
HALF_BACKWARD_TILE(3)
#undef HALF_BACKWARD_TILE

/* A share of the rows times all panels of one step. */
static TARGET void NAME(half_backward_products)(const kernel_call *c, const NAME(product) *p,
                                                int64_t step, int64_t start, int64_t stride) {
    const int64_t V = (c->hidden_size + LANES - 1) / LANES, running = rows_at(c, step);
    const float *panel = p->panels;
    for (int64_t v = 0, vecs; v < V; v += vecs) {
        vecs = NAME(panel_vecs)(V - v);
        for (int64_t b = start; b < running; b += stride) {
            const int64_t rows = min_i64(ROWS, running - b), unit = v * LANES;
            if (vecs == 3) NAME(half_backward_tile_3)(c, p, panel, step, b, unit, rows);
            if (vecs == 2) NAME(half_backward_tile_2)(c, p, panel, step, b, unit, rows);
            if (vecs == 1) NAME(half_backward_tile_1)(c, p, panel, step, b, unit, rows);
        }
        panel += p->columns / 2 * vecs * LANES;
    }
}
