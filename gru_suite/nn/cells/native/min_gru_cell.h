/* The minGRU after its product with the input, whose recurrence is elementwise. Part of instruction_set.h.
 *
 *   z  = sigmoid(a)
 *   n  = u + 0.5 where u >= 0, else sigmoid(u)
 *   h' = h + z * (n - h)
 *
 * a and u of a step lie side by side. Its gradient computes z and n again: that takes less time than to
 * store and to load them.
 */

/* Load a step's sums of some units and return z and n. */
FN void NAME(min_gru_gates)(const float *sums, int64_t H, int64_t unit, vec *z, vec *n, veci *linear) {
    vec u = NAME(load_some)(sums + H + unit, H - unit);
    vec below = NAME(sigmoid)(u);
    *linear = u >= 0.0f;
    *z = NAME(sigmoid)(NAME(load_some)(sums + unit, H - unit));
    *n = (vec)((*linear & (veci)(u + 0.5f)) | (~*linear & (veci)below));
}

FN void NAME(min_gru_states)(const min_gru_call *c, int64_t b) {
    const int64_t H = c->hidden_size;
    const float *before = c->state + b * H;
    for (int64_t t = 0; t < c->num_steps; t++) {
        const int64_t row = b * c->num_steps + t;
        float *hidden = c->hidden + row * H;
        for (int64_t unit = 0; unit < H; unit += LANES) {
            vec z, n, h = NAME(load_some)(before + unit, H - unit);
            veci linear;
            NAME(min_gru_gates)(c->sums + row * 2 * H, H, unit, &z, &n, &linear);
            NAME(store_some)(hidden + unit, h + z * (n - h), H - unit);
        }
        before = hidden;
    }
}

FN void NAME(min_gru_gradients)(const min_gru_call *c, int64_t b) {
    const int64_t H = c->hidden_size, first = b * c->num_steps;
    float *carry = c->grad_state + b * H;
    memset(carry, 0, (size_t)H * sizeof(float));
    for (int64_t t = c->num_steps - 1; t >= 0; t--) {
        const int64_t row = first + t;
        const float *before = t ? c->hidden + (row - 1) * H : c->state + b * H;
        float *grads = c->grad_sums + row * 2 * H;
        for (int64_t unit = 0; unit < H; unit += LANES) {
            const int64_t count = H - unit;
            vec z, n, h = NAME(load_some)(before + unit, count);
            veci linear;
            NAME(min_gru_gates)(c->sums + row * 2 * H, H, unit, &z, &n, &linear);
            vec dh = NAME(load_some)(c->grad_hidden + row * H + unit, count);
            dh += NAME(load_some)(carry + unit, count);
            vec dn = dh * z, below = dn * (n - n * n);
            NAME(store_some)(grads + unit, dh * (n - h) * (z - z * z), count);
            NAME(store_some)(grads + H + unit,
                             (vec)((linear & (veci)dn) | (~linear & (veci)below)), count);
            NAME(store_some)(carry + unit, dh - dn, count);
        }
    }
}

static TARGET void NAME(min_gru_share)(const kernel_call *unused, const void *work, int64_t index,
                                       int64_t threads) {
    const min_gru_call *c = work;
    (void)unused;
    for (int64_t b = index; b < c->batch_size; b += threads) {
        if (c->grad_hidden) {
            NAME(min_gru_gradients)(c, b);
        } else {
            NAME(min_gru_states)(c, b);
        }
    }
}
