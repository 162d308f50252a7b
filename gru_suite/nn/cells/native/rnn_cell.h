/* The RNN of torch.nn:
 *
 *   h' = act(W_ih x + b_ih + W_hh h + b_hh)
 *
 * Nothing is saved but the states.
 */
#define GATES 1
#define UNIT_VECS 2
#define CELL_ROWS ROWS
#define SAVED 0
#define GRADS 1
#define RECURRENT 0
#define BIASES 1
#define SPLIT 0
#define HAS_CELL 0

FN void CELL_NAME(finish)(const kernel_call *c, int64_t row, int64_t b, const float *before,
                          int64_t unit, const vec *sums, vec input_n) {
    const int64_t H = c->hidden_size;
    (void)b, (void)before, (void)input_n;
    vec h = c->relu ? NAME(relu)(sums[0]) : NAME(tanh)(sums[0]);
    NAME(store_some)(c->hidden + row * H + unit, h, H - unit);
}

FN void CELL_NAME(unit_gradients)(const kernel_call *c, int64_t step, int64_t b, int64_t row,
                                  int64_t unit, vec dh, vec *grads) {
    const int64_t H = c->hidden_size, count = H - unit;
    (void)step;
    vec h = NAME(load_some)(c->hidden + row * H + unit, count);
    grads[0] = c->relu ? (vec)((h > 0.0f) & (veci)dh) : dh * (1.0f - h * h);
    NAME(store_some)(c->grad_state + b * H + unit, (vec){0}, count);
}
