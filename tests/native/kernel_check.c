/* The kernel against the equations written out, in every instruction set of this machine, for the
 * sanitizers and valgrind: buffers are exactly as large as they must be. */
#include "gru_kernel.h"

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

/* Hidden states in double precision; returns the weighted sum that is the loss. */
static double run_plain(const shape *s, int reverse, const double *x, const double *state,
                        const double *wi, const double *wh, const double *bi, const double *bh,
                        const float *weight, double *hidden) {
    double loss = 0;
    for (int64_t b = 0; b < s->B; b++) {
        const double *h = state + b * s->H;
        for (int64_t t = 0; t < s->lengths[b]; t++) {
            int64_t row = row_of(s, reverse, t, b);
            double *out = hidden + row * s->H;
            for (int64_t u = 0; u < s->H; u++) {
                double in[3], re[3];
                for (int g = 0; g < 3; g++) {
                    int64_t unit = g * s->H + u;
                    in[g] = bi[unit], re[g] = bh[unit];
                    for (int64_t k = 0; k < s->F; k++) in[g] += wi[unit * s->F + k] * x[row * s->F + k];
                    for (int64_t k = 0; k < s->H; k++) re[g] += wh[unit * s->H + k] * h[k];
                }
                double r = sigmoid(in[0] + re[0]), z = sigmoid(in[1] + re[1]);
                double n = tanh(in[2] + r * re[2]);
                out[u] = n + z * (h[u] - n);
                loss += out[u] * weight[row * s->H + u];
            }
            h = out;
        }
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

static void check(int64_t B, int64_t T, int64_t F, int64_t H, int ragged, int reverse, int fused,
                  int64_t threads) {
    shape s = {B, T, F, H, malloc((size_t)B * 8), malloc((size_t)(T + 1) * 8), 0};
    for (int64_t b = 0; b < B; b++) s.lengths[b] = ragged ? T - b * (T - 1) / B : T;
    for (int64_t t = 0; t <= T; t++) {
        s.offsets[t] = s.N;
        for (int64_t b = 0; t < T && b < B; b++) s.N += s.lengths[b] > t;
    }
    float *x = floats(s.N * F, 1), *state = floats(B * H, 1), *wi = floats(3 * H * F, 1);
    float *wh = floats(3 * H * H, 1), *bi = floats(3 * H, 1), *bh = floats(3 * H, 1);
    float *weight = floats(s.N * H, 1), *hidden = floats(s.N * H, 0), *last = floats(B * H, 0);
    float *gates = floats(s.N * 4 * H, 0);
    for (int64_t i = 0; i < 3 * H * H; i++) wh[i] /= (float)sqrt((double)H);
    gru_call c = {.num_steps = T, .batch_size = B, .input_size = F, .hidden_size = H};
    c.reverse = reverse, c.threads = threads;
    if (ragged) c.offsets = s.offsets, c.lengths = s.lengths;
    c.x = fused ? x : NULL;
    c.state = state, c.weight_ih = wi, c.weight_hh = wh, c.bias_ih = bi, c.bias_hh = bh;
    c.hidden = hidden, c.last = last, c.gates = gates, c.gate_stride = 4 * H, c.save_gates = 1;
    if (!fused)
        for (int64_t row = 0; row < s.N; row++)
            for (int64_t unit = 0; unit < 3 * H; unit++) {
                float sum = 0;
                for (int64_t k = 0; k < F; k++) sum += wi[unit * F + k] * x[row * F + k];
                gates[row * 4 * H + unit] = sum;
            }
    expect("forward", gru_forward(&c), 0, 0);

    double *d[6], *plain = malloc((size_t)(s.N * H) * 8);
    const float *all[6] = {x, state, wi, wh, bi, bh};
    const int64_t counts[6] = {s.N * F, B * H, 3 * H * F, 3 * H * H, 3 * H, 3 * H};
    for (int i = 0; i < 6; i++) widen(all[i], d[i] = malloc((size_t)counts[i] * 8), counts[i]);
    run_plain(&s, reverse, d[0], d[1], d[2], d[3], d[4], d[5], weight, plain);
    for (int64_t i = 0; i < s.N * H; i++) expect("hidden", hidden[i], plain[i], 1e-5);
    for (int64_t b = 0; b < B; b++)
        expect("last", last[b * H], plain[row_of(&s, reverse, s.lengths[b] - 1, b) * H], 1e-5);

    int64_t blocks = gru_row_blocks(B);
    float *grads = floats(s.N * (4 * H + 3), 0), *grad_state = floats(B * H, 0);
    float *packed = floats(gru_packed_floats(H), 0);
    float *grad_bias = calloc((size_t)(blocks * 4 * H), sizeof(float));
    c.grad_hidden = weight, c.grad_gates = grads, c.grad_bias = grad_bias;
    c.grad_state = grad_state, c.packed = packed, c.grad_stride = 4 * H + 3;
    for (c.last_step = T; c.last_step; c.last_step = c.first_step) {
        c.first_step = c.last_step / 2;
        gru_backward(&c);
    }
    /* One element of the state and one of each bias, by central differences in double. */
    for (int trial = 0; trial < 3; trial++) {
        int which = trial ? 3 + trial : 1;
        int64_t at = (int64_t)((uniform() + 1) / 2 * (float)(counts[which] - 1));
        double loss[2], step = 1e-5;
        for (int side = 0; side < 2; side++) {
            d[which][at] += side ? -2 * step : step;
            loss[side] = run_plain(&s, reverse, d[0], d[1], d[2], d[3], d[4], d[5], weight, plain);
        }
        d[which][at] += step;
        double found = 0;
        /* Columns: n's input part, r, z, n's recurrent part. */
        int64_t column = trial == 1 && at >= 2 * H ? at - 2 * H : at + H;
        for (int64_t block = 0; trial && block < blocks; block++)
            found += grad_bias[block * 4 * H + column];
        if (!trial) found = grad_state[at];
        expect("gradient", found, (loss[0] - loss[1]) / (2 * step), 1e-4);
    }
    void *owned[] = {x,     state, wi,   wh,   bi,   bh,   weight, hidden, last,      gates,     plain,
                     grads, packed, d[0],  d[1], d[2], d[3], d[4], d[5],   grad_state, grad_bias, s.lengths, s.offsets};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

int main(void) {
    static const int64_t shapes[][4] = {{1, 1, 1, 1},   {1, 9, 3, 17},  {2, 5, 1, 8},   {3, 12, 4, 33},
                                        {7, 4, 2, 16},  {9, 3, 5, 31},  {16, 6, 3, 24}, {13, 5, 7, 40},
                                        {15, 4, 3, 72}, {4, 2, 300, 5}, {8, 3, 1, 1}};
    for (int isa = 0; gru_isa_name(isa); isa++) {
        int before = failures;
        if (gru_choose(isa)) {
            printf("%s: this machine has none\n", gru_isa_name(isa));
            continue;
        }
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int options = 0; options < 8; options++)
                check(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], options & 1,
                      (options & 2) != 0, (options & 4) != 0, 1 + (int64_t)i % 3);
        printf("%s: %d failures\n", gru_isa_name(isa), failures - before);
    }
    return failures != 0;
}
