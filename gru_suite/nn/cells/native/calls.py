"""Arguments of the kernel's forward and backward calls.

Shapes: B sequences sorted by falling length, T time steps, N valid steps of all sequences (ordered
    by time step, then by sequence), F input features, H hidden units, G = 3H gates r, z, n.
"""

import torch
from torch import Tensor

from gru_suite.nn.cells.native.library import Call, Kernel, kernel


def new_call(
    native: Kernel,
    x_NF: Tensor,
    state_BH: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    T: int,
    reverse: bool,
) -> Call:
    """Return a call with the arguments of both forward and backward."""
    call = native.call()
    call.num_steps, call.batch_size, call.input_size = T, state_BH.size(0), x_NF.size(1)
    call.hidden_size, call.reverse = state_BH.size(1), int(reverse)
    call.threads = torch.get_num_threads()
    call.state = state_BH.data_ptr()
    call.offsets, call.lengths = address(offsets), address(lengths_B)
    return call


def address(tensor: Tensor | None) -> int | None:
    """Return the address of a tensor's data."""
    return None if tensor is None else tensor.data_ptr()


def loaded_kernel() -> Kernel:
    """Return the kernel, whose presence callers have checked."""
    native = kernel()
    assert native is not None, "kernel() is None"
    return native
