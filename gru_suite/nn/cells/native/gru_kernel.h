/* One recurrent layer of a GRU in one direction, in plain C. See gru_kernel.c for the equations.
 *
 * Shapes: B sequences sorted by falling length, T steps, N valid steps of all sequences together,
 * F input features, H hidden units. All matrices are row-major. The N rows are ordered by time step,
 * then by sequence: step t has rows offsets[t] to offsets[t + 1], sequence b is its row b.
 */
#ifndef GRU_KERNEL_H
#define GRU_KERNEL_H

#include <stdint.h>

/* Runs body(data) on `threads` threads, as libgomp's GOMP_parallel does. */
typedef void (*gru_runner)(void (*body)(void *), void *data, unsigned threads, unsigned flags);

typedef struct {
    int64_t num_steps;         /* T */
    int64_t batch_size;        /* B */
    int64_t input_size;        /* F */
    int64_t hidden_size;       /* H */
    int64_t reverse;           /* nonzero: from each sequence's last valid step to its first */
    int64_t threads;           /* at most so many threads, at least 1 */
    const int64_t *offsets;    /* (T + 1), or NULL where every sequence has T steps */
    const int64_t *lengths;    /* (B), or NULL where every sequence has T steps */
    const float *x;            /* (N, F), or NULL where `gates` holds W_ih x already */
    const float *state;        /* (B, H) initial state */
    const float *weight_ih;    /* (3H, F) */
    const float *weight_hh;    /* (3H, H) */
    const float *bias_ih;      /* (3H) */
    const float *bias_hh;      /* (3H) */
    float *hidden;             /* (N, H) hidden states: out of forward, into backward */
    float *gates;              /* (N, gate_stride): r, z, n, W_hn h + b_hn of each row; into backward.
                                  NULL in inference, unless it brings W_ih x in its first 3H. */
    int64_t gate_stride;
    int64_t save_gates;        /* nonzero: forward leaves in `gates` what backward needs */
    float *last;               /* (B, H) state after the last step */
    /* Backward only: steps last_step - 1 down to first_step, of which the call for the last steps comes
       first. grad_state carries what one call leaves to the next. */
    int64_t first_step;
    int64_t last_step;
    const float *grad_hidden;  /* (N, H), or NULL for zeros */
    const float *grad_last;    /* (B, H), or NULL for zeros */
    float *grad_gates;         /* (rows of these steps, grad_stride): gradients of n's input part, r, z,
                                  n's recurrent part. A stride that is no multiple of 4 KB keeps the
                                  rows of a block out of each other's places in the cache. */
    int64_t grad_stride;
    int64_t first_row;         /* the row of the N that is grad_gates' first */
    float *grad_bias;          /* (gru_row_blocks(B), 4H), zeroed: grad_gates summed over rows */
    float *grad_state;         /* (B, H) */
    float *packed;             /* gru_packed_floats(H): W_hh as backward reads it. The call for the last
                                  steps writes it. */
    gru_runner runner;         /* NULL: threads of our own */
} gru_call;

/* Name of instruction set `index` (from 0), NULL after the last; usable or not on this machine. */
const char *gru_isa_name(int index);
int gru_isa_usable(int index);
/* Choose the instruction set of all later calls; 0 on success, -1 where it is not usable. */
int gru_choose(int index);

/* Rows of grad_bias for a batch. */
int64_t gru_row_blocks(int64_t batch_size);
/* Floats of `packed` for H. */
int64_t gru_packed_floats(int64_t hidden_size);
/* 0 on success, -1 when memory runs out. */
int gru_forward(const gru_call *call);
void gru_backward(const gru_call *call);

#endif
