/* The forward pass of one cell with products of bfloat16 numbers. Part of cell.h.
 *
 * Numbers are rounded to bfloat16 where they enter a product; sums, states and what backward needs are
 * float32. A float's place holds a pair of numbers, of two columns that one instruction multiplies and adds.
 */

/* Packed weights of a call, and the rows that they are multiplied with. */
typedef struct {
    float *input;     /* (V, FP, VECS, LANES), FP = F / 2 rounded up */
    float *recurrent; /* (V, HP, VECS, LANES), HP = H / 2 */
    float *bias;      /* as in float32 */
    float *rows;      /* (B, FP + HP): input and state before the step of each row of the batch */
} CELL_NAME(half_weights);

/* Take `rows` rows of the batch, from b, through one panel of one step. The last row stands for those that
 * a full block would have beyond it. */
static TARGET __attribute__((noinline)) void CELL_NAME(half_tile)(
    const kernel_call *c, const CELL_NAME(half_weights) *w, int64_t step, int64_t b, int64_t panel,
    int64_t rows) {
    const int64_t H = c->hidden_size, FP = (c->input_size + 1) / 2, HP = H / 2;
    const float *input[CELL_ROWS], *before[CELL_ROWS];
    vec sums[CELL_ROWS][VECS], split[CELL_ROWS];
    const float *bias = w->bias + panel * UNIT_VECS * BIASES * LANES;
#pragma GCC unroll 8
    for (int i = 0; i < CELL_ROWS; i++) {
        input[i] = w->rows + (b + min_i64(i, rows - 1)) * (FP + HP);
        before[i] = input[i] + FP;
#pragma GCC unroll 8
        for (int v = 0; v < VECS; v++)
            sums[i][v] = NAME(load)(bias + (v / GATES * BIASES + v % GATES) * LANES);
    }
    MULTIPLY_PAIRS(CELL_ROWS, VECS, sums, input, w->input + panel * FP * VECS * LANES, FP)
#pragma GCC unroll 8
    for (int i = 0; i < CELL_ROWS; i++) {
        split[i] = (vec){0};
        if (SPLIT) {
            split[i] = sums[i][VECS - 1];
            sums[i][VECS - 1] = NAME(load)(bias + (BIASES - 1) * LANES);
        }
    }
    MULTIPLY_PAIRS(CELL_ROWS, VECS, sums, before, w->recurrent + panel * HP * VECS * LANES, HP)
#pragma GCC unroll 8
    for (int i = 0; i < CELL_ROWS; i++)
#pragma GCC unroll 8
        for (int u = 0; u < UNIT_VECS; u++) {
            const int64_t unit = panel * PANEL_UNITS + u * LANES;
            if (i < rows && unit < H)
                CELL_NAME(finish)(c, row_of(c, step, b + i), b + i, state_before(c, step, b + i), unit,
                                  sums[i] + u * GATES, split[i]);
        }
}

static TARGET void CELL_NAME(half_forward_share)(const kernel_call *c, const void *weights,
                                                 int64_t index, int64_t threads) {
    const CELL_NAME(half_weights) *w = weights;
    const int64_t H = c->hidden_size, F = c->input_size, FP = (F + 1) / 2, HP = H / 2;
    const int64_t V = (H + PANEL_UNITS - 1) / PANEL_UNITS;
    const row_share r = rows_of_share(c, CELL_ROWS, index, threads);
    for (int64_t b = r.first; b < r.end; b += r.stride)
        CELL_NAME(copy_cells)(c, b, min_i64(b + CELL_ROWS, r.end));
    for (int64_t step = 0; step < c->num_steps; step++) {
        const int64_t running = min_i64(rows_at(c, step), r.end);
        if (r.first >= running) break;
        for (int64_t first = r.first; first < running; first += r.stride)
            for (int64_t b = first; b < min_i64(first + CELL_ROWS, running); b++) {
                float *pairs = w->rows + b * (FP + HP);
                NAME(to_pairs)(c->x + row_of(c, step, b) * F, F, pairs);
                NAME(to_pairs)(state_before(c, step, b), H, pairs + FP);
            }
        for (int64_t v = 0; v < V; v++)
            for (int64_t b = r.first; b < running; b += r.stride)
                CELL_NAME(half_tile)(c, w, step, b, v, min_i64(CELL_ROWS, running - b));
    }
    for (int64_t b = r.first; b < r.end; b += r.stride)
        CELL_NAME(copy_last)(c, b, min_i64(b + CELL_ROWS, r.end));
}

static TARGET int CELL_NAME(half_forward)(const kernel_call *c) {
    const int64_t H = c->hidden_size, FP = (c->input_size + 1) / 2, HP = H / 2;
    const int64_t V = (H + PANEL_UNITS - 1) / PANEL_UNITS, columns = V * VECS * LANES;
    const int64_t biases = V * UNIT_VECS * BIASES * LANES;
    float *memory = aligned_floats((columns + c->batch_size) * (FP + HP) + biases);
    if (!memory) return -1;
    CELL_NAME(half_weights) w;
    w.input = memory;
    w.recurrent = w.input + columns * FP;
    w.bias = w.recurrent + columns * HP;
    w.rows = w.bias + biases;
    team shared = {c, &w, team_size(c, CELL_ROWS), 0, CELL_NAME(half_forward_share)};
    CELL_NAME(pack_gates)(c->weight_ih, H, c->input_size, 2, w.input);
    CELL_NAME(pack_gates)(c->weight_hh, H, H, 2, w.recurrent);
    CELL_NAME(pack_bias)(c, V, w.bias);
    run_team(&shared, c->runner);
    free(memory);
    return 0;
}
