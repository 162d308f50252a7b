"""One layer of ``torch.nn.GRU`` in one direction on the C kernel, as an operator of torch.

Shapes: B sequences sorted by falling length, T time steps, N valid steps of all sequences (ordered
    by time step, then by sequence), F input features, H hidden units, G = 3H gates r, z, n.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gru_suite.nn.cells.gru_gradients import gradients
from gru_suite.nn.cells.native.calls import address, loaded_kernel, new_call

# Below this batch size the weights are read from the cache too often for the few rows that use
# them: the input's part is then one product over all steps, before the recurrence.
_MIN_FUSED_BATCH = 6
# UNPACKED_ROWS of gru_kernel.c: so few rows need no matrix product of torch.
_UNPACKED_ROWS = 8


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
        hidden_NH, last_BH, _ = _layer(*inputs, offsets, lengths_B, reverse, True)
    elif torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        hidden_NH, last_BH, _ = _EagerLayer.apply(*inputs, offsets, lengths_B, reverse, True)
    else:
        hidden_NH, last_BH, _ = _forward(*inputs, offsets, lengths_B, reverse, False)
    return hidden_NH, last_BH


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
    """Return hidden states, last states, and the gates that the gradient needs, (N, 4H).

    Without ``save`` the gates come out empty.
    """
    native = loaded_kernel()
    N, (B, H) = x_NF.size(0), state_BH.shape
    T = N // B if offsets is None else offsets.numel() - 1
    hidden_NH, last_BH = x_NF.new_empty(N, H), x_NF.new_empty(B, H)
    fused = B >= _MIN_FUSED_BATCH or N <= _UNPACKED_ROWS
    width = 4 * H if save else 0 if fused else 3 * H
    gates = x_NF.new_empty(N if width else 0, width)
    if not fused:
        torch.mm(x_NF, weight_ih_GF.t(), out=gates[:, : 3 * H])
    x_NF, state_BH = x_NF.contiguous(), state_BH.contiguous()
    # Named, so that copies live until the kernel has read them.
    arguments = [w.contiguous() for w in (weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G)]
    call = new_call(native, x_NF, state_BH, offsets, lengths_B, T, reverse)
    call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh = map(address, arguments)
    call.x = x_NF.data_ptr() if fused else None
    call.hidden, call.last = hidden_NH.data_ptr(), last_BH.data_ptr()
    call.gates = gates.data_ptr() if width else None
    call.gate_stride, call.save_gates = width, int(save)
    native.forward(call)
    return hidden_NH, last_BH, gates if save else x_NF.new_empty(0)


_layer = torch.library.custom_op(
    "gru_suite::gru_layer", _forward, mutates_args=(), device_types="cpu"
)


@_layer.register_fake
def _(x_NF: Tensor, state_BH: Tensor, *rest: object) -> tuple[Tensor, Tensor, Tensor]:
    N, (B, H) = x_NF.size(0), state_BH.shape
    gates = x_NF.new_empty((N, 4 * H) if rest[-1] else 0)
    return x_NF.new_empty(N, H), x_NF.new_empty(B, H), gates


_layer_backward = torch.library.custom_op(
    "gru_suite::gru_layer_backward", gradients, mutates_args=(), device_types="cpu"
)


@_layer_backward.register_fake
def _(*inputs: Any) -> tuple[Tensor, ...]:
    x_NF, state_BH, *weights = inputs[2:6]
    needs_input = inputs[-1]
    bias_shape = weights[0].shape[:1]
    shapes = [state_BH.shape, *(weight.shape for weight in weights), bias_shape, bias_shape]
    return tuple(x_NF.new_empty(shape) for shape in [x_NF.shape if needs_input else (0,), *shapes])


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x_NF, state_BH, weight_ih_GF, weight_hh_GH, _, _, offsets, lengths_B, reverse, _ = inputs
    hidden_NH, _, gates_N4H = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(gates_N4H)
    ctx.save_for_backward(
        x_NF, state_BH, weight_ih_GF, weight_hh_GH, hidden_NH, gates_N4H, offsets, lengths_B
    )
    ctx.reverse = reverse


def _input_gradients(
    function: Callable[..., tuple[Tensor, ...]],
    ctx: Any,
    grad_hidden_NH: Tensor | None,
    grad_last_BH: Tensor | None,
) -> tuple[Tensor | None, ...]:
    none: tuple[None, ...] = (None,) * 10
    if grad_hidden_NH is None and grad_last_BH is None:
        return none
    needs_input = ctx.needs_input_grad[0]
    grads = function(grad_hidden_NH, grad_last_BH, *ctx.saved_tensors, ctx.reverse, needs_input)
    return (grads[0] if needs_input else None, *grads[1:], *none[6:])


def _backward(ctx, grad_hidden_NH, grad_last_BH, _):  # type: ignore[no-untyped-def]
    return _input_gradients(_layer_backward, ctx, grad_hidden_NH, grad_last_BH)


_layer.register_autograd(_backward, setup_context=_setup_context)


class _EagerLayer(torch.autograd.Function):
    """The operator as an autograd function: without the dispatch, 100 steps' worth of time."""

    @staticmethod
    def forward(ctx, *inputs):  # type: ignore[no-untyped-def]
        output = _forward(*inputs)
        _setup_context(ctx, inputs, output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_hidden_NH, grad_last_BH, _):  # type: ignore[no-untyped-def]
        return _input_gradients(gradients, ctx, grad_hidden_NH, grad_last_BH)
