/* The forward pass of one cell in one instruction set. Part of cell.h; V panels cover H. */

/* Packed weights of a call. A panel's part for k: the gates of its units. */
typedef struct {
    float *input;     /* (V, F, VECS, LANES) */
    float *recurrent; /* (V, H, VECS, LANES) */
    float *bias;      /* (V, UNIT_VECS, BIASES, LANES) */
} CELL_NAME(weights);

/* Pack a (GH, K) matrix to (V, K / `each`, VECS, LANES), zeros for units beyond H. `each` is 1, or 2 for pairs
 * of columns in bfloat16. */
static TARGET void CELL_NAME(pack_gates)(const float *matrix, int64_t H, int64_t K, int64_t each,
                                         float *packed) {
    for (int64_t panel = 0; panel < H; panel += PANEL_UNITS) {
        for (int v = 0; v < VECS; v++) {
            const int64_t first = panel + v / GATES * LANES;
            const int64_t units = first < H ? min_i64(LANES, H - first) : 0;
            const float *rows = matrix + (v % GATES * H + first) * K;
            float *to = packed + v * LANES;
            for (int64_t k = 0; k < K; k += each, to += VECS * LANES) {
                for (int64_t u = 0; u < units; u++) {
                    const float *from = rows + u * K + k;
                    to[u] = each == 1 ? from[0] : pair_of(from[0], k + 1 < K ? from[1] : 0.0f);
                }
                for (int64_t u = units; u < LANES; u++) to[u] = 0.0f;
            }
        }
        packed += (K + each - 1) / each * VECS * LANES;
    }
}

static TARGET void CELL_NAME(pack_bias)(const kernel_call *c, int64_t num_panels, float *packed) {
    const int64_t H = c->hidden_size;
    for (int64_t first = 0; first < num_panels * PANEL_UNITS; first += LANES)
        for (int bias = 0; bias < BIASES; bias++, packed += LANES)
            for (int64_t u = 0; u < LANES; u++) {
                const int64_t unit = first + u, at = min_i64(bias, GATES - 1) * H + unit;
                const int input = bias < GATES, recurrent = bias != GATES - SPLIT;
                packed[u] = 0.0f;
                if (unit < H && input) packed[u] += c->bias_ih[at];
                if (unit < H && recurrent) packed[u] += c->bias_hh[at];
            }
}

/* Take `rows` rows of the batch, from b, through `panels` panels of one step. */
FN void CELL_NAME(forward_tile)(const kernel_call *c, const CELL_NAME(weights) *w, int64_t step,
                                int64_t b, int64_t panel, const int rows, const int panels) {
    const int64_t H = c->hidden_size, F = c->input_size;
    const float *before[8], *input[8];
    int64_t row[8];
    vec sums[8][4][VECS], split[8][4];
    const float *bias = w->bias + panel * UNIT_VECS * BIASES * LANES;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        row[i] = row_of(c, step, b + i);
        before[i] = state_before(c, step, b + i);
        input[i] = c->x ? c->x + row[i] * F : NULL;
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
            for (int v = 0; v < VECS; v++) {
                const int at = (j * UNIT_VECS + v / GATES) * BIASES + v % GATES;
                sums[i][j][v] = NAME(load)(bias + at * LANES);
            }
    }
    if (c->x) {
        MULTIPLY(rows, panels, VECS, sums, input, w->input + panel * F * VECS * LANES,
                 F * VECS * LANES, F)
    } else {
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
            for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
                for (int v = 0; v < VECS; v++) {
                    const int64_t unit = (panel + j) * PANEL_UNITS + v / GATES * LANES;
                    const float *from = c->saved + row[i] * c->saved_stride + v % GATES * H + unit;
                    if (unit < H) sums[i][j][v] += NAME(load_some)(from, H - unit);
                }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++) {
            split[i][j] = (vec){0};
            if (SPLIT) {
                split[i][j] = sums[i][j][VECS - 1];
                sums[i][j][VECS - 1] = NAME(load)(bias + (j * BIASES + BIASES - 1) * LANES);
            }
        }
    MULTIPLY(rows, panels, VECS, sums, before, w->recurrent + panel * H * VECS * LANES,
             H * VECS * LANES, H)
#pragma GCC unroll 8
    for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
            for (int u = 0; u < UNIT_VECS; u++) {
                const int64_t unit = (panel + j) * PANEL_UNITS + u * LANES;
                if (unit < H)
                    CELL_NAME(finish)(c, row[i], b + i, before[i], unit, sums[i][j] + u * GATES,
                                      split[i][j]);
            }
}

/* A function of its own for each shape of tile keeps each one's sums in registers. */
#define FORWARD_TILE(NAME_, ROWS_, PANELS_)                                                        \
    static TARGET __attribute__((noinline)) void CELL_NAME(NAME_)(                                 \
        const kernel_call *c, const CELL_NAME(weights) *w, int64_t step, int64_t b,                \
        int64_t panel) {                                                                           \
        CELL_NAME(forward_tile)(c, w, step, b, panel, ROWS_, PANELS_);                             \
    }
FORWARD_TILE(forward_full, CELL_ROWS, 1)
FORWARD_TILE(forward_4x1, 4, 1)
FORWARD_TILE(forward_2x2, 2, 2)
FORWARD_TILE(forward_2x1, 2, 1)
FORWARD_TILE(forward_1x4, 1, 4)
FORWARD_TILE(forward_1x1, 1, 1)

/* Rows b to b + rows (fewer than a full block) through all panels of one step. */
static TARGET void CELL_NAME(forward_rest)(const kernel_call *c, const CELL_NAME(weights) *w,
                                           int64_t step, int64_t b, int64_t rows) {
    const int64_t V = (c->hidden_size + PANEL_UNITS - 1) / PANEL_UNITS;
    int64_t v;
    if (CELL_ROWS > 4 && rows & 4) {
        for (v = 0; v < V; v++) CELL_NAME(forward_4x1)(c, w, step, b, v);
        b += 4;
    }
    if (rows & 2) {
        for (v = 0; v + 2 <= V; v += 2) CELL_NAME(forward_2x2)(c, w, step, b, v);
        for (; v < V; v++) CELL_NAME(forward_2x1)(c, w, step, b, v);
        b += 2;
    }
    if (rows & 1) {
        for (v = 0; v + 4 <= V; v += 4) CELL_NAME(forward_1x4)(c, w, step, b, v);
        for (; v < V; v++) CELL_NAME(forward_1x1)(c, w, step, b, v);
    }
}

/* Copy the states that the rows of the batch end with. */
static TARGET void CELL_NAME(copy_last)(const kernel_call *c, int64_t first, int64_t end) {
    for (int64_t b = first; c->last != c->hidden && b < end; b++) {
        const int64_t steps = c->lengths ? c->lengths[b] : c->num_steps;
        memcpy(c->last + b * c->hidden_size, state_before(c, steps, b),
               (size_t)c->hidden_size * sizeof(float));
    }
}

/* Cell states are advanced where they end. */
static TARGET void CELL_NAME(copy_cells)(const kernel_call *c, int64_t first, int64_t end) {
    const int64_t H = c->hidden_size;
    if (HAS_CELL)
        memcpy(c->last_cell + first * H, c->cell_state + first * H,
               (size_t)((end - first) * H) * sizeof(float));
}

static TARGET void CELL_NAME(forward_share)(const kernel_call *c, const void *weights, int64_t index,
                                            int64_t threads) {
    const CELL_NAME(weights) *w = weights;
    const int64_t V = (c->hidden_size + PANEL_UNITS - 1) / PANEL_UNITS;
    const row_share r = rows_of_share(c, CELL_ROWS, index, threads);
    for (int64_t b = r.first; b < r.end; b += r.stride)
        CELL_NAME(copy_cells)(c, b, min_i64(b + CELL_ROWS, r.end));
    for (int64_t step = 0; step < c->num_steps; step++) {
        const int64_t running = min_i64(rows_at(c, step), r.end);
        int64_t b = r.first;
        if (b >= running) break;
        for (int64_t v = 0; v < V; v++)
            for (b = r.first; b + CELL_ROWS <= running; b += r.stride)
                CELL_NAME(forward_full)(c, w, step, b, v);
        if (b < running) CELL_NAME(forward_rest)(c, w, step, b, running - b);
    }
    for (int64_t b = r.first; b < r.end; b += r.stride)
        CELL_NAME(copy_last)(c, b, min_i64(b + CELL_ROWS, r.end));
}

/* The gates' sums of some units of a row, of float32 weights as they lie in (GH, K). */
FN void CELL_NAME(gate_sums)(const kernel_call *c, int64_t row, const float *before, int64_t unit,
                             vec *input, vec *recurrent) {
    const int64_t H = c->hidden_size, F = c->input_size, units = min_i64(LANES, H - unit);
    for (int g = 0; g < GATES; g++) {
        const int64_t first = g * H + unit;
        recurrent[g] = NAME(gate_products)(c->weight_hh + first * H, before, H, units);
        if (c->x) {
            input[g] = NAME(gate_products)(c->weight_ih + first * F, c->x + row * F, F, units);
        } else {
            input[g] = NAME(load_some)(c->saved + row * c->saved_stride + first, units);
        }
    }
}

/* Row by row, without packing: it would cost more than the products of a few rows. `layer` is the int8_layer
 * of a call with weights of eight bits. */
static TARGET void CELL_NAME(rows_share)(const kernel_call *c, const void *layer, int64_t index,
                                         int64_t threads) {
    const int64_t H = c->hidden_size;
    const int8_layer *w = layer;
    const row_share r = rows_of_share(c, 1, index, threads);
    uint8_t *numbers = w ? (uint8_t *)w->memory + index * w->bytes : NULL;
    float *input_sums = NULL, *sums_before = NULL;
    if (w) {
        sums_before = (float *)(void *)(numbers + w->bytes) - INT8_ROWS * w->recurrent.blocks;
        input_sums = sums_before - INT8_ROWS * w->input.blocks;
    }
    for (int64_t b = r.first; b < r.end; b += r.stride) CELL_NAME(copy_cells)(c, b, b + 1);
    for (int64_t step = 0; step < c->num_steps; step++)
        for (int64_t b = r.first; b < min_i64(rows_at(c, step), r.end); b += r.stride) {
            const int64_t row = row_of(c, step, b);
            const float *before = state_before(c, step, b);
            if (w) {
                int8_sums(w, &w->input, c->x + row * c->input_size, numbers, input_sums);
                int8_sums(w, &w->recurrent, before, numbers, sums_before);
            }
            for (int64_t unit = 0; unit < H; unit += LANES) {
                const int64_t units = min_i64(LANES, H - unit);
                vec input[GATES], sums[GATES], split = {0};
                if (!w) CELL_NAME(gate_sums)(c, row, before, unit, input, sums);
                for (int g = 0; g < GATES; g++) {
                    const int64_t first = g * H + unit;
                    if (w) input[g] = NAME(load_some)(input_sums + first, units);
                    if (w) sums[g] = NAME(load_some)(sums_before + first, units);
                    input[g] += NAME(load_some)(c->bias_ih + first, units);
                    sums[g] += NAME(load_some)(c->bias_hh + first, units);
                    if (SPLIT && g == GATES - 1) {
                        split = input[g];
                    } else {
                        sums[g] += input[g];
                    }
                }
                CELL_NAME(finish)(c, row, b, before, unit, sums, split);
            }
        }
    for (int64_t b = r.first; b < r.end; b += r.stride) CELL_NAME(copy_last)(c, b, b + 1);
}

static TARGET int CELL_NAME(forward_int8)(const kernel_call *c) {
    int8_layer w = {.products = int8_products_of(LANES)};
    const int64_t few = c->num_steps * c->batch_size <= UNPACKED_ROWS;
    team shared = {c, &w, few ? 1 : team_size(c, 1), 0, CELL_NAME(rows_share)};
    place_matrices(c, &w.input, &w.recurrent, (void *)(uintptr_t)c->int8);
    w.bytes = int8_row_bytes(&w);
    float *memory = aligned_floats(w.bytes / (int64_t)sizeof(float) * shared.threads);
    if (!memory) return -1;
    w.memory = (char *)memory;
    run_team(&shared, c->runner);
    free(memory);
    return 0;
}
