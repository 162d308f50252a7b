/* Vectors of one instruction set: loads, stores, sigmoid, tanh. Part of instruction_set.h. */

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

FN vec NAME(relu)(vec x) { return NAME(at_least)((vec){0}, x); }

/* Add to rows x panels x vecs sums the products of `K` columns: sum += a[row][k] * w[panel][k]. */
#define MULTIPLY(ROWS_, PANELS_, VECS_, sums, a, w, panel_floats, K)                               \
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

#if HALF
/* Two bfloat16 numbers in each float's place. Subnormal ones count as zero. */
FN vec NAME(add_pair_products)(vec sum, vec a, vec b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* The first `count` of LANES numbers, rounded to bfloat16. */
FN void NAME(store_half)(uint16_t *p, vec x, int64_t count) {
    __m256bh rounded = _mm512_cvtneps_pbh(x);
    if (count >= LANES) {
        memcpy(p, &rounded, sizeof rounded);
    } else {
        memcpy(p, &rounded, (size_t)count * sizeof *p);
    }
}

/* Round `count` floats to pairs of bfloat16 numbers; an odd one is paired with zero. */
FN void NAME(to_pairs)(const float *from, int64_t count, float *pairs) {
    uint16_t *to = (uint16_t *)pairs;
    for (; count >= LANES; count -= LANES, from += LANES, to += LANES)
        NAME(store_half)(to, NAME(load)(from), LANES);
    if (count > 0) NAME(store_half)(to, NAME(load_some)(from, count), (count + 1) / 2 * 2);
}

/* The same as MULTIPLY, for one panel and `PAIRS` pairs of columns. */
#define MULTIPLY_PAIRS(ROWS_, VECS_, sums, a, w, PAIRS)                                            \
    for (int64_t k = 0; k < (PAIRS); k++) {                                                        \
        const float *wk = (w) + k * (VECS_) * LANES;                                               \
        _Pragma("GCC unroll 8") for (int i = 0; i < (ROWS_); i++) {                                \
            vec ak = (vec)_mm512_set1_ps((a)[i][k]);                                               \
            _Pragma("GCC unroll 8") for (int v = 0; v < (VECS_); v++)                              \
                (sums)[i][v] = NAME(add_pair_products)((sums)[i][v], ak, NAME(load)(wk + v * LANES)); \
        }                                                                                          \
    }
#endif

/* Products of LANES units of one gate, as they lie in (GH, K), with a vector. */
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
