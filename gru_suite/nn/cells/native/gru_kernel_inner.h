/* The kernel for one instruction set; included by gru_kernel.c once for each.
 *
 * ISA: suffix of every name. TARGET: attribute of every function. LANES: floats in a vector.
 * ROWS: rows of the batch in a full block, so that ROWS x 3 sums stay in registers.
 * A panel is LANES hidden units; V panels cover H.
 */
#define FN static inline TARGET __attribute__((always_inline))
#define vec NAME(vec)
#define veci NAME(veci)
#define memvec NAME(memvec)

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t veci __attribute__((vector_size(4 * LANES)));
typedef float memvec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* The smaller or larger of a bound and a value; a NaN value stays. */
FN vec NAME(at_most)(vec bound, vec x) {
#if LANES == 8
    return _mm256_min_ps(bound, x);
#elif LANES == 16
    return _mm512_min_ps(bound, x);
#else
    veci above = x > bound;
    return (vec)((above & (veci)bound) | (~above & (veci)x));
#endif
}

FN vec NAME(at_least)(vec bound, vec x) {
#if LANES == 8
    return _mm256_max_ps(bound, x);
#elif LANES == 16
    return _mm512_max_ps(bound, x);
#else
    veci below = x < bound;
    return (vec)((below & (veci)bound) | (~below & (veci)x));
#endif
}

FN vec NAME(all)(float x) { return x - (vec){0}; }
FN vec NAME(load)(const float *p) { return *(const memvec *)p; }
FN void NAME(store)(float *p, vec x) { *(memvec *)p = x; }

/* The first `count` floats, where fewer than LANES belong to us. */
FN vec NAME(load_some)(const float *p, int64_t count) {
    vec x = {0};
    if (count >= LANES) return NAME(load)(p);
    memcpy(&x, p, (size_t)count * sizeof(float));
    return x;
}

FN void NAME(store_some)(float *p, vec x, int64_t count) {
    if (count >= LANES) {
        NAME(store)(p, x);
    } else {
        memcpy(p, &x, (size_t)count * sizeof(float));
    }
}

/* Split exp(x), for x within +-88, into *scale = 2^k and the result exp(x - k ln 2) - 1, whose
 * argument is within +-ln(2)/2. The polynomial is a minimax fit, off by 3e-9. */
FN vec NAME(split_exp)(vec x, vec *scale) {
    const vec magic = NAME(all)(12582912.0f); /* 1.5 * 2^23: adding it rounds to whole numbers */
    vec shifted = x * NAME(all)(1.44269504f) + magic;
    vec k = shifted - magic;
    vec r = x - k * NAME(all)(0.693359375f);
    r = r - k * NAME(all)(-2.12194440e-4f);
    vec p = NAME(all)(0x1.6db47ep-10f);
    p = p * r + NAME(all)(0x1.123b92p-7f);
    p = p * r + NAME(all)(0x1.55545ep-5f);
    p = p * r + NAME(all)(0x1.55548ep-3f);
    p = p * r + NAME(all)(0.5f);
    *scale = (vec)(((veci)shifted - (veci)magic + 127) << 23);
    return p * (r * r) + r;
}

FN vec NAME(sigmoid)(vec x) {
    vec scale;
    vec y = NAME(at_least)(NAME(all)(-87.0f), NAME(at_most)(NAME(all)(88.0f), -x));
    vec p = NAME(split_exp)(y, &scale);
    return 1.0f / (p * scale + scale + 1.0f);
}

/* By exp(2x) - 1, which keeps all digits of a small x. */
FN vec NAME(tanh)(vec x) {
    vec scale;
    vec y = NAME(at_least)(NAME(all)(-40.0f), NAME(at_most)(NAME(all)(40.0f), x + x));
    vec p = NAME(split_exp)(y, &scale);
    vec e = p * scale + (scale - 1.0f);
    return e / (e + 2.0f);
}

/* Packed weights of a forward call. A panel's part for k: r, z, n of its units. */
typedef struct {
    float *input;     /* (V, F, 3, LANES) */
    float *recurrent; /* (V, H, 3, LANES) */
    float *bias;      /* (V, 4, LANES): r, z, n's input part, n's recurrent part */
} NAME(forward_weights);

/* Pack a (3H, K) matrix to (V, K, 3, LANES), zeros for units beyond H. */
static TARGET void NAME(pack_gates)(const float *matrix, int64_t H, int64_t K, float *packed) {
    for (int64_t first = 0; first < H; first += LANES) {
        int64_t units = min_i64(LANES, H - first);
        for (int gate = 0; gate < 3; gate++) {
            const float *rows = matrix + (gate * H + first) * K;
            float *to = packed + gate * LANES;
            for (int64_t k = 0; k < K; k++) {
                for (int64_t u = 0; u < units; u++) to[k * 3 * LANES + u] = rows[u * K + k];
                for (int64_t u = units; u < LANES; u++) to[k * 3 * LANES + u] = 0.0f;
            }
        }
        packed += K * 3 * LANES;
    }
}

static TARGET void NAME(pack_bias)(const gru_call *c, float *packed) {
    int64_t H = c->hidden_size;
    for (int64_t first = 0; first < H; first += LANES, packed += 4 * LANES) {
        for (int64_t u = 0; u < LANES; u++) {
            int64_t unit = first + u;
            int inside = unit < H;
            packed[u] = inside ? c->bias_ih[unit] + c->bias_hh[unit] : 0.0f;
            packed[LANES + u] = inside ? c->bias_ih[H + unit] + c->bias_hh[H + unit] : 0.0f;
            packed[2 * LANES + u] = inside ? c->bias_ih[2 * H + unit] : 0.0f;
            packed[3 * LANES + u] = inside ? c->bias_hh[2 * H + unit] : 0.0f;
        }
    }
}

/* Add to rows x panels x 3 sums the products of `K` columns: sum += a[row][k] * w[panel][k]. */
#define MULTIPLY(ROWS_, PANELS_, VECS_, sums, a, w, panel_floats, K)                             \
    for (int64_t k = 0; k < (K); k++) {                                                            \
        _Pragma("GCC unroll 8") for (int j = 0; j < (PANELS_); j++) {                              \
            const float *wk = (w) + j * (panel_floats) + k * (VECS_) * LANES;                      \
            _Pragma("GCC unroll 8") for (int i = 0; i < (ROWS_); i++) {                            \
                vec ak = NAME(all)((a)[i][k]);                                                     \
                _Pragma("GCC unroll 8") for (int v = 0; v < (VECS_); v++)                          \
                    (sums)[i][j][v] += ak * NAME(load)(wk + v * LANES);                            \
            }                                                                                      \
        }                                                                                          \
    }

/* From the four sums of some units to their new state: bias included, n's two parts apart. */
FN void NAME(finish)(const gru_call *c, int64_t row, const float *before, int64_t unit, vec sum_r,
                     vec sum_z, vec input_n, vec recurrent_n) {
    const int64_t H = c->hidden_size, count = H - unit;
    vec r = NAME(sigmoid)(sum_r);
    vec z = NAME(sigmoid)(sum_z);
    vec n = NAME(tanh)(input_n + r * recurrent_n);
    vec h = NAME(load_some)(before + unit, count);
    NAME(store_some)(c->hidden + row * H + unit, n + z * (h - n), count);
    if (c->save_gates) {
        float *gates = c->gates + row * c->gate_stride + unit;
        NAME(store_some)(gates, r, count);
        NAME(store_some)(gates + H, z, count);
        NAME(store_some)(gates + 2 * H, n, count);
        NAME(store_some)(gates + 3 * H, recurrent_n, count);
    }
}

/* Take `rows` rows of the batch, from b, through `panels` panels of one step. */
FN void NAME(forward_tile)(const gru_call *c, const NAME(forward_weights) *w, int64_t step,
                           int64_t b, int64_t panel, const int rows, const int panels) {
    const int64_t H = c->hidden_size, F = c->input_size;
    const float *before[8], *input[8];
    int64_t row[8];
    vec sums[8][4][3], n_input[8][4];
    const float *bias = w->bias + panel * 4 * LANES;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        row[i] = row_of(c, step, b + i);
        before[i] = state_before(c, step, b + i);
        input[i] = c->x ? c->x + row[i] * F : NULL;
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
            for (int v = 0; v < 3; v++) sums[i][j][v] = NAME(load)(bias + (4 * j + v) * LANES);
    }
    if (c->x) {
        MULTIPLY(rows, panels, 3, sums, input, w->input + panel * F * 3 * LANES, F * 3 * LANES, F)
    } else {
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            const float *gates = c->gates + row[i] * c->gate_stride;
#pragma GCC unroll 8
            for (int j = 0; j < panels; j++) {
                int64_t unit = (panel + j) * LANES;
#pragma GCC unroll 8
                for (int v = 0; v < 3; v++)
                    sums[i][j][v] += NAME(load_some)(gates + v * H + unit, H - unit);
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++) {
            n_input[i][j] = sums[i][j][2];
            sums[i][j][2] = NAME(load)(bias + (4 * j + 3) * LANES);
        }
    MULTIPLY(rows, panels, 3, sums, before, w->recurrent + panel * H * 3 * LANES, H * 3 * LANES, H)
#pragma GCC unroll 8
    for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            NAME(finish)(c, row[i], before[i], (panel + j) * LANES, sums[i][j][0], sums[i][j][1],
                         n_input[i][j], sums[i][j][2]);
}

/* A function of its own for each shape of tile keeps each one's sums in registers. */
#define FORWARD_TILE(ROWS_, PANELS_)                                                               \
    static TARGET __attribute__((noinline)) void NAME(forward_tile_##ROWS_##x##PANELS_)(           \
        const gru_call *c, const NAME(forward_weights) *w, int64_t step, int64_t b,                \
        int64_t panel) {                                                                           \
        NAME(forward_tile)(c, w, step, b, panel, ROWS_, PANELS_);                                  \
    }
#if ROWS == 8
FORWARD_TILE(8, 1)
#endif
FORWARD_TILE(4, 1)
FORWARD_TILE(2, 2)
FORWARD_TILE(2, 1)
FORWARD_TILE(1, 4)
FORWARD_TILE(1, 1)

/* Rows b to b + rows (fewer than a full block) through all panels of one step. */
static TARGET void NAME(forward_rest)(const gru_call *c, const NAME(forward_weights) *w,
                                      int64_t step, int64_t b, int64_t rows) {
    const int64_t V = (c->hidden_size + LANES - 1) / LANES;
    int64_t v;
    if (ROWS > 4 && rows & 4) {
        for (v = 0; v < V; v++) NAME(forward_tile_4x1)(c, w, step, b, v);
        b += 4;
    }
    if (rows & 2) {
        for (v = 0; v + 2 <= V; v += 2) NAME(forward_tile_2x2)(c, w, step, b, v);
        for (; v < V; v++) NAME(forward_tile_2x1)(c, w, step, b, v);
        b += 2;
    }
    if (rows & 1) {
        for (v = 0; v + 4 <= V; v += 4) NAME(forward_tile_1x4)(c, w, step, b, v);
        for (; v < V; v++) NAME(forward_tile_1x1)(c, w, step, b, v);
    }
}

static TARGET void NAME(forward_share)(const gru_call *c, const void *weights, int64_t index,
                                       int64_t threads) {
    const NAME(forward_weights) *w = weights;
    const int64_t V = (c->hidden_size + LANES - 1) / LANES, stride = threads * ROWS;
    for (int64_t step = 0; step < c->num_steps; step++) {
        const int64_t running = rows_at(c, step);
        int64_t b = index * ROWS;
        if (b >= running) break;
        for (int64_t v = 0; v < V; v++)
            for (b = index * ROWS; b + ROWS <= running; b += stride) {
#if ROWS == 8
                NAME(forward_tile_8x1)(c, w, step, b, v);
#else
                NAME(forward_tile_4x1)(c, w, step, b, v);
#endif
            }
        if (b < running) NAME(forward_rest)(c, w, step, b, running - b);
    }
    for (int64_t first = index * ROWS; first < c->batch_size; first += stride)
        for (int64_t b = first; b < min_i64(first + ROWS, c->batch_size); b++) {
            int64_t steps = c->lengths ? c->lengths[b] : c->num_steps;
            memcpy(c->last + b * c->hidden_size, state_before(c, steps, b),
                   (size_t)c->hidden_size * sizeof(float));
        }
}

/* Products of LANES units of one gate, as they lie in (3H, K), with a vector. */
FN vec NAME(gate_products)(const float *rows, const float *a, int64_t K, int64_t units) {
    float products[LANES] = {0};
    for (int64_t u = 0; u < units; u += 4) {
        vec sums[4] = {{0}, {0}, {0}, {0}};
        const float *w[4];
        for (int i = 0; i < 4; i++) w[i] = rows + min_i64(u + i, units - 1) * K;
        for (int64_t k = 0; k < K; k += LANES) {
            vec ak = NAME(load_some)(a + k, K - k);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) sums[i] += ak * NAME(load_some)(w[i] + k, K - k);
        }
        for (int i = 0; i < 4 && u + i < units; i++)
            for (int v = 0; v < LANES; v++) products[u + i] += sums[i][v];
    }
    return NAME(load)(products);
}

/* A few rows in all, such as one step of one sequence: packing would cost more than the products. */
static TARGET void NAME(forward_unpacked)(const gru_call *c) {
    const int64_t H = c->hidden_size, F = c->input_size;
    for (int64_t step = 0; step < c->num_steps; step++)
        for (int64_t b = 0; b < rows_at(c, step); b++) {
            const int64_t row = row_of(c, step, b);
            const float *before = state_before(c, step, b);
            for (int64_t unit = 0; unit < H; unit += LANES) {
                const int64_t units = min_i64(LANES, H - unit);
                vec input[3], recurrent[3];
                for (int g = 0; g < 3; g++) {
                    const int64_t first = g * H + unit;
                    input[g] = NAME(load_some)(c->bias_ih + first, units);
                    recurrent[g] = NAME(load_some)(c->bias_hh + first, units);
                    recurrent[g] +=
                        NAME(gate_products)(c->weight_hh + first * H, before, H, units);
                    if (c->x) {
                        input[g] += NAME(gate_products)(c->weight_ih + first * F, c->x + row * F, F,
                                                        units);
                    } else {
                        input[g] += NAME(load_some)(c->gates + row * c->gate_stride + first, units);
                    }
                }
                NAME(finish)(c, row, before, unit, input[0] + recurrent[0], input[1] + recurrent[1],
                             input[2], recurrent[2]);
            }
        }
    for (int64_t b = 0; b < c->batch_size; b++)
        memcpy(c->last + b * H, state_before(c, c->lengths ? c->lengths[b] : c->num_steps, b),
               (size_t)H * sizeof(float));
}

static TARGET int NAME(forward)(const gru_call *c) {
    const int64_t H = c->hidden_size, V = (H + LANES - 1) / LANES, F = c->x ? c->input_size : 0;
    if (c->num_steps * c->batch_size <= UNPACKED_ROWS) {
        float_mode before = flush_denormals();
        NAME(forward_unpacked)(c);
        restore_denormals(before);
        return 0;
    }
    float *memory = aligned_floats(V * LANES * (3 * (F + H) + 4));
    if (!memory) return -1;
    NAME(forward_weights) w = {memory, memory + V * F * 3 * LANES, memory + V * (F + H) * 3 * LANES};
    team shared = {c, &w, team_size(c, ROWS), 0, NAME(forward_share)};
    if (F) NAME(pack_gates)(c->weight_ih, H, F, w.input);
    NAME(pack_gates)(c->weight_hh, H, H, w.recurrent);
    NAME(pack_bias)(c, w.bias);
    run_team(&shared, c->runner);
    free(memory);
    return 0;
}

/* Turn the gradient of a block's new states into those of its gates, and start grad_state: the part
 * that reaches the old state through h' = n + z (h - n). */
FN void NAME(backward_gates)(const gru_call *c, int64_t step, int64_t b, int64_t rows) {
    const int64_t H = c->hidden_size;
    float *bias = c->grad_bias + b / ROWS * 4 * H;
    for (int64_t unit = 0; unit < H; unit += LANES) {
        const int64_t count = H - unit;
        vec total[4];
        for (int g = 0; g < 4; g++) total[g] = NAME(load_some)(bias + g * H + unit, count);
        for (int64_t i = 0; i < rows; i++) {
            const int64_t row = row_of(c, step, b + i);
            const float *gates = c->gates + row * c->gate_stride + unit;
            float *grad_gates = c->grad_gates + (row - c->first_row) * c->grad_stride + unit;
            float *carry = c->grad_state + (b + i) * H + unit;
            vec r = NAME(load_some)(gates, count);
            vec z = NAME(load_some)(gates + H, count);
            vec n = NAME(load_some)(gates + 2 * H, count);
            vec hn = NAME(load_some)(gates + 3 * H, count);
            vec h = NAME(load_some)(state_before(c, step, b + i) + unit, count);
            vec dh = NAME(load_some)(carry, count);
            if (c->grad_hidden)
                dh += NAME(load_some)(c->grad_hidden + row * H + unit, count);
            vec dn = (dh - dh * z) * (1.0f - n * n);
            vec dz = dh * (h - n) * (z - z * z);
            vec dhn = dn * r;
            vec dr = dn * hn * (r - r * r);
            NAME(store_some)(carry, dh * z, count);
            NAME(store_some)(grad_gates, dn, count);
            NAME(store_some)(grad_gates + H, dr, count);
            NAME(store_some)(grad_gates + 2 * H, dz, count);
            NAME(store_some)(grad_gates + 3 * H, dhn, count);
            total[0] += dn;
            total[1] += dr;
            total[2] += dz;
            total[3] += dhn;
        }
        for (int g = 0; g < 4; g++) NAME(store_some)(bias + g * H + unit, total[g], count);
    }
}

/* grad_state += grad_gates @ W_hh for `rows` rows and `panels` panels of `vecs` vectors of units. */
FN void NAME(backward_tile)(const gru_call *c, const float *panel, int64_t step, int64_t b,
                            int64_t unit, const int rows, const int panels, const int vecs) {
    const int64_t H = c->hidden_size;
    const float *grads[8];
    vec sums[8][4][3];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        grads[i] = c->grad_gates + (row_of(c, step, b + i) - c->first_row) * c->grad_stride + H;
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) {
                const int64_t at = unit + (j * vecs + v) * LANES;
                sums[i][j][v] = NAME(load_some)(c->grad_state + (b + i) * H + at, H - at);
            }
    }
    if (step > c->first_step)
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            /* The next step's gates come from far memory: ask for them while the products run. */
            const int64_t row = row_of(c, step - 1, b + i);
            const float *gates = c->gates + row * c->gate_stride + unit;
            for (int64_t at = 0; at < panels * vecs * LANES; at += 16) {
                for (int g = 0; g < 4; g++) __builtin_prefetch(gates + g * H + at, 0, 2);
                if (c->grad_hidden) __builtin_prefetch(c->grad_hidden + row * H + unit + at, 0, 2);
                __builtin_prefetch(state_before(c, step - 1, b + i) + unit + at, 0, 2);
            }
        }
    MULTIPLY(rows, panels, vecs, sums, grads, panel, 3 * H * vecs * LANES, 3 * H)
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < panels; j++)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++) {
                const int64_t at = unit + (j * vecs + v) * LANES;
                NAME(store_some)(c->grad_state + (b + i) * H + at, sums[i][j][v], H - at);
            }
}

#define BACKWARD_TILE(ROWS_, PANELS_, VECS_)                                                       \
    static TARGET __attribute__((noinline)) void NAME(                                             \
        backward_tile_##ROWS_##x##PANELS_##x##VECS_)(const gru_call *c, const float *panel,        \
                                                     int64_t step, int64_t b, int64_t unit) {      \
        NAME(backward_tile)(c, panel, step, b, unit, ROWS_, PANELS_, VECS_);                       \
    }
/* `rows` rows times one or more panels, all of `vecs` vectors. */
#define BACKWARD_TILES(ROWS_, PANELS_)                                                             \
    BACKWARD_TILE(ROWS_, PANELS_, 1)                                                               \
    BACKWARD_TILE(ROWS_, PANELS_, 2)                                                               \
    BACKWARD_TILE(ROWS_, PANELS_, 3)                                                               \
    static TARGET void NAME(backward_rows_##ROWS_##x##PANELS_)(                                    \
        const gru_call *c, const float *panel, int64_t step, int64_t b, int64_t unit, int vecs) {  \
        if (vecs == 3) NAME(backward_tile_##ROWS_##x##PANELS_##x3)(c, panel, step, b, unit);       \
        if (vecs == 2) NAME(backward_tile_##ROWS_##x##PANELS_##x2)(c, panel, step, b, unit);       \
        if (vecs == 1) NAME(backward_tile_##ROWS_##x##PANELS_##x1)(c, panel, step, b, unit);       \
    }
#if ROWS == 8
BACKWARD_TILES(8, 1)
#endif
BACKWARD_TILES(4, 1)
BACKWARD_TILES(2, 2)
BACKWARD_TILES(2, 1)
BACKWARD_TILES(1, 4)
BACKWARD_TILES(1, 1)

/* Vectors in the next panel of W_hh's columns: threes, and twos rather than a lone one. */
static int NAME(panel_vecs)(int64_t left) { return left == 4 || left == 2 ? 2 : left == 1 ? 1 : 3; }

/* Rows b to b + rows (fewer than a full block) times all panels of one step. */
static TARGET void NAME(backward_rest)(const gru_call *c, const float *panel, int64_t step,
                                       int64_t b, int64_t rows) {
    const int64_t H = c->hidden_size, V = (H + LANES - 1) / LANES;
    for (int64_t v = 0; v < V;) {
        const int vecs = NAME(panel_vecs)(V - v);
        const int64_t unit = v * LANES, size = 3 * H * vecs * LANES;
        /* Panels of one width in a row, of which few rows take several at a time. */
        int64_t same = 1;
        while (same < 4 && v + same * vecs < V && NAME(panel_vecs)(V - v - same * vecs) == vecs)
            same++;
        int64_t row = b;
        if (ROWS > 4 && rows & 4) {
            for (int64_t j = 0; j < same; j++)
                NAME(backward_rows_4x1)(c, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            row += 4;
        }
        if (rows & 2) {
            int64_t j = 0;
            for (; j + 2 <= same; j += 2)
                NAME(backward_rows_2x2)(c, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            for (; j < same; j++)
                NAME(backward_rows_2x1)(c, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            row += 2;
        }
        if (rows & 1) {
            int64_t j = 0;
            for (; j + 4 <= same; j += 4)
                NAME(backward_rows_1x4)(c, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
            for (; j < same; j++)
                NAME(backward_rows_1x1)(c, panel + j * size, step, row, unit + j * vecs * LANES, vecs);
        }
        panel += same * size;
        v += same * vecs;
    }
}

static TARGET void NAME(backward_share)(const gru_call *c, const void *weights, int64_t index,
                                        int64_t threads) {
    const int64_t H = c->hidden_size, V = (H + LANES - 1) / LANES, stride = threads * ROWS;
    for (int64_t first = index * ROWS; c->last_step == c->num_steps && first < c->batch_size;
         first += stride) {
        size_t floats = (size_t)(min_i64(first + ROWS, c->batch_size) - first) * (size_t)H;
        float *carry = c->grad_state + first * H;
        if (c->grad_last) {
            memcpy(carry, c->grad_last + first * H, floats * sizeof(float));
        } else {
            memset(carry, 0, floats * sizeof(float));
        }
    }
    for (int64_t step = c->last_step - 1; step >= c->first_step; step--) {
        const int64_t running = rows_at(c, step);
        const float *panel = weights;
        for (int64_t b = index * ROWS; b < running; b += stride)
            NAME(backward_gates)(c, step, b, min_i64(ROWS, running - b));
        int64_t b = index * ROWS;
        for (int64_t v = 0, vecs; v < V; v += vecs) {
            vecs = NAME(panel_vecs)(V - v);
            for (b = index * ROWS; b + ROWS <= running; b += stride) {
#if ROWS == 8
                NAME(backward_rows_8x1)(c, panel, step, b, v * LANES, (int)vecs);
#else
                NAME(backward_rows_4x1)(c, panel, step, b, v * LANES, (int)vecs);
#endif
            }
            panel += 3 * H * vecs * LANES;
        }
        if (b < running) NAME(backward_rest)(c, weights, step, b, running - b);
    }
}

static TARGET void NAME(pack_columns)(const float *weight_hh, int64_t H, float *packed) {
    const int64_t V = (H + LANES - 1) / LANES;
    for (int64_t v = 0; v < V;) {
        const int64_t width = NAME(panel_vecs)(V - v) * LANES;
        const int64_t units = min_i64(width, H - v * LANES);
        for (int64_t k = 0; k < 3 * H; k++, packed += width) {
            memcpy(packed, weight_hh + k * H + v * LANES, (size_t)units * sizeof(float));
            for (int64_t u = units; u < width; u++) packed[u] = 0.0f;
        }
        v += width / LANES;
    }
}

static TARGET void NAME(backward)(const gru_call *c) {
    team shared = {c, c->packed, team_size(c, ROWS), 0, NAME(backward_share)};
    if (c->last_step == c->num_steps) NAME(pack_columns)(c->weight_hh, c->hidden_size, c->packed);
    run_team(&shared, c->runner);
}

#undef ISA
#undef TARGET
#undef LANES
#undef ROWS
#undef FN
#undef vec
#undef veci
#undef memvec
#undef MULTIPLY
#undef FORWARD_TILE
#undef BACKWARD_TILE
#undef BACKWARD_TILES
