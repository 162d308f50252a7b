/* Products of weights of eight bits, for streams, whose time is the reading of weights. Part of
 * recurrent_kernel.c.
 *
 * Each row of a matrix has a scale: its largest magnitude is 127. Vectors are rounded likewise as they
 * come. Whole numbers are summed exactly, so all processors find the same sums.
 */
#define INT8_ROWS 16
#define INT8_COLUMNS 4
#define INT8_CELL (INT8_ROWS * INT8_COLUMNS)
/* Vectors are stored with this added, since the instructions multiply unsigned by signed numbers. */
#define INT8_ZERO 128

static const int64_t NUM_GATES[NUM_CELLS] = {3, 4, 1};

/* A (rows, columns) matrix in blocks of 16 rows; zeros beyond its rows and columns. */
typedef struct {
    int64_t rows, columns;
    int64_t blocks, groups; /* of 16 rows, of four columns */
    float *scale;           /* (16 blocks): what one unit of a row stands for */
    int32_t *zero;          /* (16 blocks): what INT8_ZERO adds to a row's sum */
    int8_t *numbers;        /* (blocks, groups, 16, 4) */
} int8_matrix;

/* Place a matrix of a layer at `memory`; returns its end. */
static char *place_matrix(int8_matrix *m, int64_t rows, int64_t columns, char *memory) {
    *m = (int8_matrix){.rows = rows, .columns = columns};
    m->blocks = (rows + INT8_ROWS - 1) / INT8_ROWS;
    m->groups = (columns + INT8_COLUMNS - 1) / INT8_COLUMNS;
    m->scale = (float *)(void *)memory;
    m->zero = (int32_t *)(void *)memory + INT8_ROWS * m->blocks;
    m->numbers = (int8_t *)(m->zero + INT8_ROWS * m->blocks);
    return (char *)m->numbers + m->blocks * m->groups * INT8_CELL;
}

/* The matrices of a layer, (GH, F) and (GH, H). */
static char *place_matrices(const kernel_call *c, int8_matrix *input, int8_matrix *recurrent, void *memory) {
    const int64_t rows = NUM_GATES[c->cell] * c->hidden_size;
    char *rest = place_matrix(input, rows, c->input_size, memory);
    return place_matrix(recurrent, rows, c->hidden_size, rest);
}

static void pack_int8(const float *from, const int8_matrix *m) {
    memset(m->numbers, 0, (size_t)(m->blocks * m->groups * INT8_CELL));
    for (int64_t row = 0; row < m->blocks * INT8_ROWS; row++) {
        const float *values = from + row * m->columns;
        int8_t *to = m->numbers + row / INT8_ROWS * m->groups * INT8_CELL + row % INT8_ROWS * INT8_COLUMNS;
        float largest = 0.0f;
        int finite = 1;
        m->scale[row] = 0.0f, m->zero[row] = 0;
        if (row >= m->rows) continue;
        for (int64_t k = 0; k < m->columns; k++) {
            largest = fmaxf(largest, fabsf(values[k]));
            finite &= isfinite(values[k]) != 0;
        }
        m->scale[row] = finite ? largest / 127.0f : NAN;
        for (int64_t k = 0; finite && largest > 0 && k < m->columns; k++) {
            const int number = (int)lrintf(values[k] / largest * 127.0f);
            to[k / INT8_COLUMNS * INT8_CELL + k % INT8_COLUMNS] = (int8_t)number;
            m->zero[row] += INT8_ZERO * number;
        }
    }
}

/* sums[row] = the row's numbers times the vector's, for all rows. */
typedef void int8_products(const int8_matrix *m, const uint8_t *vector, int32_t *sums);

static void int8_products_portable(const int8_matrix *m, const uint8_t *vector, int32_t *sums) {
    const int8_t *numbers = m->numbers;
    for (int64_t block = 0; block < m->blocks; block++, sums += INT8_ROWS) {
        memset(sums, 0, INT8_ROWS * sizeof *sums);
        for (int64_t k = 0; k < m->groups * INT8_COLUMNS; k += INT8_COLUMNS, numbers += INT8_CELL)
            for (int i = 0; i < INT8_CELL; i++)
                sums[i / INT8_COLUMNS] += numbers[i] * vector[k + i % INT8_COLUMNS];
    }
}

#if defined(__x86_64__)
/* Four blocks at once, so that no sum waits for itself. */
#define INT8_BLOCKS 4

/* Pairs of columns in 16 bits: four rows in a vector of eight sums. */
static __attribute__((target("avx2"))) void int8_products_avx2(const int8_matrix *m, const uint8_t *vector,
                                                               int32_t *sums) {
    const __m256i *numbers = (const __m256i *)(const void *)m->numbers;
    for (int64_t block = 0; block < m->blocks; block++, sums += INT8_ROWS) {
        __m256i total[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                            _mm256_setzero_si256()};
        for (int64_t group = 0; group < m->groups; group++, numbers += 2) {
            int32_t four;
            memcpy(&four, vector + group * INT8_COLUMNS, sizeof four);
            const __m256i v = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
            for (int i = 0; i < 4; i++) {
                const __m256i rows = _mm256_loadu_si256(numbers + i / 2);
                const __m128i half = i % 2 ? _mm256_extracti128_si256(rows, 1) : _mm256_castsi256_si128(rows);
                const __m256i pairs = _mm256_madd_epi16(_mm256_cvtepi8_epi16(half), v);
                total[i] = _mm256_add_epi32(total[i], pairs);
            }
        }
        for (int i = 0; i < 4; i++) {
            int32_t pairs[8];
            memcpy(pairs, &total[i], sizeof pairs);
            for (int row = 0; row < 4; row++) sums[4 * i + row] = pairs[2 * row] + pairs[2 * row + 1];
        }
    }
}

#ifdef HAS_BF16
static __attribute__((target("avx512f,avx512vnni"))) void
int8_products_vnni(const int8_matrix *m, const uint8_t *vector, int32_t *sums) {
    for (int64_t block = 0; block < m->blocks; block += INT8_BLOCKS) {
        const int64_t blocks = min_i64(INT8_BLOCKS, m->blocks - block);
        const int8_t *numbers[INT8_BLOCKS];
        __m512i total[INT8_BLOCKS];
        for (int i = 0; i < INT8_BLOCKS; i++) {
            /* The last one stands for those beyond. */
            numbers[i] = m->numbers + (block + min_i64(i, blocks - 1)) * m->groups * INT8_CELL;
            total[i] = _mm512_setzero_si512();
        }
        for (int64_t group = 0; group < m->groups; group++) {
            int32_t four;
            memcpy(&four, vector + group * INT8_COLUMNS, sizeof four);
            const __m512i v = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (int i = 0; i < INT8_BLOCKS; i++) {
                const __m512i rows = _mm512_loadu_si512(numbers[i] + group * INT8_CELL);
                total[i] = _mm512_dpbusd_epi32(total[i], v, rows);
            }
        }
        for (int i = 0; i < blocks; i++) _mm512_storeu_si512(sums + (block + i) * INT8_ROWS, total[i]);
    }
}
#endif
#endif

/* The fastest that this machine has, for an instruction set of so many floats in a vector. */
static int8_products *int8_products_of(int lanes) {
#if defined(__x86_64__)
#ifdef HAS_BF16
    if (lanes == 16 && __builtin_cpu_supports("avx512vnni")) return int8_products_vnni;
#endif
    if (lanes >= 8) return int8_products_avx2;
#endif
    (void)lanes;
    return int8_products_portable;
}

/* The matrices of a call, and memory for a row of it: its two vectors, then their products. */
typedef struct {
    int8_matrix input, recurrent;
    int8_products *products;
    char *memory;
    int64_t bytes; /* of a thread */
} int8_layer;

static int64_t int8_row_bytes(const int8_layer *w) {
    const int64_t columns = INT8_COLUMNS * (w->input.groups + w->recurrent.groups);
    return (columns + 63) / 64 * 64 + 2 * INT8_ROWS * w->input.blocks * (int64_t)sizeof(float);
}

/* Round a vector to whole numbers; returns what one unit stands for, NaN where it is not finite. */
static float to_int8(const float *from, int64_t count, int64_t padded, uint8_t *to) {
    int32_t largest_bits = 0;
    for (int64_t k = 0; k < count; k++) {
        int32_t bits;
        memcpy(&bits, from + k, sizeof bits);
        bits &= 0x7fffffff;
        largest_bits = bits > largest_bits ? bits : largest_bits;
    }
    float largest;
    memcpy(&largest, &largest_bits, sizeof largest);
    memset(to + count, INT8_ZERO, (size_t)(padded - count));
    /* So small a number has no inverse. */
    if (largest < 1e-30f || !(largest <= 3.4e38f)) {
        memset(to, INT8_ZERO, (size_t)count);
        return largest < 1e-30f ? 0.0f : NAN;
    }
    const float inverse = 127.0f / largest;
    /* Adding 1.5 * 2^23 rounds to a whole number, which the lowest bits hold. */
    for (int64_t k = 0; k < count; k++) {
        const float shifted = from[k] * inverse + (12582912.0f + INT8_ZERO);
        int32_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        to[k] = (uint8_t)bits;
    }
    return largest / 127.0f;
}

/* The products of a matrix with a vector, in float32, for all rows of the matrix. */
static void int8_sums(const int8_layer *w, const int8_matrix *m, const float *vector, uint8_t *numbers,
                      float *sums) {
    const float scale = to_int8(vector, m->columns, m->groups * INT8_COLUMNS, numbers);
    const int64_t rows = m->blocks * INT8_ROWS;
    int32_t *whole = (int32_t *)(void *)sums;
    w->products(m, numbers, whole);
    for (int64_t row = 0; row < rows; row++) {
        const float product = (float)(whole[row] - m->zero[row]) * (m->scale[row] * scale);
        memcpy(sums + row, &product, sizeof product);
    }
}
