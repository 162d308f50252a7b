"""All layers and directions of a ``torch.nn`` recurrence on the C kernel.

Shapes: B batch, T time steps (right-padded), F input features, H output features (2 x hidden_size
    if bidirectional), L layers times directions, S states, N valid steps of all sequences (ordered
    by time step, then by sequence).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gru_suite.nn.cells.layers import LayerState
from gru_suite.nn.cells.native.library import kernel
from gru_suite.nn.cells.native_int8 import Int8Weights
from gru_suite.nn.cells.native_layer import run_layer

_kernel_is_loaded = False
_kernel_has_half = False


def kernel_serves(rnn: nn.RNNBase, x_BTF: Tensor) -> bool:
    """Return whether the kernel can run this call: float32 on the CPU, eager or compiled.

    Exporters and tracers need torch's operator, as do autocast and function transforms.
    """
    return (
        x_BTF.dtype == torch.float32
        and rnn.weight_hh_l0.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and is_plain(x_BTF)
    )


def is_plain(x: Tensor) -> bool:
    """Return whether the kernel can read a tensor, and no transform has to see what it does."""
    return (
        x.device.type == "cpu"
        and x.size(0) > 0
        # Subclasses, such as fake or quantized tensors, have no memory for C to read.
        and (type(x) is Tensor or torch.compiler.is_compiling())
        and not torch.compiler.is_exporting()
        and not torch._C._get_tracing_state()
        and torch._C._functorch.maybe_current_level() is None
        and torch.autograd.forward_ad._current_level < 0
        and _has_kernel()
    )


def leaves_autocast(cell: str | None, x_BTF: Tensor) -> bool:
    """Return whether autocast is on and no part of torch serves it as well as we do.

    The kernel rounds within its products. Where there is none, and no bfloat16 either, oneDNN's
    LSTM would fail.

    Args:
        cell: a name in ``NATIVE_CELLS``; None where the kernel has no such cell.
        x_BTF: features.
    """
    if x_BTF.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    served = cell is not None and not torch.compiler.is_exporting() and _has_kernel()
    return served or not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def half_products() -> bool:
    """Return whether autocast asks for products of bfloat16 numbers that the kernel has."""
    return torch.get_autocast_dtype("cpu") == torch.bfloat16 and _kernel_has_half


def find_kernel() -> None:
    """Load the kernel where it is there, so that compiled code knows of it."""
    global _kernel_is_loaded, _kernel_has_half
    native = kernel()
    _kernel_is_loaded = native is not None
    _kernel_has_half = native is not None and native.has_half


def _has_kernel() -> bool:
    # A compiler cannot trace the loading of a library. torch.compiler.assume_constant_result would
    # tell it not to, but brings all of torch._dynamo with it: 0.9 s in every process.
    return _kernel_is_loaded if torch.compiler.is_compiling() else kernel() is not None


def run_stack(
    cell: str,
    rnn: nn.RNNBase,
    x_BTF: Tensor,
    lengths_B: Tensor | None,
    states_LBH: LayerState,
    half: bool = False,
    int8: Int8Weights | None = None,
) -> tuple[Tensor, LayerState]:
    """Compute ``rnn(x_BTF, states_LBH)`` with lengths.

    Args:
        cell: a name in ``NATIVE_CELLS``, that of ``rnn``.
        rnn: a recurrence for which ``kernel_serves`` is true.
        x_BTF: features, right-padded.
        lengths_B: valid steps of each sequence, 1..T; None means that all T are valid.
        states_LBH: hidden states to start from, then cell states if there are any.
        half: whether products may be of bfloat16 numbers; see :func:`half_products`.
        int8: weights in eight bits, for evaluation without gradients.

    Returns:
        The top layer's hidden states, (B, T, H), zero at padding, and the states after each
        sequence's last step (backward: after its first), each (L, B, hidden_size).
    """
    rows = _Padded(x_BTF) if lengths_B is None else _Ragged(x_BTF, lengths_B)
    features_NF = rows.pack(x_BTF)
    states_LBH = tuple(rows.sort(state_LBH) for state_LBH in states_LBH)
    all_weights: Sequence[Sequence[Tensor]] = rnn.all_weights
    packed = None if int8 is None else int8.packed(rnn)
    directions = 2 if rnn.bidirectional else 1
    finals: list[Tensor] = []
    for layer in range(rnn.num_layers):
        if layer:
            features_NF = F.dropout(features_NF, rnn.dropout, rnn.training)
        outputs: list[Tensor] = []
        for index in range(layer * directions, (layer + 1) * directions):
            hidden_NH, last_SBH = run_layer(
                cell,
                features_NF,
                _of_layer(states_LBH, index),
                all_weights[index],
                rows.offsets,
                rows.lengths_B,
                reverse=len(outputs) == 1,
                half=half,
                int8=None if packed is None else packed[index],
            )
            outputs.append(hidden_NH)
            finals.append(last_SBH)
        features_NF = torch.cat(outputs, dim=1) if directions == 2 else outputs[0]
    last_SLBH = torch.stack(finals, dim=1) if len(finals) > 1 else finals[0].unsqueeze(1)
    return rows.unpack(features_NF), tuple(rows.unsort(each) for each in last_SLBH.unbind(0))


def _of_layer(states_LBH: LayerState, index: int) -> Tensor:
    """Return the states of a layer and direction, (S, B, hidden_size)."""
    if len(states_LBH) == 1:
        return states_LBH[0][index : index + 1]
    return torch.stack([state_LBH[index] for state_LBH in states_LBH])


class _Padded:
    """Rows of a batch whose sequences all have T steps."""

    offsets: Tensor | None = None
    lengths_B: Tensor | None = None

    def __init__(self, x_BTF: Tensor) -> None:
        self._batch_size, self._num_steps = x_BTF.shape[:2]

    def pack(self, x_BTF: Tensor) -> Tensor:
        return x_BTF.transpose(0, 1).reshape(-1, x_BTF.size(2))

    def unpack(self, h_NH: Tensor) -> Tensor:
        return h_NH.view(self._num_steps, self._batch_size, -1).transpose(0, 1)

    def sort(self, state_LBH: Tensor) -> Tensor:
        return state_LBH

    def unsort(self, state_LBH: Tensor) -> Tensor:
        return state_LBH


class _Ragged:
    """Rows of a batch whose sequences are sorted by falling length, padding left out."""

    def __init__(self, x_BTF: Tensor, lengths_B: Tensor) -> None:
        self._shape = B, T = x_BTF.shape[:2]
        lengths_B = lengths_B.to("cpu", torch.int64)
        self.lengths_B, self._order = lengths_B.sort(descending=True, stable=True)
        self._places = torch.empty_like(self._order)
        self._places[self._order] = torch.arange(B)
        valid_TB = torch.arange(T).unsqueeze(1) < self.lengths_B
        self.offsets = torch.zeros(T + 1, dtype=torch.int64)
        torch.cumsum(valid_TB.sum(1), dim=0, out=self.offsets[1:])
        steps_N, sequences_N = valid_TB.nonzero(as_tuple=True)
        # Index of each valid step in the padded batch.
        self._rows_N = self._order[sequences_N] * T + steps_N

    def pack(self, x_BTF: Tensor) -> Tensor:
        return x_BTF.flatten(0, 1).index_select(0, self._rows_N)

    def unpack(self, h_NH: Tensor) -> Tensor:
        B, T = self._shape
        h_BTH = h_NH.new_zeros(B * T, h_NH.size(1)).index_copy(0, self._rows_N, h_NH)
        return h_BTH.view(B, T, -1)

    def sort(self, state_LBH: Tensor) -> Tensor:
        return state_LBH.index_select(1, self._order)

    def unsort(self, state_LBH: Tensor) -> Tensor:
        return state_LBH.index_select(1, self._places)
