/* The GRU of torch.nn:
 *
 *   r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
 *   z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
 *   n  = act(W_in x + b_in + r * (W_hn h + b_hn))
 *   h' = n + z * (h - n)
 *
 * Saved: r, z, n, W_hn h + b_hn. Gradients: n's input part, r, z, n's recurrent part, so that both the
 * input's three and the recurrence's three lie side by side. Biases: r, z, n's input and recurrent part.
 */
#define GATES 3
#define UNIT_VECS 1
#define CELL_ROWS ROWS
#define SAVED 4
#define GRADS 4
#define RECURRENT 1
#define BIASES 4
#define SPLIT 1
#define HAS_CELL 0

/* From the sums of some units of a row to their new state. */
FN void CELL_NAME(finish)(const kernel_call *c, int64_t row, int64_t b, const float *before,
                          int64_t unit, const vec *sums, vec input_n) {
    const int64_t H = c->hidden_size, count = H - unit;
    (void)b;
    vec r = NAME(sigmoid)(sums[0]);
    vec z = NAME(sigmoid)(sums[1]);
    vec n = input_n + r * sums[2];
    n = c->relu ? NAME(relu)(n) : NAME(tanh)(n);
    vec h = NAME(load_some)(before + unit, count);
    NAME(store_some)(c->hidden + row * H + unit, n + z * (h - n), count);
    if (c->save) {
        float *saved = c->saved + row * c->saved_stride + unit;
        NAME(store_some)(saved, r, count);
        NAME(store_some)(saved + H, z, count);
        NAME(store_some)(saved + 2 * H, n, count);
        NAME(store_some)(saved + 3 * H, sums[2], count);
    }
}

/* Turn the gradient of some units' new state, in `carry`, into those of their sums. `carry` keeps the
 * part that reaches the old state through h' = n + z (h - n). */
FN void CELL_NAME(unit_gradients)(const kernel_call *c, int64_t step, int64_t b, int64_t row,
                                  int64_t unit, vec dh, vec *grads) {
    const int64_t H = c->hidden_size, count = H - unit;
    const float *saved = c->saved + row * c->saved_stride + unit;
    vec r = NAME(load_some)(saved, count);
    vec z = NAME(load_some)(saved + H, count);
    vec n = NAME(load_some)(saved + 2 * H, count);
    vec hn = NAME(load_some)(saved + 3 * H, count);
    vec h = NAME(load_some)(state_before(c, step, b) + unit, count);
    vec dn = dh - dh * z;
    dn = c->relu ? (vec)((n > 0.0f) & (veci)dn) : dn * (1.0f - n * n);
    grads[0] = dn;
    grads[1] = dn * hn * (r - r * r);
    grads[2] = dh * (h - n) * (z - z * z);
    grads[3] = dn * r;
    NAME(store_some)(c->grad_state + b * H + unit, dh * z, count);
}
