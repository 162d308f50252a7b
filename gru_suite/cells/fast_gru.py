"""One layer of ``torch.nn.GRU`` in one direction on the C kernel, as an operator of torch.

Shapes: B sequences sorted by falling length, T time steps, N valid steps of all sequences (ordered
    by time step, then by sequence), F input features, H hidden units, G = 3H gates r, z, n.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gru_suite.cells.native.library import Call, Kernel, kernel

# Below this batch size the weights are read from the cache too often for the few rows that use
# them: the input's part is then one product over all steps, before the recurrence.
_MIN_FUSED_BATCH = 6
# UNPACKED_ROWS of gru_kernel.c: so few are done without a product of torch's.
_UNPACKED_ROWS = 8
# Rows of gate gradients that one product over steps takes: enough to run at full speed, few enough
# to stay in the cache and to save the memory of all of them.
_CHUNK_FLOATS = 2**19
_MIN_CHUNK_ROWS = 512
# Floats between the rows of gate gradients: at a multiple of 4 KB, the rows of a block would push each
# other out of the cache.
_PADDING = 16


def run_layer(
    x_NF: Tensor,
    state_BH: Tensor,
    weights: Sequence[Tensor],
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence, recorded by autograd where it must be.

    Args:
        x_NF: features of the valid steps.
        state_BH: states to start from.
        weights: ``weight_ih_GF``, ``weight_hh_GH``, ``bias_ih_G``, ``bias_hh_G``.
        offsets: first row of each step, then N; int64 on the CPU. None where all lengths are T.
        lengths_B: valid steps of each sequence, int64, falling. None where all are T.
        reverse: whether to run from each sequence's last valid step to its first.

    Returns:
        The hidden states, (N, H), and the state after each sequence's last step, (B, H).
    """
    weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G = weights
    inputs = (x_NF, state_BH, weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G)
    if torch.compiler.is_compiling():
        hidden_NH, last_BH, _ = _layer(*inputs, offsets, lengths_B, reverse)
    elif torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        hidden_NH, last_BH, _ = _EagerLayer.apply(*inputs, offsets, lengths_B, reverse)
    else:
        hidden_NH, last_BH, _ = _forward(*inputs, offsets, lengths_B, reverse, save=False)
    return hidden_NH, last_BH


def _forward_recorded(
    x_NF: Tensor,
    state_BH: Tensor,
    weight_ih_GF: Tensor,
    weight_hh_GH: Tensor,
    bias_ih_G: Tensor,
    bias_hh_G: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return hidden states, last states, and the gates that the gradient needs, (N, 4H)."""
    return _forward(
        x_NF,
        state_BH,
        weight_ih_GF,
        weight_hh_GH,
        bias_ih_G,
        bias_hh_G,
        offsets,
        lengths_B,
        reverse,
        save=True,
    )


_layer = torch.library.custom_op(
    "gru_suite::gru_layer", _forward_recorded, mutates_args=(), device_types="cpu"
)


@_layer.register_fake
def _(
    x_NF: Tensor,
    state_BH: Tensor,
    weight_ih_GF: Tensor,
    weight_hh_GH: Tensor,
    bias_ih_G: Tensor,
    bias_hh_G: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    N, (B, H) = x_NF.size(0), state_BH.shape
    return x_NF.new_empty(N, H), x_NF.new_empty(B, H), x_NF.new_empty(N, 4 * H)


def _gradients(
    grad_hidden_NH: Tensor | None,
    grad_last_BH: Tensor | None,
    x_NF: Tensor,
    state_BH: Tensor,
    weight_ih_GF: Tensor,
    weight_hh_GH: Tensor,
    hidden_NH: Tensor,
    gates_N4H: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients in the order of the forward arguments.

    That of ``x_NF`` is empty where ``needs_input`` is False.
    """
    native = _native()
    (N, F), (B, H) = x_NF.shape, state_BH.shape
    x_NF = x_NF.contiguous()
    state_BH, hidden_NH = state_BH.contiguous(), hidden_NH.contiguous()
    grad_hidden_NH = None if grad_hidden_NH is None else grad_hidden_NH.contiguous()
    grad_last_BH = None if grad_last_BH is None else grad_last_BH.contiguous()
    weight_hh_GH = weight_hh_GH.contiguous()
    grad_state_BH = torch.empty_like(state_BH)
    grad_bias = x_NF.new_zeros(native.row_blocks(B), 4 * H)
    # The columns of gate gradients: n's input part, r, z, n's recurrent part. So both the input's
    # three and the recurrence's three lie side by side.
    weight_ih_nrz = torch.cat([weight_ih_GF[2 * H :], weight_ih_GF[: 2 * H]])
    grad_x_NF = x_NF.new_empty((N, F) if needs_input else 0)
    grad_ih_FG = x_NF.new_zeros(F, 3 * H)
    grad_hh_GH = x_NF.new_zeros(3 * H, H)

    T = N // B if offsets is None else offsets.numel() - 1
    call = _call(native, x_NF, state_BH, offsets, lengths_B, T, reverse)
    call.weight_hh = weight_hh_GH.data_ptr()
    call.hidden, call.gates, call.gate_stride = hidden_NH.data_ptr(), gates_N4H.data_ptr(), 4 * H
    call.grad_hidden, call.grad_last = _address(grad_hidden_NH), _address(grad_last_BH)
    call.grad_bias, call.grad_state = grad_bias.data_ptr(), grad_state_BH.data_ptr()
    packed = x_NF.new_empty(native.packed_floats(H))
    call.packed = packed.data_ptr()
    previous = _Previous(hidden_NH, state_BH, offsets, lengths_B, T, reverse)
    chunks = _chunks(offsets, T, B, H, reverse)
    grads = x_NF.new_empty(max(last - first for *_, first, last in chunks), 4 * H + _PADDING)
    call.grad_gates, call.grad_stride = grads.data_ptr(), grads.stride(0)
    for first_step, last_step, first, last in chunks:
        call.first_step, call.last_step, call.first_row = first_step, last_step, first
        native.backward(call)
        part = grads[: last - first]
        grad_ih_FG.addmm_(x_NF[first:last].t(), part[:, : 3 * H])
        previous.add_product(grad_hh_GH, part[:, H : 4 * H], first, last)
        if needs_input:
            torch.mm(part[:, : 3 * H], weight_ih_nrz, out=grad_x_NF[first:last])
    bias_4H = grad_bias.sum(0)
    grad_ih_GF = torch.cat([grad_ih_FG[:, H:].t(), grad_ih_FG[:, :H].t()])
    return (
        grad_x_NF,
        grad_state_BH,
        grad_ih_GF,
        grad_hh_GH,
        torch.cat([bias_4H[H : 3 * H], bias_4H[:H]]),
        bias_4H[H:].clone(),
    )


_layer_backward = torch.library.custom_op(
    "gru_suite::gru_layer_backward", _gradients, mutates_args=(), device_types="cpu"
)


@_layer_backward.register_fake
def _(
    grad_hidden_NH: Tensor | None,
    grad_last_BH: Tensor | None,
    x_NF: Tensor,
    state_BH: Tensor,
    weight_ih_GF: Tensor,
    weight_hh_GH: Tensor,
    hidden_NH: Tensor,
    gates_N4H: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
    needs_input: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    G = weight_ih_GF.size(0)
    return (
        x_NF.new_empty(x_NF.shape if needs_input else (0,)),
        state_BH.new_empty(state_BH.shape),
        weight_ih_GF.new_empty(weight_ih_GF.shape),
        weight_hh_GH.new_empty(weight_hh_GH.shape),
        x_NF.new_empty(G),
        x_NF.new_empty(G),
    )


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x_NF, state_BH, weight_ih_GF, weight_hh_GH, _, _, offsets, lengths_B, reverse = inputs
    hidden_NH, _, gates_N4H = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(gates_N4H)
    ctx.save_for_backward(
        x_NF, state_BH, weight_ih_GF, weight_hh_GH, hidden_NH, gates_N4H, offsets, lengths_B
    )
    ctx.reverse = reverse


def _backward(ctx, grad_hidden_NH, grad_last_BH, _, gradients=_layer_backward):  # type: ignore[no-untyped-def]
    none = (None,) * 9
    if grad_hidden_NH is None and grad_last_BH is None:
        return none
    grads = gradients(
        grad_hidden_NH,
        grad_last_BH,
        *ctx.saved_tensors,
        ctx.reverse,
        ctx.needs_input_grad[0],
    )
    return (grads[0] if ctx.needs_input_grad[0] else None, *grads[1:], *none[6:])


_layer.register_autograd(_backward, setup_context=_setup_context)


class _EagerLayer(torch.autograd.Function):
    """The operator without its dispatch, which takes as long as a hundred steps of one sequence."""

    @staticmethod
    def forward(ctx, *inputs):  # type: ignore[no-untyped-def]
        output = _forward_recorded(*inputs)
        _setup_context(ctx, inputs, output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # type: ignore[no-untyped-def]
        return _backward(ctx, *grads, gradients=_gradients)


def _forward(
    x_NF: Tensor,
    state_BH: Tensor,
    weight_ih_GF: Tensor,
    weight_hh_GH: Tensor,
    bias_ih_G: Tensor,
    bias_hh_G: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the kernel; the gates come out empty without ``save``."""
    native = _native()
    N, (B, H) = x_NF.size(0), state_BH.shape
    T = N // B if offsets is None else offsets.numel() - 1
    hidden_NH, last_BH = x_NF.new_empty(N, H), x_NF.new_empty(B, H)
    fused = B >= _MIN_FUSED_BATCH or N <= _UNPACKED_ROWS
    width = 4 * H if save else 0 if fused else 3 * H
    gates = x_NF.new_empty(N if width else 0, width)
    if not fused:
        torch.mm(x_NF, weight_ih_GF.t(), out=gates[:, : 3 * H])
    x_NF, state_BH = x_NF.contiguous(), state_BH.contiguous()
    # Named, so that a copy lives until the kernel has read it.
    arguments = [w.contiguous() for w in (weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G)]
    call = _call(native, x_NF, state_BH, offsets, lengths_B, T, reverse)
    call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh = map(_address, arguments)
    call.x = x_NF.data_ptr() if fused else None
    call.hidden, call.last = hidden_NH.data_ptr(), last_BH.data_ptr()
    call.gates = gates.data_ptr() if width else None
    call.gate_stride, call.save_gates = width, int(save)
    native.forward(call)
    return hidden_NH, last_BH, gates


def _call(
    native: Kernel,
    x_NF: Tensor,
    state_BH: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    T: int,
    reverse: bool,
) -> Call:
    """Return what forward and backward have in common."""
    call = native.call()
    call.num_steps, call.batch_size, call.input_size = T, state_BH.size(0), x_NF.size(1)
    call.hidden_size, call.reverse = state_BH.size(1), int(reverse)
    call.threads = torch.get_num_threads()
    call.state = state_BH.data_ptr()
    call.offsets, call.lengths = _address(offsets), _address(lengths_B)
    return call


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _native() -> Kernel:
    native = kernel()
    assert native is not None, "callers ask `kernel()` first"
    return native


def _chunks(
    offsets: Tensor | None, T: int, B: int, H: int, reverse: bool
) -> list[tuple[int, int, int, int]]:
    """Split the steps, last ones first: first and last step, and the rows that these are."""
    if offsets is not None and reverse:
        # A step's rows belong to different times.
        return [(0, T, 0, int(offsets[-1]))]
    starts = [t * B for t in range(T + 1)] if offsets is None else offsets.tolist()
    max_rows = max(_CHUNK_FLOATS // (4 * H), _MIN_CHUNK_ROWS)
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
    """The states that the steps started from: the hidden states, moved by one step."""

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

    def add_product(self, total_GH: Tensor, grads: Tensor, first: int, last: int) -> None:
        """Add to ``total_GH`` the gradients, times the states before rows ``first`` to ``last``."""
        if self._rows_N is not None:
            rows, starts = self._rows_N[first:last], self._starts_N[first:last]
            before = self._hidden_NH.index_select(0, rows)
            before[starts] = self._state_BH[self._sequences_N[first:last][starts]]
            total_GH.addmm_(grads.t(), before)
            return
        begin, end = first + self._shift, last + self._shift
        skip_front, skip_back = max(0, -begin), max(0, end - self._hidden_NH.size(0))
        if skip_front:
            total_GH.addmm_(grads[:skip_front].t(), self._state_BH)
        if skip_back:
            total_GH.addmm_(grads[len(grads) - skip_back :].t(), self._state_BH)
        if skip_front + skip_back < len(grads):
            inside = self._hidden_NH[begin + skip_front : end - skip_back]
            total_GH.addmm_(grads[skip_front : len(grads) - skip_back].t(), inside)
