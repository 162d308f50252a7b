"""One step of a stack on the C kernel, for streams: no gradient, and little besides the arithmetic.

Shapes: B batch, F input features, H hidden units, L layers.
"""

import torch
from torch import Tensor, nn

from gru_suite.nn.cells.layers import LayerState
from gru_suite.nn.cells.native.calls import NATIVE_CELLS, loaded_kernel
from gru_suite.nn.cells.native_int8 import Int8Weights


def is_step(rnn: nn.RNNBase, x_BTF: Tensor) -> bool:
    """Return whether a call that the kernel serves is one step without a gradient."""
    return (
        x_BTF.size(1) == 1
        and not rnn.bidirectional
        and not (rnn.training or torch.is_grad_enabled())
        and not torch.compiler.is_compiling()
    )


def run_step(
    cell: str,
    rnn: nn.RNNBase,
    x_BF: Tensor,
    states_LBH: LayerState,
    int8: Int8Weights | None = None,
) -> tuple[Tensor, LayerState]:
    """Advance every sequence by one step.

    Args:
        cell: a name in ``NATIVE_CELLS``, that of ``rnn``.
        rnn: a recurrence in one direction for which ``kernel_serves`` is true.
        x_BF: features of the step.
        states_LBH: hidden states to start from, then cell states if there are any.
        int8: weights in eight bits, for evaluation mode.

    Returns:
        The top layer's hidden states, (B, H), and the states after the step, each (L, B, H).
    """
    native, kind = loaded_kernel(), NATIVE_CELLS[cell]
    x_BF = x_BF.contiguous()
    before = [state_LBH.contiguous() for state_LBH in states_LBH]
    after = [torch.empty_like(state_LBH) for state_LBH in before]
    L, B, H = before[0].shape
    top_BH = x_BF.new_empty(B, H)
    call = native.call()
    call.cell, call.relu = kind.number, int(kind.relu)
    call.num_steps, call.batch_size, call.hidden_size = 1, B, H
    call.threads = torch.get_num_threads()
    size, input_size = B * H * x_BF.element_size(), x_BF.size(1)
    starts = [[each.data_ptr() for each in part] for part in (before, after)]
    (state, *cell_state), (last, *last_cell) = starts
    x = x_BF.data_ptr()
    # Named, so that copies live until the kernel has read them.
    weights = [weight.contiguous() for weight in rnn._flat_weights if weight is not None]
    packed = None if int8 is None else int8.packed(rnn)
    for layer in range(L):
        call.x, call.input_size = x, input_size
        call.state, call.last = state, last
        # What the layer above reads is not what the state is kept in: callers may change either.
        call.hidden = top_BH.data_ptr() if layer == L - 1 else last
        if cell_state:
            call.cell_state, call.last_cell = cell_state[0], last_cell[0]
            cell_state[0] += size
            last_cell[0] += size
        w_ih, w_hh, b_ih, b_hh = weights[4 * layer : 4 * layer + 4]
        call.weight_ih, call.weight_hh = w_ih.data_ptr(), w_hh.data_ptr()
        call.bias_ih, call.bias_hh = b_ih.data_ptr(), b_hh.data_ptr()
        if packed is not None:
            call.int8 = packed[layer].data_ptr()
        native.forward(call)
        x, input_size = last, H
        state += size
        last += size
    return top_BH, tuple(after)
