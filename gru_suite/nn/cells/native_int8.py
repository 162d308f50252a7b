"""Weights of eight bits for the C kernel, where no gradient is recorded."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.nn.cells.native.calls import NATIVE_CELLS, loaded_kernel
from gru_suite.nn.cells.native.library import kernel


class Int8Weights:
    """The weights of a stack in eight bits, rounded again after they have changed."""

    def __init__(self, cell: str, rnn: nn.RNNBase) -> None:
        """Round the weights.

        Args:
            cell: a name in ``NATIVE_CELLS``, that of ``rnn``.
            rnn: a recurrence with float32 weights on the CPU.
        """
        self._cell = cell
        self._seen: list[tuple[int, int]] = []
        self._packed: list[Tensor] = []
        self._pack(rnn)

    def packed(self, rnn: nn.RNNBase) -> list[Tensor] | None:
        """Return the two matrices of each layer and direction as the kernel reads them, bytes.

        Args:
            rnn: that of the beginning; in training mode and where gradients are recorded, the
                result is None.
        """
        if rnn.training or torch.is_grad_enabled():
            return None
        # A compiler cannot trace whether weights have changed: compile again after they have.
        if not torch.compiler.is_compiling():
            self._pack(rnn)
        return self._packed

    def _pack(self, rnn: nn.RNNBase) -> None:
        seen = _state(rnn._flat_weights)
        if seen != self._seen:
            self._packed = [_pack(self._cell, rnn, weights[:2]) for weights in rnn.all_weights]
            self._seen = seen


def quantized(cell: str, kernel_cell: str | None, rnn: nn.RNNBase) -> Int8Weights:
    """Return a stack's weights in eight bits.

    Args:
        cell: ``backbone.cell``.
        kernel_cell: its name in ``NATIVE_CELLS``, if it has one.
        rnn: the recurrence.

    Raises:
        UserError: the kernel has no such cell or no such weights, or is missing or switched off.
    """
    if kernel_cell is None:
        raise UserError(
            f"int8: backbone.cell={cell} has no recurrent weights to round; "
            "eight bits serve gru, lstm and rnn"
        )
    weight = rnn.weight_hh_l0
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        raise UserError(
            f"int8: the weights are {weight.dtype} on {weight.device}; eight bits serve float32 on "
            "the CPU (device=cpu)"
        )
    if kernel() is None:
        raise UserError(
            "int8: needs the C kernel, which was not built or is switched off; install with a C "
            "compiler, without GRU_SUITE_KERNEL=torch"
        )
    return Int8Weights(kernel_cell, rnn)


def _pack(cell: str, rnn: nn.RNNBase, weights: Sequence[Tensor]) -> Tensor:
    native = loaded_kernel()
    call = native.call()
    weight_ih_GF, weight_hh_GH = (weight.detach().contiguous() for weight in weights)
    call.cell = NATIVE_CELLS[cell].number
    call.input_size, call.hidden_size = weight_ih_GF.size(1), rnn.hidden_size
    call.weight_ih, call.weight_hh = weight_ih_GF.data_ptr(), weight_hh_GH.data_ptr()
    packed = torch.empty(native.int8_bytes(call), dtype=torch.uint8)
    native.pack_int8(call, packed.data_ptr())
    return packed


def _state(weights: list[Any]) -> list[tuple[int, int]]:
    try:
        return [(weight.data_ptr(), weight._version) for weight in weights]
    except RuntimeError:
        # Tensors made in inference mode do not count their changes.
        return [(weight.data_ptr(), 0) for weight in weights]
