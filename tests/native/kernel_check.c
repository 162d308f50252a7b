/* The kernel against the equations written out, in every instruction set of this machine, for the
 * sanitizers and valgrind: buffers are exactly as large as they must be. */
#include "recurrent_kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned seed = 1;
static float uniform(void) {
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1.0f;
}

static float *floats(int64_t count, int random) {
    float *p = malloc((size_t)count * sizeof(float));
    for (int64_t i = 0; i < count; i++) p[i] = random ? uniform() : NAN;
    return p;
}

typedef struct {
    int64_t B, T, F, H;
    int64_t *lengths, *offsets; /* lengths fall */
    int64_t N;
} shape;

static int64_t row_of(const shape *s, int reverse, int64_t step, int64_t b) {
    return s->offsets[reverse ? s->lengths[b] - 1 - step : step] + b;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* G, S and D of each cell. */
static const int64_t GATES[] = {3, 4, 1}, SAVED[] = {4, 5, 0}, GRADS[] = {4, 4, 1};

/* States, weights and biases in double precision. */
enum { X, STATE, CELL_STATE, W_IH, W_HH, B_IH, B_HH, NUM_INPUTS };

/* The new state of a unit from its gates' sums, of the input and of the recurrence. */
static double new_state(int cell, int relu, const double *in, const double *re, double h, double *c) {
    if (cell == CELL_RNN) return relu ? fmax(0, in[0] + re[0]) : tanh(in[0] + re[0]);
    if (cell == CELL_LSTM) {
        *c = sigmoid(in[1] + re[1]) * *c + sigmoid(in[0] + re[0]) * tanh(in[2] + re[2]);
        return sigmoid(in[3] + re[3]) * tanh(*c);
    }
    double r = sigmoid(in[0] + re[0]), z = sigmoid(in[1] + re[1]), n = in[2] + r * re[2];
    n = relu ? fmax(0, n) : tanh(n);
    return n + z * (h - n);
}

/* Hidden states in double precision, and the cell states at the end; returns the weighted sum that is
 * the loss. */
static double run_plain(const shape *s, int cell, int relu, int reverse, double *const *d,
                        const float *weight, double *hidden, double *cells) {
    double loss = 0;
    for (int64_t b = 0; b < s->B; b++) {
        const double *h = d[STATE] + b * s->H;
        double *c = cells + b * s->H;
        memcpy(c, d[CELL_STATE] + b * s->H, (size_t)s->H * sizeof(double));
        for (int64_t t = 0; t < s->lengths[b]; t++) {
            int64_t row = row_of(s, reverse, t, b);
            double *out = hidden + row * s->H;
            const double *x = d[X] + row * s->F;
            for (int64_t u = 0; u < s->H; u++) {
                double in[4], re[4];
                for (int64_t g = 0; g < GATES[cell]; g++) {
                    int64_t unit = g * s->H + u;
                    in[g] = d[B_IH][unit], re[g] = d[B_HH][unit];
                    for (int64_t k = 0; k < s->F; k++) in[g] += d[W_IH][unit * s->F + k] * x[k];
                    for (int64_t k = 0; k < s->H; k++) re[g] += d[W_HH][unit * s->H + k] * h[k];
                }
                out[u] = new_state(cell, relu, in, re, h[u], c + u);
                loss += out[u] * weight[row * s->H + u];
            }
            h = out;
        }
        /* The weights of the last cell states are those of the first hidden states. */
        for (int64_t u = 0; cell == CELL_LSTM && u < s->H; u++) loss += c[u] * weight[b * s->H + u];
    }
    return loss;
}

static void widen(const float *from, double *to, int64_t count) {
    for (int64_t i = 0; i < count; i++) to[i] = from[i];
}

static int failures;
static void expect(const char *what, double found, double wanted, double tolerance) {
    if (fabs(found - wanted) <= tolerance * (1 + fabs(wanted))) return;
    printf("%s: %.9g, not %.9g\n", what, found, wanted);
    failures++;
}

static void check(int cell, int relu, int64_t B, int64_t T, int64_t F, int64_t H, int ragged,
                  int reverse, int fused, int half, int64_t threads) {
    shape s = {B, T, F, H, malloc((size_t)B * 8), malloc((size_t)(T + 1) * 8), 0};
    for (int64_t b = 0; b < B; b++) s.lengths[b] = ragged ? T - b * (T - 1) / B : T;
    for (int64_t t = 0; t <= T; t++) {
        s.offsets[t] = s.N;
        for (int64_t b = 0; t < T && b < B; b++) s.N += s.lengths[b] > t;
    }
    const int64_t G = GATES[cell] * H, S = SAVED[cell] * H, D = GRADS[cell] * H;
    const int64_t stride = S > G ? S : G;
    const int64_t counts[NUM_INPUTS] = {s.N * F, B * H, B * H, G * F, G * H, G, G};
    float *all[NUM_INPUTS];
    for (int i = 0; i < NUM_INPUTS; i++) all[i] = floats(counts[i], 1);
    float *weight = floats(s.N * H, 1), *hidden = floats(s.N * H, 0), *last = floats(B * H, 0);
    float *saved = floats(s.N * stride, 0), *last_cell = floats(B * H, 0);
    for (int64_t i = 0; i < G * H; i++) all[W_HH][i] /= (float)sqrt((double)H);
    kernel_call c = {.num_steps = T, .batch_size = B, .input_size = F, .hidden_size = H};
    c.cell = cell, c.relu = relu, c.reverse = reverse, c.threads = threads, c.half = half;
    /* bfloat16 has eight binary digits, of which errors grow from step to step. */
    const double near = half ? 3e-2 : 1e-5, near_gradient = half ? 1e-1 : 1e-4;
    if (ragged) c.offsets = s.offsets, c.lengths = s.lengths;
    c.x = fused ? all[X] : NULL;
    c.state = all[STATE], c.weight_ih = all[W_IH], c.weight_hh = all[W_HH];
    c.bias_ih = all[B_IH], c.bias_hh = all[B_HH];
    c.hidden = hidden, c.last = last, c.saved = saved, c.saved_stride = stride, c.save = 1;
    if (cell == CELL_LSTM) c.cell_state = all[CELL_STATE], c.last_cell = last_cell;
    if (fused && !S) c.saved = NULL;
    if (!fused)
        for (int64_t row = 0; row < s.N; row++)
            for (int64_t unit = 0; unit < G; unit++) {
                float sum = 0;
                for (int64_t k = 0; k < F; k++) sum += all[W_IH][unit * F + k] * all[X][row * F + k];
                saved[row * stride + unit] = sum;
            }
    expect("forward", kernel_forward(&c), 0, 0);

    double *d[NUM_INPUTS], *plain = malloc((size_t)(s.N * H) * 8), *cells = malloc((size_t)(B * H) * 8);
    for (int i = 0; i < NUM_INPUTS; i++)
        widen(all[i], d[i] = malloc((size_t)counts[i] * 8), counts[i]);
    run_plain(&s, cell, relu, reverse, d, weight, plain, cells);
    for (int64_t i = 0; i < s.N * H; i++) expect("hidden", hidden[i], plain[i], near);
    for (int64_t b = 0; b < B; b++)
        expect("last", last[b * H], plain[row_of(&s, reverse, s.lengths[b] - 1, b) * H], near);
    for (int64_t i = 0; cell == CELL_LSTM && i < B * H; i++)
        expect("cell", last_cell[i], cells[i], near);

    int64_t blocks = kernel_row_blocks(B);
    float *grads = floats(s.N * (D + 3), 0), *grad_state = floats(B * H, 0);
    float *grad_cell = floats(B * H, 0), *packed = floats(kernel_packed_floats(GATES[cell], H), 0);
    float *grad_bias = calloc((size_t)(blocks * D), sizeof(float));
    uint16_t *grads16 = malloc((size_t)(s.N * (D + 4)) * sizeof *grads16);
    c.grad_hidden = weight, c.grad_half = grads16, c.grad_gates = grads, c.grad_bias = grad_bias;
    c.grad_state = grad_state, c.packed = packed, c.grad_stride = D + (half ? 4 : 3);
    if (cell == CELL_LSTM) c.grad_cell = grad_cell, c.grad_last_cell = weight;
    for (c.last_step = T; c.last_step; c.last_step = c.first_step) {
        c.first_step = c.last_step / 2;
        kernel_backward(&c);
    }
    /* One element of each state and of each bias, by central differences in double. */
    static const int which[] = {STATE, CELL_STATE, B_IH, B_HH};
    for (int trial = 0; trial < 4; trial++) {
        int input = which[trial];
        if (input == CELL_STATE && cell != CELL_LSTM) continue;
        int64_t at = (int64_t)((uniform() + 1) / 2 * (float)(counts[input] - 1));
        /* So small that hardly a relu changes sides. */
        double loss[2], step = 1e-7;
        for (int side = 0; side < 2; side++) {
            d[input][at] += side ? -2 * step : step;
            loss[side] = run_plain(&s, cell, relu, reverse, d, weight, plain, cells);
        }
        d[input][at] += step;
        double found = 0;
        /* A GRU's columns: n's input part, r, z, n's recurrent part. */
        int64_t column = at;
        if (cell == CELL_GRU) column = input == B_IH && at >= 2 * H ? at - 2 * H : at + H;
        for (int64_t block = 0; trial > 1 && block < blocks; block++)
            found += grad_bias[block * D + column];
        if (input == STATE) found = grad_state[at];
        if (input == CELL_STATE) found = grad_cell[at];
        expect("gradient", found, (loss[0] - loss[1]) / (2 * step), near_gradient);
    }
    void *owned[] = {weight, hidden, last,       saved,     last_cell, plain,     cells,    grads,
                     packed, grad_cell, grad_state, grad_bias, s.lengths, s.offsets, grads16};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    for (int i = 0; i < NUM_INPUTS; i++) free(all[i]), free(d[i]);
}

/* Round a row of numbers to whole multiples of a 127th of the largest. */
static void round_row(double *row, int64_t count) {
    double largest = 0;
    for (int64_t k = 0; k < count; k++) largest = fmax(largest, fabs(row[k]));
    for (int64_t k = 0; largest > 0 && k < count; k++) row[k] = rint(row[k] / largest * 127) * largest / 127;
}

/* Set to zero what lies so near between two such multiples that either is right. */
static void leave_ties_out(float *row, int64_t count) {
    float largest = 0;
    for (int64_t k = 0; k < count; k++) largest = fmaxf(largest, fabsf(row[k]));
    for (int64_t k = 0; largest > 0 && k < count; k++) {
        const double number = fabs((double)row[k] / largest * 127);
        if (fabs(number - floor(number) - 0.5) < 1e-3) row[k] = 0;
    }
}

/* Weights of eight bits: one step from each row's state, since steps hand on how a state was rounded. */
static void check_int8(int cell, int64_t B, int64_t F, int64_t H, int64_t threads) {
    const int64_t G = GATES[cell] * H;
    const int64_t counts[NUM_INPUTS] = {B * F, B * H, B * H, G * F, G * H, G, G};
    const int64_t columns[NUM_INPUTS] = {F, H, 0, F, H, 0, 0};
    float *all[NUM_INPUTS];
    double *d[NUM_INPUTS];
    for (int i = 0; i < NUM_INPUTS; i++) {
        all[i] = floats(counts[i], 1);
        for (int64_t at = 0; columns[i] && at < counts[i]; at += columns[i])
            leave_ties_out(all[i] + at, columns[i]);
        widen(all[i], d[i] = malloc((size_t)counts[i] * 8), counts[i]);
        for (int64_t at = 0; columns[i] && at < counts[i]; at += columns[i]) round_row(d[i] + at, columns[i]);
    }
    float *hidden = floats(B * H, 0), *last = floats(B * H, 0), *last_cell = floats(B * H, 0);
    kernel_call c = {.num_steps = 1, .batch_size = B, .input_size = F, .hidden_size = H};
    c.cell = cell, c.threads = threads, c.x = all[X], c.state = all[STATE];
    c.weight_ih = all[W_IH], c.weight_hh = all[W_HH], c.bias_ih = all[B_IH], c.bias_hh = all[B_HH];
    c.hidden = hidden, c.last = last;
    if (cell == CELL_LSTM) c.cell_state = all[CELL_STATE], c.last_cell = last_cell;
    void *packed = malloc((size_t)kernel_int8_bytes(&c));
    kernel_pack_int8(&c, packed);
    c.int8 = packed, c.weight_ih = c.weight_hh = NULL;
    expect("forward in eight bits", kernel_forward(&c), 0, 0);
    for (int64_t b = 0; b < B; b++)
        for (int64_t u = 0; u < H; u++) {
            const int64_t at = b * H + u;
            double in[4], re[4], cell_state = all[CELL_STATE][at];
            for (int64_t g = 0; g < GATES[cell]; g++) {
                const int64_t unit = g * H + u;
                in[g] = d[B_IH][unit], re[g] = d[B_HH][unit];
                for (int64_t k = 0; k < F; k++) in[g] += d[W_IH][unit * F + k] * d[X][b * F + k];
                for (int64_t k = 0; k < H; k++) re[g] += d[W_HH][unit * H + k] * d[STATE][b * H + k];
            }
            const double wanted = new_state(cell, 0, in, re, all[STATE][at], &cell_state);
            expect("hidden in eight bits", hidden[at], wanted, 1e-5);
            expect("last in eight bits", last[at], wanted, 1e-5);
            if (cell == CELL_LSTM) expect("cell in eight bits", last_cell[at], cell_state, 1e-5);
        }
    all[X][F - 1] = INFINITY;
    expect("forward of infinity", kernel_forward(&c), 0, 0);
    for (int64_t i = 0; i < B * H; i++) {
        if (i < H ? !isnan(hidden[i]) : hidden[i] != last[i]) failures++, printf("infinity\n");
    }
    void *owned[] = {hidden, last, last_cell, packed};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    for (int i = 0; i < NUM_INPUTS; i++) free(all[i]), free(d[i]);
}

static void check_min_gru(int64_t B, int64_t T, int64_t H, int64_t threads) {
    float *sums = floats(B * T * 2 * H, 1), *state = floats(B * H, 1), *hidden = floats(B * T * H, 0);
    float *grad = floats(B * T * H, 1), *grad_sums = floats(B * T * 2 * H, 0);
    float *grad_state = floats(B * H, 0);
    min_gru_call c = {.batch_size = B, .num_steps = T, .hidden_size = H, .threads = threads};
    c.sums = sums, c.state = state, c.hidden = hidden;
    kernel_min_gru(&c);
    c.grad_hidden = grad, c.grad_sums = grad_sums, c.grad_state = grad_state;
    kernel_min_gru(&c);
    for (int64_t b = 0; b < B; b++)
        for (int64_t k = 0; k < H; k++) {
            double z[64], n[64], h[65], carry = 0;
            h[0] = state[b * H + k];
            for (int64_t t = 0; t < T; t++) {
                const float *a = sums + (b * T + t) * 2 * H + k;
                z[t] = sigmoid(a[0]), n[t] = a[H] >= 0 ? a[H] + 0.5 : sigmoid(a[H]);
                h[t + 1] = h[t] + z[t] * (n[t] - h[t]);
                expect("minGRU", hidden[(b * T + t) * H + k], h[t + 1], 1e-5);
            }
            for (int64_t t = T - 1; t >= 0; t--) {
                const int64_t at = (b * T + t) * 2 * H + k;
                double dh = grad[(b * T + t) * H + k] + carry, slope = sums[at + H] >= 0;
                if (!slope) slope = n[t] * (1 - n[t]);
                expect("minGRU's a", grad_sums[at], dh * (n[t] - h[t]) * z[t] * (1 - z[t]), 1e-5);
                expect("minGRU's u", grad_sums[at + H], dh * z[t] * slope, 1e-5);
                carry = dh * (1 - z[t]);
            }
            expect("minGRU's state", grad_state[b * H + k], carry, 1e-5);
        }
    free(sums), free(state), free(hidden), free(grad), free(grad_sums), free(grad_state);
}

static void check_products(int64_t rows, int64_t left_columns, int64_t right_columns, int64_t threads) {
    const int64_t left_stride = left_columns + 1, right_stride = right_columns + 5;
    const int64_t width = kernel_sum_columns(right_columns);
    /* A row ends with its last column. */
    float *left = floats((rows - 1) * left_stride + left_columns, 1);
    float *right = floats((rows - 1) * right_stride + right_columns, 1);
    float *total = calloc((size_t)(left_columns * width), sizeof(float));
    kernel_sum sum = {left, left_stride, right, right_stride, rows, left_columns, right_columns,
                      total, width, threads, NULL};
    for (int times = 0; times < 2; times++) kernel_add_products(&sum);
    for (int64_t m = 0; m < left_columns; m++)
        for (int64_t n = 0; n < right_columns; n++) {
            double wanted = 0;
            for (int64_t row = 0; row < rows; row++)
                wanted += 2.0 * left[row * left_stride + m] * right[row * right_stride + n];
            expect("product", total[m * width + n], wanted, 1e-5 * sqrt((double)rows));
        }
    free(left), free(right), free(total);
}

int main(void) {
    static const int64_t shapes[][4] = {{1, 1, 1, 1},   {1, 9, 3, 17},  {2, 5, 1, 8},   {3, 12, 4, 33},
                                        {7, 4, 2, 16},  {9, 3, 5, 31},  {16, 6, 3, 24}, {13, 5, 7, 40},
                                        {15, 4, 3, 72}, {4, 2, 300, 5}, {8, 3, 1, 1}};
    for (int isa = 0; kernel_isa_name(isa); isa++) {
        int before = failures;
        if (kernel_choose(isa)) {
            printf("%s: this machine has none\n", kernel_isa_name(isa));
            continue;
        }
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int options = 0; options < 8 * NUM_CELLS * 4; options++) {
                int cell = options / 8 % NUM_CELLS, relu = options / 8 / NUM_CELLS & 1;
                int fused = (options & 4) != 0, half = options / 8 / NUM_CELLS > 1;
                if (cell == CELL_LSTM && relu) continue;
                /* Rounding moves numbers to a relu's other side, where the gradient is another. */
                if (half && relu) continue;
                if (half && (!kernel_has_half() || !fused || shapes[i][3] % 2)) continue;
                check(cell, relu, shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], options & 1,
                      (options & 2) != 0, fused, half, 1 + (int64_t)i % 3);
            }
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int cell = 0; cell < NUM_CELLS; cell++)
                check_int8(cell, shapes[i][0], shapes[i][2], shapes[i][3], 1 + (int64_t)i % 3);
        check_min_gru(1, 1, 1, 1), check_min_gru(3, 9, 17, 2), check_min_gru(5, 64, 300, 3);
        check_products(1, 1, 1, 1), check_products(97, 5, 13, 1), check_products(200, 19, 50, 3);
        check_products(300, 64, 97, 2), check_products(40, 130, 300, 4);
        printf("%s: %d failures\n", kernel_isa_name(isa), failures - before);
    }
    return failures != 0;
}
