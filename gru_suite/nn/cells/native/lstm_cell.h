/* The LSTM of torch.nn:
 *
 *   i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.)
 *   g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
 *   c' = f * c + i * g
 *   h' = o * tanh(c')
 *
 * Saved: i, f, g, o, c'. Gradients and biases: i, f, g, o.
 */
#define GATES 4
#define UNIT_VECS 1
#if LANES == 16
#define CELL_ROWS 6
#else
#define CELL_ROWS 3
#endif
#define SAVED 5
#define GRADS 4
#define RECURRENT 0
#define BIASES 4
#define SPLIT 0
#define HAS_CELL 1

FN void CELL_NAME(finish)(const kernel_call *c, int64_t row, int64_t b, const float *before,
                          int64_t unit, const vec *sums, vec input_n) {
    const int64_t H = c->hidden_size, count = H - unit;
    float *cell = c->last_cell + b * H + unit;
    (void)before, (void)input_n;
    vec i = NAME(sigmoid)(sums[0]);
    vec f = NAME(sigmoid)(sums[1]);
    vec g = NAME(tanh)(sums[2]);
    vec o = NAME(sigmoid)(sums[3]);
    vec cn = f * NAME(load_some)(cell, count) + i * g;
    NAME(store_some)(cell, cn, count);
    NAME(store_some)(c->hidden + row * H + unit, o * NAME(tanh)(cn), count);
    if (c->save) {
        float *saved = c->saved + row * c->saved_stride + unit;
        NAME(store_some)(saved, i, count);
        NAME(store_some)(saved + H, f, count);
        NAME(store_some)(saved + 2 * H, g, count);
        NAME(store_some)(saved + 3 * H, o, count);
        NAME(store_some)(saved + 4 * H, cn, count);
    }
}

FN void CELL_NAME(unit_gradients)(const kernel_call *c, int64_t step, int64_t b, int64_t row,
                                  int64_t unit, vec dh, vec *grads) {
    const int64_t H = c->hidden_size, count = H - unit;
    const float *saved = c->saved + row * c->saved_stride + unit;
    float *carry = c->grad_cell + b * H + unit;
    vec i = NAME(load_some)(saved, count);
    vec f = NAME(load_some)(saved + H, count);
    vec g = NAME(load_some)(saved + 2 * H, count);
    vec o = NAME(load_some)(saved + 3 * H, count);
    vec tanh_c = NAME(tanh)(NAME(load_some)(saved + 4 * H, count));
    vec before = NAME(load_some)(cell_before(c, step, b, SAVED - 1) + unit, count);
    vec dc = NAME(load_some)(carry, count) + dh * o * (1.0f - tanh_c * tanh_c);
    grads[0] = dc * g * (i - i * i);
    grads[1] = dc * before * (f - f * f);
    grads[2] = dc * i * (1.0f - g * g);
    grads[3] = dh * tanh_c * (o - o * o);
    NAME(store_some)(carry, dc * f, count);
    NAME(store_some)(c->grad_state + b * H + unit, (vec){0}, count);
}
