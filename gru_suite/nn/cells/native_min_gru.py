"""The minGRU's recurrence on the C kernel.

Shapes: B batch, T time steps, H hidden units, G 2 H.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gru_suite.nn.cells.native.calls import loaded_kernel
from gru_suite.nn.cells.native.library import MinGruCall
from gru_suite.nn.cells.stack import is_plain


def runs_min_gru(sums_BTG: Tensor) -> bool:
    """Return whether the kernel can run the recurrence of sums: float32, or as autocast rounds."""
    rounded = sums_BTG.dtype == torch.bfloat16 and torch.is_autocast_enabled("cpu")
    served = rounded or sums_BTG.dtype == torch.float32
    return served and not torch.compiler.is_compiling() and is_plain(sums_BTG)


class NativeMinGRU(torch.autograd.Function):
    """All states of a layer from its products with the input; see min_gru_cell.h."""

    @staticmethod
    def forward(ctx: Any, sums_BTG: Tensor, state_BH: Tensor) -> Tensor:
        """Return the states, shape (B, T, H)."""
        sums_BTG, state_BH = sums_BTG.contiguous(), state_BH.contiguous()
        B, T, G = sums_BTG.shape
        h_BTH = sums_BTG.new_empty(B, T, G // 2)
        call = _call(sums_BTG, state_BH, h_BTH)
        loaded_kernel().min_gru(call)
        ctx.save_for_backward(sums_BTG, state_BH, h_BTH)
        return h_BTH

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTH: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of the sums and of the state."""
        sums_BTG, state_BH, h_BTH = ctx.saved_tensors
        grad_BTH = grad_BTH.contiguous()
        grad_sums_BTG, grad_state_BH = torch.empty_like(sums_BTG), torch.empty_like(state_BH)
        call = _call(sums_BTG, state_BH, h_BTH)
        call.grad_hidden = grad_BTH.data_ptr()
        call.grad_sums, call.grad_state = grad_sums_BTG.data_ptr(), grad_state_BH.data_ptr()
        loaded_kernel().min_gru(call)
        return grad_sums_BTG, grad_state_BH


def _call(sums_BTG: Tensor, state_BH: Tensor, h_BTH: Tensor) -> MinGruCall:
    B, T, H = h_BTH.shape
    pointers = sums_BTG.data_ptr(), state_BH.data_ptr(), h_BTH.data_ptr()
    return MinGruCall(B, T, H, torch.get_num_threads(), *pointers)
