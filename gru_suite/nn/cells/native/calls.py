"""Cells of the kernel, and the arguments of its forward and backward calls.

Shapes: B sequences sorted by falling length, T time steps, N valid steps of all sequences (ordered
    by time step, then by sequence), F input features, H hidden units, S states.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gru_suite.nn.cells.native.library import Call, Kernel, kernel


class NativeCell(NamedTuple):
    """A cell as recurrent_kernel.h describes it.

    Attributes:
        number: of the cell.
        num_gates: rows of the weights in hidden sizes.
        num_saved: values of a unit that backward needs beside the hidden state.
        num_grads: gradients of a unit: those of the input's gates, then the others.
        num_states: 2 with a cell state.
        relu: relu takes the place of tanh.
    """

    number: int
    num_gates: int
    num_saved: int
    num_grads: int
    num_states: int = 1
    relu: bool = False


_GRU, _RNN = NativeCell(0, 3, 4, 4), NativeCell(2, 1, 0, 1)

NATIVE_CELLS = {
    "gru": _GRU,
    "gru_relu": _GRU._replace(relu=True),
    "lstm": NativeCell(1, 4, 5, 4, num_states=2),
    "rnn": _RNN,
    "rnn_relu": _RNN._replace(relu=True),
}


def new_call(
    native: Kernel,
    cell: NativeCell,
    x_NF: Tensor,
    state_SBH: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    T: int,
    reverse: bool,
) -> Call:
    """Return a call with the arguments of both forward and backward."""
    call = native.call()
    call.cell, call.relu = cell.number, int(cell.relu)
    call.num_steps, call.batch_size, call.input_size = T, state_SBH.size(1), x_NF.size(1)
    call.hidden_size, call.reverse = state_SBH.size(2), int(reverse)
    call.threads = torch.get_num_threads()
    call.state, call.cell_state = addresses(state_SBH)
    call.offsets, call.lengths = address(offsets), address(lengths_B)
    return call


def address(tensor: Tensor | None) -> int | None:
    """Return the address of a tensor's data."""
    return None if tensor is None else tensor.data_ptr()


def addresses(states_SBH: Tensor | None) -> tuple[int | None, int | None]:
    """Return the addresses of hidden and cell states; None where there are none."""
    if states_SBH is None:
        return None, None
    start = states_SBH.data_ptr()
    step = states_SBH.stride(0) * states_SBH.element_size()
    return start, start + step if states_SBH.size(0) == 2 else None


def loaded_kernel() -> Kernel:
    """Return the kernel, whose presence callers have checked."""
    native = kernel()
    assert native is not None, "kernel() is None"
    return native
