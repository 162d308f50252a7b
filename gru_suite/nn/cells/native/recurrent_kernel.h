/* One recurrent layer in one direction, in plain C. See gru_cell.h, lstm_cell.h and rnn_cell.h for the
 * equations.
 *
 * Shapes: B sequences sorted by falling length, T steps, N valid steps of all sequences together,
 * F input features, H hidden units; of the cell: G gates, S saved values and D gradients a unit. All
 * matrices are row-major. The N rows are ordered by time step, then by sequence: step t has rows
 * offsets[t] to offsets[t + 1], sequence b is its row b.
 */
#ifndef RECURRENT_KERNEL_H
#define RECURRENT_KERNEL_H

#include <stdint.h>

enum { CELL_GRU, CELL_LSTM, CELL_RNN, NUM_CELLS };

/* Runs body(data) on `threads` threads, as libgomp's GOMP_parallel does. */
typedef void (*kernel_runner)(void (*body)(void *), void *data, unsigned threads, unsigned flags);

typedef struct {
    int64_t cell;              /* CELL_GRU, CELL_LSTM or CELL_RNN */
    int64_t relu;              /* nonzero: relu in place of tanh (GRU and RNN) */
    int64_t num_steps;         /* T */
    int64_t batch_size;        /* B */
    int64_t input_size;        /* F */
    int64_t hidden_size;       /* H */
    int64_t reverse;           /* nonzero: from each sequence's last valid step to its first */
    int64_t threads;           /* at most so many threads, at least 1 */
    int64_t half;              /* nonzero: products of bfloat16 numbers, with sums, states and everything
                                  else in float32; needs kernel_has_half(), `x` and an even H */
    const void *int8;          /* the two matrices in eight bits, of kernel_pack_int8(), in place of those in
                                  float32; forward only, needs `x`. NULL: in float32. */
    const int64_t *offsets;    /* (T + 1), or NULL where every sequence has T steps */
    const int64_t *lengths;    /* (B), or NULL where every sequence has T steps */
    const float *x;            /* (N, F), or NULL where `saved` holds W_ih x already */
    const float *state;        /* (B, H) initial state */
    const float *cell_state;   /* (B, H) initial cell state of an LSTM */
    const float *weight_ih;    /* (GH, F) */
    const float *weight_hh;    /* (GH, H) */
    const float *bias_ih;      /* (GH) */
    const float *bias_hh;      /* (GH) */
    float *hidden;             /* (N, H) hidden states: out of forward, into backward */
    float *saved;              /* (N, saved_stride), the first SH of each row: into backward. NULL in
                                  inference, unless it brings W_ih x in its first GH. */
    int64_t saved_stride;
    int64_t save;              /* nonzero: forward leaves in `saved` what backward needs */
    float *last;               /* (B, H) state after the last step; with one step, it may be `hidden` */
    float *last_cell;          /* (B, H) cell state after the last step, of an LSTM */
    /* Backward only: steps last_step - 1 down to first_step, of which the call for the last steps comes
       first. grad_state and grad_cell carry what one call leaves to the next. */
    int64_t first_step;
    int64_t last_step;
    const float *grad_hidden;    /* (N, H), or NULL for zeros */
    const float *grad_last;      /* (B, H), or NULL for zeros */
    const float *grad_last_cell; /* (B, H), or NULL for zeros */
    float *grad_gates;         /* (rows of these steps, grad_stride): the first DH of each row. A stride
                                  that is no multiple of 4 KB keeps the rows of a block out of each
                                  other's places in the cache. */
    uint16_t *grad_half;       /* the same in bfloat16, in place of grad_gates, where `half` is set */
    int64_t grad_stride;       /* even where `half` is set */
    int64_t first_row;         /* the row of the N that is grad_gates' first */
    float *grad_bias;          /* (kernel_row_blocks(B), DH), zeroed: grad_gates summed over rows */
    float *grad_state;         /* (B, H) */
    float *grad_cell;          /* (B, H), of an LSTM */
    float *packed;             /* kernel_packed_floats(G, H): W_hh as backward reads it. The call for the
                                  last steps writes it. */
    kernel_runner runner;      /* NULL: threads of our own */
} kernel_call;

/* total += left^T right, where both have the same rows. */
typedef struct {
    const float *left;         /* (rows, left_columns) */
    int64_t left_stride;
    const float *right;        /* (rows, right_columns) */
    int64_t right_stride;
    int64_t rows;
    int64_t left_columns;
    int64_t right_columns;
    float *total;              /* (left_columns, total_stride): the first right_columns of each row, and up
                                  to kernel_sum_columns() of them written */
    int64_t total_stride;
    int64_t threads;           /* at most so many threads, at least 1 */
    kernel_runner runner;      /* NULL: threads of our own */
} kernel_sum;

/* One layer of a minGRU in one direction; min_gru_cell.h has its equations. */
typedef struct {
    int64_t batch_size;        /* B */
    int64_t num_steps;         /* T */
    int64_t hidden_size;       /* H */
    int64_t threads;           /* at most so many threads, at least 1 */
    const float *sums;         /* (B, T, 2H) products with the input, biases added: a, then u */
    const float *state;        /* (B, H) initial state */
    float *hidden;             /* (B, T, H) states: out of the forward pass, into the gradient */
    const float *grad_hidden;  /* (B, T, H): the gradient is computed. NULL: the states are. */
    float *grad_sums;          /* (B, T, 2H) */
    float *grad_state;         /* (B, H) */
    kernel_runner runner;      /* NULL: threads of our own */
} min_gru_call;

/* Name of instruction set `index` (from 0), NULL after the last; usable or not on this machine. */
const char *kernel_isa_name(int index);
int kernel_isa_usable(int index);
/* Choose the instruction set of all later calls; 0 on success, -1 where it is not usable. */
int kernel_choose(int index);
/* Whether the chosen instruction set multiplies bfloat16 numbers. */
int kernel_has_half(void);

/* Rows of grad_bias for a batch. */
int64_t kernel_row_blocks(int64_t batch_size);
/* Floats of `packed` for G gates and H. */
int64_t kernel_packed_floats(int64_t num_gates, int64_t hidden_size);
/* Bytes of a layer's matrices in eight bits, and the packing of them, where a float may lie. Of the call are
   read the cell, the sizes and, to pack, the two matrices. */
int64_t kernel_int8_bytes(const kernel_call *call);
void kernel_pack_int8(const kernel_call *call, void *packed);
/* 0 on success, -1 when memory runs out. */
int kernel_forward(const kernel_call *call);
void kernel_backward(const kernel_call *call);
/* Floats of a row of kernel_sum.total for so many columns. */
int64_t kernel_sum_columns(int64_t right_columns);
void kernel_add_products(const kernel_sum *sum);
void kernel_min_gru(const min_gru_call *call);

#endif
