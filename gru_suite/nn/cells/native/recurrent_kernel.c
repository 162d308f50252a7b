/* The recurrences of torch.nn.GRU, LSTM and RNN over a whole sequence, and their gradients.
 *
 * Weights are packed once a call into panels: the gates of the same few hidden units side by side, so
 * that one small product ends with all that these units' nonlinearities need in registers. A thread
 * takes blocks of the batch's rows through all steps; nobody waits for anybody. Every element sums in
 * one order, whatever the block or the thread, so results do not depend on either.
 *
 * vectors.h and backward.h are compiled once for each instruction set, forward.h once for each of its
 * cells; a cell's arithmetic is in gru_cell.h, lstm_cell.h and rnn_cell.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "recurrent_kernel.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Compilers that know the instructions for bfloat16. */
#if defined(__x86_64__) && ((defined(__clang__) && __clang_major__ >= 11) || \
                            (!defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 10))
#define HAS_BF16
#endif

/* So few rows in all are done before the weights would be packed. */
#define UNPACKED_ROWS 8
/* So many are done before another thread has begun, or nearly. */
#define PRODUCTS_A_THREAD (1 << 20)
#define VALUES_A_THREAD (1 << 14)

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows of the batch that are still running at a step. */
static int64_t rows_at(const kernel_call *c, int64_t step) {
    return c->offsets ? c->offsets[step + 1] - c->offsets[step] : c->batch_size;
}

/* Where sequence b's `step`-th step lies among the N rows. */
static int64_t row_of(const kernel_call *c, int64_t step, int64_t b) {
    int64_t time = step;
    if (c->reverse) time = (c->lengths ? c->lengths[b] : c->num_steps) - 1 - step;
    return (c->offsets ? c->offsets[time] : time * c->batch_size) + b;
}

/* The state that sequence b's `step`-th step starts from. */
static const float *state_before(const kernel_call *c, int64_t step, int64_t b) {
    if (step == 0) return c->state + b * c->hidden_size;
    return c->hidden + row_of(c, step - 1, b) * c->hidden_size;
}

/* Where a sequence's cell state before its `step`-th step lies: the last `saved` of a row. */
static const float *cell_before(const kernel_call *c, int64_t step, int64_t b, int64_t saved) {
    if (step == 0) return c->cell_state + b * c->hidden_size;
    return c->saved + row_of(c, step - 1, b) * c->saved_stride + saved * c->hidden_size;
}

/* Start the gradients of some states from those of the last ones. */
static void start_gradient(float *carry, const float *last, int64_t first, int64_t floats) {
    if (last) {
        memcpy(carry + first, last + first, (size_t)floats * sizeof(float));
    } else {
        memset(carry + first, 0, (size_t)floats * sizeof(float));
    }
}

/* Denormal numbers would slow every product many times over. */
#if defined(__x86_64__)
typedef unsigned int float_mode;
static float_mode flush_denormals(void) {
    float_mode before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u);
    return before;
}
static void restore_denormals(float_mode before) { _mm_setcsr(before); }
#elif defined(__aarch64__)
typedef uint64_t float_mode;
static float_mode flush_denormals(void) {
    float_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (UINT64_C(1) << 24)));
    return before;
}
static void restore_denormals(float_mode before) {
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
typedef int float_mode;
static float_mode flush_denormals(void) { return 0; }
static void restore_denormals(float_mode before) { (void)before; }
#endif

#include "int8.h"
#include "threads.h"

static float *aligned_floats(int64_t count) {
    void *memory = NULL;
    return posix_memalign(&memory, 64, (size_t)count * sizeof(float)) ? NULL : memory;
}

/* Two numbers rounded to bfloat16, in one float's place. */
static float pair_of(float first, float second) {
    float numbers[2] = {first, second}, pair;
    uint32_t bits[2], rounded[2];
    memcpy(bits, numbers, sizeof bits);
    for (int i = 0; i < 2; i++) {
        /* To even; a NaN stays one. */
        rounded[i] = (bits[i] + 0x7fffu + (bits[i] >> 16 & 1u)) >> 16;
        if ((bits[i] & 0x7fffffffu) > 0x7f800000u) rounded[i] = bits[i] >> 16 | 0x40u;
    }
    bits[0] = rounded[0] | rounded[1] << 16;
    memcpy(&pair, bits, sizeof pair);
    return pair;
}

/* name_isa and name_cell_isa. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(name) JOIN(name, ISA)
#define CELL_NAME(name) NAME(JOIN(name, CELL))

#define ISA portable
#define TARGET
#define LANES 4
#define ROWS 4
#define HALF 0
#include "instruction_set.h"

#if defined(__x86_64__)
#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define ROWS 4
#define HALF 0
#include "instruction_set.h"

#define ISA avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))
#define LANES 16
#define ROWS 8
#define HALF 0
#include "instruction_set.h"

#ifdef HAS_BF16
#define ISA avx512_bf16
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")))
#define LANES 16
#define ROWS 8
#define HALF 1
#include "instruction_set.h"
#endif
#endif

typedef struct {
    const char *name;
    int64_t rows;
    int64_t lanes;
    int half;
    int (*forward[NUM_CELLS])(const kernel_call *);
    void (*backward[NUM_CELLS])(const kernel_call *);
    share *sum_share;
    share *min_gru_share;
} isa;

#define FUNCTIONS(isa_)                                                                            \
    {forward_gru_##isa_, forward_lstm_##isa_, forward_rnn_##isa_}, {                               \
        backward_gru_##isa_, backward_lstm_##isa_, backward_rnn_##isa_                             \
    }, sum_share_##isa_, min_gru_share_##isa_

static const isa ISAS[] = {
#if defined(__x86_64__)
#ifdef HAS_BF16
    {"avx512_bf16", 8, 16, 1, FUNCTIONS(avx512_bf16)},
#endif
    {"avx512", 8, 16, 0, FUNCTIONS(avx512)},
    {"avx2", 4, 8, 0, FUNCTIONS(avx2)},
#endif
    {"portable", 4, 4, 0, FUNCTIONS(portable)},
};
enum { NUM_ISAS = sizeof ISAS / sizeof *ISAS };

static const isa *chosen = &ISAS[NUM_ISAS - 1];

const char *kernel_isa_name(int index) {
    return index >= 0 && index < (int)NUM_ISAS ? ISAS[index].name : NULL;
}

int kernel_isa_usable(int index) {
    if (index < 0 || index >= (int)NUM_ISAS) return 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const isa *set = &ISAS[index];
#ifdef HAS_BF16
    if (set->half && !__builtin_cpu_supports("avx512bf16")) return 0;
#endif
    if (set->half && !__builtin_cpu_supports("avx512bw")) return 0;
    if (set->lanes == 16)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
    if (set->lanes == 8) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return 1;
}

int kernel_choose(int index) {
    if (!kernel_isa_usable(index)) return -1;
    chosen = &ISAS[index];
    return 0;
}

int kernel_has_half(void) { return chosen->half; }

int64_t kernel_int8_bytes(const kernel_call *c) {
    int8_matrix input, recurrent;
    /* Only the distance counts. */
    char *end = place_matrices(c, &input, &recurrent, (void *)64);
    return end - (char *)64;
}

void kernel_pack_int8(const kernel_call *c, void *packed) {
    int8_matrix input, recurrent;
    place_matrices(c, &input, &recurrent, packed);
    pack_int8(c->weight_ih, &input);
    pack_int8(c->weight_hh, &recurrent);
}

int64_t kernel_row_blocks(int64_t batch_size) {
    return (batch_size + chosen->rows - 1) / chosen->rows;
}

int64_t kernel_packed_floats(int64_t num_gates, int64_t hidden_size) {
    int64_t units = (hidden_size + chosen->lanes - 1) / chosen->lanes * chosen->lanes;
    return units * num_gates * hidden_size;
}

int64_t kernel_sum_columns(int64_t right_columns) {
    const int64_t width = 3 * chosen->lanes;
    return (right_columns + width - 1) / width * width;
}

void kernel_add_products(const kernel_sum *sum) {
    const int64_t products = sum->rows * sum->left_columns * sum->right_columns;
    const int64_t threads = min_i64(min_i64(sum->threads, MAX_THREADS), 1 + products / PRODUCTS_A_THREAD);
    team shared = {NULL, sum, threads > 1 ? threads : 1, 0, chosen->sum_share};
    run_team(&shared, sum->runner);
}

void kernel_min_gru(const min_gru_call *call) {
    const int64_t values = call->batch_size * call->num_steps * call->hidden_size;
    const int64_t most = min_i64(min_i64(call->threads, MAX_THREADS), call->batch_size);
    const int64_t threads = min_i64(most, 1 + values / VALUES_A_THREAD);
    team shared = {NULL, call, threads > 1 ? threads : 1, 0, chosen->min_gru_share};
    run_team(&shared, call->runner);
}

int kernel_forward(const kernel_call *call) { return chosen->forward[call->cell](call); }
void kernel_backward(const kernel_call *call) { chosen->backward[call->cell](call); }
