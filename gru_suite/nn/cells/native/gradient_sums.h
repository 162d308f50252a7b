/* Gradients of weights: sums over rows of outer products. Part of instruction_set.h. */

/* A panel of the right side is three vectors of columns; as many of its rows as stay in the first cache. */
#define SUM_COLUMNS (3 * LANES)
#define SUM_ROWS 96

/* total[m] += sum over rows of left[row][m] * panel[row], for `count` columns m of the left side. The last
 * stands for those that a full tile would have beyond it: both store the same. */
FN void NAME(sum_tile)(const kernel_sum *s, const float *left, const float *panel, int64_t rows,
                       int64_t m, int64_t column, int64_t count, const int size) {
    const float *from[ROWS];
    float *to[ROWS];
    vec sums[ROWS][3];
#pragma GCC unroll 8
    for (int i = 0; i < size; i++) {
        from[i] = left + m + min_i64(i, count - 1);
        to[i] = s->total + (m + min_i64(i, count - 1)) * s->total_stride + column;
#pragma GCC unroll 3
        for (int v = 0; v < 3; v++) sums[i][v] = NAME(load)(to[i] + v * LANES);
    }
    for (int64_t row = 0; row < rows; row++) {
        vec w[3];
#pragma GCC unroll 3
        for (int v = 0; v < 3; v++) w[v] = NAME(load)(panel + row * SUM_COLUMNS + v * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < size; i++) {
            vec a = NAME(all)(from[i][row * s->left_stride]);
#pragma GCC unroll 3
            for (int v = 0; v < 3; v++) sums[i][v] += a * w[v];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < size; i++)
#pragma GCC unroll 3
        for (int v = 0; v < 3; v++) NAME(store)(to[i] + v * LANES, sums[i][v]);
}

static TARGET __attribute__((noinline)) void NAME(sum_tile_full)(const kernel_sum *s,
                                                                 const float *left,
                                                                 const float *panel, int64_t rows,
                                                                 int64_t m, int64_t column,
                                                                 int64_t count) {
    NAME(sum_tile)(s, left, panel, rows, m, column, count, ROWS);
}

static TARGET __attribute__((noinline)) void NAME(sum_tile_one)(const kernel_sum *s,
                                                                const float *left,
                                                                const float *panel, int64_t rows,
                                                                int64_t m, int64_t column) {
    NAME(sum_tile)(s, left, panel, rows, m, column, 1, 1);
}

/* Copy `rows` rows of a panel, zeros for columns beyond the right side's. */
FN void NAME(copy_panel)(const kernel_sum *s, const float *right, int64_t rows, int64_t column,
                         float *panel) {
    for (int64_t row = 0; row < rows; row++, panel += SUM_COLUMNS)
        for (int v = 0; v < 3; v++) {
            const int64_t first = column + v * LANES;
            vec x = {0};
            if (first < s->right_columns)
                x = NAME(load_some)(right + row * s->right_stride + first, s->right_columns - first);
            NAME(store)(panel + v * LANES, x);
        }
}

/* Tiles are ordered by panel; a share is a run of them. */
static TARGET void NAME(sum_share)(const kernel_call *unused, const void *work, int64_t index,
                                   int64_t threads) {
    const kernel_sum *s = work;
    const int64_t tiles = (s->left_columns + ROWS - 1) / ROWS;
    const int64_t panels = (s->right_columns + SUM_COLUMNS - 1) / SUM_COLUMNS;
    const int64_t begin = index * tiles * panels / threads;
    const int64_t end = (index + 1) * tiles * panels / threads;
    float panel[SUM_ROWS * SUM_COLUMNS] __attribute__((aligned(64)));
    (void)unused;
    for (int64_t p = begin / tiles; p * tiles < end; p++) {
        const int64_t column = p * SUM_COLUMNS;
        const int64_t from = begin > p * tiles ? begin - p * tiles : 0;
        const int64_t until = min_i64(tiles, end - p * tiles);
        for (int64_t row = 0; row < s->rows; row += SUM_ROWS) {
            const int64_t rows = min_i64(SUM_ROWS, s->rows - row);
            const float *left = s->left + row * s->left_stride;
            NAME(copy_panel)(s, s->right + row * s->right_stride, rows, column, panel);
            for (int64_t tile = from; tile < until; tile++) {
                const int64_t m = tile * ROWS, count = min_i64(ROWS, s->left_columns - m);
                if (2 * count >= ROWS) {
                    NAME(sum_tile_full)(s, left, panel, rows, m, column, count);
                } else {
                    for (int64_t i = 0; i < count; i++)
                        NAME(sum_tile_one)(s, left, panel, rows, m + i, column);
                }
            }
        }
    }
}

#undef SUM_COLUMNS
#undef SUM_ROWS
