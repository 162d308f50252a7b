/* The backward pass of one cell in one instruction set. Part of cell.h. */

FN void CELL_NAME(store_gradient)(const kernel_call *c, int64_t place, vec grad, int64_t count) {
#if HALF
    if (c->half) {
        NAME(store_half)(c->grad_half + place, grad, count);
        return;
    }
#endif
    NAME(store_some)(c->grad_gates + place, grad, count);
}

/* Turn the gradient of a block's new states into those of its sums, and start that of its old states. */
FN void CELL_NAME(backward_gates)(const kernel_call *c, int64_t step, int64_t b, int64_t rows) {
    const int64_t H = c->hidden_size;
    float *bias = c->grad_bias + b / ROWS * GRADS * H;
    for (int64_t unit = 0; unit < H; unit += LANES) {
        const int64_t count = H - unit;
        vec total[GRADS], grads[GRADS];
        for (int g = 0; g < GRADS; g++) total[g] = (vec){0};
        for (int64_t i = 0; i < rows; i++) {
            const int64_t row = row_of(c, step, b + i);
            const int64_t place = (row - c->first_row) * c->grad_stride + unit;
            vec dh = NAME(load_some)(c->grad_state + (b + i) * H + unit, count);
            if (c->grad_hidden) dh += NAME(load_some)(c->grad_hidden + row * H + unit, count);
            CELL_NAME(unit_gradients)(c, step, b + i, row, unit, dh, grads);
            for (int g = 0; g < GRADS; g++) {
                CELL_NAME(store_gradient)(c, place + g * H, grads[g], count);
                total[g] += grads[g];
            }
        }
        /* The rows first, then the steps: a long sum of small terms loses fewer digits so. */
        for (int g = 0; g < GRADS; g++) {
            float *to = bias + g * H + unit;
            NAME(store_some)(to, NAME(load_some)(to, count) + total[g], count);
        }
    }
}

static TARGET void CELL_NAME(backward_share)(const kernel_call *c, const void *weights,
                                             int64_t index, int64_t threads) {
    const int64_t H = c->hidden_size, stride = threads * ROWS;
    const NAME(product) p = {weights, GATES * H, RECURRENT * H, SAVED * H};
    for (int64_t b = index * ROWS; c->last_step == c->num_steps && b < c->batch_size; b += stride) {
        const int64_t floats = (min_i64(b + ROWS, c->batch_size) - b) * H;
        start_gradient(c->grad_state, c->grad_last, b * H, floats);
        if (HAS_CELL) start_gradient(c->grad_cell, c->grad_last_cell, b * H, floats);
    }
    for (int64_t step = c->last_step - 1; step >= c->first_step; step--) {
        const int64_t running = rows_at(c, step);
        for (int64_t b = index * ROWS; b < running; b += stride)
            CELL_NAME(backward_gates)(c, step, b, min_i64(ROWS, running - b));
#if HALF
        if (c->half) {
            NAME(half_backward_products)(c, &p, step, index * ROWS, stride);
            continue;
        }
#endif
        NAME(backward_products)(c, &p, step, index * ROWS, stride);
    }
}

static TARGET void CELL_NAME(backward)(const kernel_call *c) {
    const int64_t H = c->hidden_size;
    team shared = {c, c->packed, team_size(c, ROWS), 0, CELL_NAME(backward_share)};
    if (c->last_step == c->num_steps)
        NAME(pack_columns)(c->weight_hh, GATES * H, H, HALF && c->half ? 2 : 1, c->packed);
    run_team(&shared, c->runner);
}
