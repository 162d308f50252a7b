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
#if HALF
#include "half_forward.h"
#endif
#include "backward.h"

static TARGET int CELL_NAME(forward)(const kernel_call *c) {
    const int64_t H = c->hidden_size, F = c->x ? c->input_size : 0;
    const int64_t V = (H + PANEL_UNITS - 1) / PANEL_UNITS, columns = V * VECS * LANES;
#if HALF
    if (c->half) return CELL_NAME(half_forward)(c);
#endif
    if (c->int8) return CELL_NAME(forward_int8)(c);
    if (c->num_steps * c->batch_size <= UNPACKED_ROWS) {
        float_mode before = flush_denormals();
        CELL_NAME(rows_share)(c, NULL, 0, 1);
        restore_denormals(before);
        return 0;
    }
    float *memory = aligned_floats(columns * (F + H) + V * UNIT_VECS * BIASES * LANES);
    if (!memory) return -1;
    CELL_NAME(weights) w = {memory, memory + columns * F, memory + columns * (F + H)};
    team shared = {c, &w, team_size(c, CELL_ROWS), 0, CELL_NAME(forward_share)};
    if (F) CELL_NAME(pack_gates)(c->weight_ih, H, F, 1, w.input);
    CELL_NAME(pack_gates)(c->weight_hh, H, H, 1, w.recurrent);
    CELL_NAME(pack_bias)(c, V, w.bias);
    run_team(&shared, c->runner);
    free(memory);
    return 0;
}

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
