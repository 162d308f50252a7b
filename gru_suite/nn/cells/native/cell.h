/* Both passes of one cell in one instruction set, after the cell's own file, which defines
 *
 * GATES: sums that a unit's nonlinearities need (G). UNIT_VECS: vectors of units in a panel.
 * CELL_ROWS: rows in a full block of the forward pass, so that their sums stay in registers.
 * SAVED, GRADS: values and gradients of a unit (S, D). RECURRENT: the first gradient of the G that
 * reach the state before. BIASES: of a unit. SPLIT: nonzero where the last gate's input part stays
 * apart, with the last bias in its recurrent part. HAS_CELL: nonzero where there is a cell state.
 * finish: from sums to the new state. backward_gates: from its gradient to those of the sums.
 */
#define VECS (GATES * UNIT_VECS)
#define PANEL_UNITS (UNIT_VECS * LANES)

#include "forward.h"
#include "backward.h"

#undef VECS
#undef PANEL_UNITS
#undef FORWARD_TILE
#undef CELL
#undef GATES
#undef UNIT_VECS
#undef CELL_ROWS
#undef SAVED
#undef GRADS
#undef RECURRENT
#undef BIASES
#undef SPLIT
#undef HAS_CELL
