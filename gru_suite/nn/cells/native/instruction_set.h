/* The kernel for one instruction set; included by recurrent_kernel.c once for each.
 *
 * ISA: suffix of every name. TARGET: attribute of every function. LANES: floats in a vector.
 * ROWS: rows of the batch in a full block, so that ROWS x 3 sums stay in registers. HALF: nonzero where it
 * multiplies pairs of bfloat16 numbers.
 */
#define FN static inline TARGET __attribute__((always_inline))
#define vec NAME(vec)
#define veci NAME(veci)
#define memvec NAME(memvec)

#include "vectors.h"
#include "backward_tiles.h"
#include "gradient_sums.h"
#include "min_gru_cell.h"
#if HALF
#include "half_backward.h"
#endif

#define CELL gru
#include "gru_cell.h"
#include "cell.h"

#define CELL lstm
#include "lstm_cell.h"
#include "cell.h"

#define CELL rnn
#include "rnn_cell.h"
#include "cell.h"

#undef BACKWARD_TILE
#undef BACKWARD_TILES
#undef MULTIPLY
#undef MULTIPLY_PAIRS
#undef FN
#undef vec
#undef veci
#undef memvec
#undef ISA
#undef TARGET
#undef LANES
#undef ROWS
#undef HALF
