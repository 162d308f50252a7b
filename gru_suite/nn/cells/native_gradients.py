"""The gradient of one layer on the C kernel.

Shapes: B sequences sorted by falling length, T time steps, N valid steps of all sequences (ordered
    by time step, then by sequence), F input features, H hidden units, G gates times H, S states.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from gru_suite.nn.cells.native.calls import (
    NATIVE_CELLS,
    address,
    addresses,
    loaded_kernel,
    new_call,
)
from gru_suite.nn.cells.native.library import Kernel

# Rows of gate gradients that one product over steps takes: enough to run at full speed, few enough
# to stay in the cache and to save the memory of all of them.
_CHUNK_FLOATS = 2**19
_MIN_CHUNK_ROWS = 512
# Floats between the rows of gate gradients: at a multiple of 4 KB, the rows of a block would push
# each other out of the cache.
_PADDING = 16


def gradients(
    grad_hidden_NH: Tensor | None,
    grad_last_SBH: Tensor | None,
    x_NF: Tensor,
    state_SBH: Tensor,
    weight_ih_GF: Tensor,
    weight_hh_GH: Tensor,
    hidden_NH: Tensor,
    saved: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
    needs_input: bool,
    half: bool,
    cell: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients in the order of the forward arguments.

    That of ``x_NF`` is empty where ``needs_input`` is False. With ``half`` products are of bfloat16
    numbers; sums over the steps of a chunk are float32, and rounded before they are added up.
    """
    native, kind = loaded_kernel(), NATIVE_CELLS[cell]
    (N, F), (_, B, H) = x_NF.shape, state_SBH.shape
    G, D = kind.num_gates * H, kind.num_grads * H
    x_NF = x_NF.contiguous()
    state_SBH, hidden_NH = state_SBH.contiguous(), hidden_NH.contiguous()
    grad_hidden_NH = None if grad_hidden_NH is None else grad_hidden_NH.contiguous()
    grad_last_SBH = None if grad_last_SBH is None else grad_last_SBH.contiguous()
    weight_hh_GH = weight_hh_GH.contiguous()
    grad_state_SBH = torch.empty_like(state_SBH)
    grad_bias = x_NF.new_zeros(native.row_blocks(B), D)
    # Where the recurrence has a gate's gradient of its own, the input's comes first: so both the
    # input's gates and the recurrence's lie side by side.
    apart = D - G
    grad_x_NF = x_NF.new_empty((N, F) if needs_input else 0)
    dtype = torch.bfloat16 if half else torch.float32
    if needs_input:
        weight_ih_in_order = weight_ih_GF.roll(apart, 0).to(dtype)
    sums = _Products(native, G)
    width = native.sum_columns(G)
    grad_ih_FG, grad_hh_HG = x_NF.new_zeros(F, width), x_NF.new_zeros(H, width)

    T = N // B if offsets is None else offsets.numel() - 1
    call = new_call(native, kind, x_NF, state_SBH, offsets, lengths_B, T, reverse)
    call.weight_hh = weight_hh_GH.data_ptr()
    call.hidden, call.saved = hidden_NH.data_ptr(), saved.data_ptr()
    call.saved_stride = kind.num_saved * H
    call.grad_hidden = address(grad_hidden_NH)
    call.grad_last, call.grad_last_cell = addresses(grad_last_SBH)
    call.grad_bias = grad_bias.data_ptr()
    call.grad_state, call.grad_cell = addresses(grad_state_SBH)
    packed = x_NF.new_empty(native.packed_floats(kind.num_gates, H))
    call.packed = packed.data_ptr()
    previous = _Previous(hidden_NH, state_SBH[0], offsets, lengths_B, T, reverse)
    chunks = _chunks(offsets, T, B, D, reverse)
    grads = torch.empty(max(last - first for *_, first, last in chunks), D + _PADDING, dtype=dtype)
    call.grad_gates = call.grad_half = grads.data_ptr()
    call.grad_stride, call.half = grads.stride(0), int(half)
    for first_step, last_step, first, last in chunks:
        call.first_step, call.last_step, call.first_row = first_step, last_step, first
        native.backward(call)
        part = grads[: last - first]
        sums.add(grad_ih_FG, x_NF[first:last], part[:, :G])
        for before, grads_of in previous.rows(part[:, apart:D], first, last):
            sums.add(grad_hh_HG, before, grads_of)
        if needs_input and half:
            grad_x_NF[first:last] = torch.mm(part[:, :G], weight_ih_in_order)
        elif needs_input:
            torch.mm(part[:, :G], weight_ih_in_order, out=grad_x_NF[first:last])
    bias_D = grad_bias.sum(0)
    return (
        grad_x_NF,
        grad_state_SBH,
        # Contiguous like the weight, as DDP's buckets need it.
        grad_ih_FG[:, :G].t().roll(-apart, 0).contiguous(),
        grad_hh_HG[:, :G].t().contiguous(),
        bias_D[:G].roll(-apart),
        bias_D[apart:].clone(),
    )


class _Products:
    """Sums of outer products, in float32: of float32 numbers by the kernel, of others by torch."""

    def __init__(self, native: Kernel, num_columns: int) -> None:
        self._native, self._num_columns = native, num_columns
        self._threads = torch.get_num_threads()

    def add(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``left.t() @ right`` to the first columns of a total."""
        if right.dtype == total.dtype:
            self._native.add_products(total, left, right, self._threads)
        else:
            total[:, : self._num_columns] += left.to(right.dtype).t() @ right


def _chunks(
    offsets: Tensor | None, T: int, B: int, D: int, reverse: bool
) -> list[tuple[int, int, int, int]]:
    """Split the steps, last ones first: first and last step, and the rows that these are."""
    if offsets is not None and reverse:
        # A step's rows belong to different times.
        return [(0, T, 0, int(offsets[-1]))]
    starts = [t * B for t in range(T + 1)] if offsets is None else offsets.tolist()
    max_rows = max(_CHUNK_FLOATS // D, _MIN_CHUNK_ROWS)
    chunks: list[tuple[int, int, int, int]] = []
    last = T
    while last:
        first = last - 1
        while first and starts[last] - starts[first - 1] <= max_rows:
            first -= 1
        rows = (T - last, T - first) if reverse else (first, last)
        chunks.append((first, last, starts[rows[0]], starts[rows[1]]))
        last = first
    return chunks


class _Previous:
    """The states before each step: the hidden states, shifted by one step."""

    def __init__(
        self,
        hidden_NH: Tensor,
        state_BH: Tensor,
        offsets: Tensor | None,
        lengths_B: Tensor | None,
        T: int,
        reverse: bool,
    ) -> None:
        self._hidden_NH, self._state_BH = hidden_NH, state_BH
        self._shift = state_BH.size(0) if reverse else -state_BH.size(0)
        self._rows_N: Tensor | None = None
        if offsets is None or lengths_B is None:
            return
        steps = torch.arange(T).repeat_interleave(offsets.diff())
        sequences = torch.arange(hidden_NH.size(0)) - offsets[steps]
        before = steps + 1 if reverse else steps - 1
        self._starts_N = (before < 0) | (before >= lengths_B[sequences])
        self._rows_N = torch.where(self._starts_N, 0, offsets[before.clamp(0, T)] + sequences)
        self._sequences_N = sequences

    def rows(self, grads: Tensor, first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the states before rows ``first`` to ``last`` and their gradients, in pieces."""
        if self._rows_N is not None:
            rows, starts = self._rows_N[first:last], self._starts_N[first:last]
            before = self._hidden_NH.index_select(0, rows)
            before[starts] = self._state_BH[self._sequences_N[first:last][starts]]
            yield before, grads
            return
        begin, end = first + self._shift, last + self._shift
        skip_front, skip_back = max(0, -begin), max(0, end - self._hidden_NH.size(0))
        if skip_front:
            yield self._state_BH, grads[:skip_front]
        if skip_back:
            yield self._state_BH, grads[len(grads) - skip_back :]
        if skip_front + skip_back < len(grads):
            inside = self._hidden_NH[begin + skip_front : end - skip_back]
            yield inside, grads[skip_front : len(grads) - skip_back]
