"""One recurrent layer in one direction on the C kernel, as an operator of torch.

Shapes: B sequences sorted by falling length, T time steps, N valid steps of all sequences (ordered
    by time step, then by sequence), F input features, H hidden units, G gates times H, S states
    (hidden and, of an LSTM, cell).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gru_suite.nn.cells.native.calls import (
    NATIVE_CELLS,
    address,
    addresses,
    loaded_kernel,
    new_call,
)
from gru_suite.nn.cells.native_gradients import gradients

# Below this batch size the weights are read from the cache too often for the few rows that use
# them: the input's part is then one product over all steps, before the recurrence.
_MIN_FUSED_BATCH = 6
# UNPACKED_ROWS of recurrent_kernel.c: so few rows need no matrix product of torch.
_UNPACKED_ROWS = 8


def run_layer(
    cell: str,
    x_NF: Tensor,
    state_SBH: Tensor,
    weights: Sequence[Tensor],
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
    half: bool = False,
    int8: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence, recorded by autograd where it must be.

    Args:
        cell: a name in ``NATIVE_CELLS``.
        x_NF: features of the valid steps.
        state_SBH: states to start from.
        weights: ``weight_ih_GF``, ``weight_hh_GH``, ``bias_ih_G``, ``bias_hh_G``.
        offsets: first row of each step, then N; int64 on the CPU. None where all lengths are T.
        lengths_B: valid steps of each sequence, int64, falling. None where all are T.
        reverse: whether to run from each sequence's last valid step to its first.
        half: whether products may be of bfloat16 numbers, which the kernel must have; sums, states
            and outputs are float32.
        int8: ``weight_ih_GF`` and ``weight_hh_GH`` in eight bits
            (:class:`gru_suite.nn.cells.native_int8.Int8Weights`), to be used in their place;
            without gradients.

    Returns:
        The hidden states, (N, H), and the states after each sequence's last step, (S, B, H).
    """
    weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G = weights
    inputs = (x_NF, state_SBH, weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G)
    half = half and int8 is None and takes_half(x_NF, state_SBH)
    if torch.compiler.is_compiling():
        hidden_NH, last_SBH, _ = _layer(
            *inputs, offsets, lengths_B, reverse, True, half, cell, int8
        )
    elif torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        hidden_NH, last_SBH, _ = _EagerLayer.apply(
            *inputs, offsets, lengths_B, reverse, True, half, cell, None
        )
    else:
        hidden_NH, last_SBH, _ = _forward(
            *inputs, offsets, lengths_B, reverse, False, half, cell, int8
        )
    return hidden_NH, last_SBH


def takes_half(x_NF: Tensor, state_SBH: Tensor) -> bool:
    """Return whether products of bfloat16 numbers serve these shapes and pay for them."""
    _, B, H = state_SBH.shape
    return B >= _MIN_FUSED_BATCH and H % 2 == 0 and x_NF.size(0) > _UNPACKED_ROWS


def _forward(
    x_NF: Tensor,
    state_SBH: Tensor,
    weight_ih_GF: Tensor,
    weight_hh_GH: Tensor,
    bias_ih_G: Tensor,
    bias_hh_G: Tensor,
    offsets: Tensor | None,
    lengths_B: Tensor | None,
    reverse: bool,
    save: bool,
    half: bool,
    cell: str,
    int8: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return hidden states, last states, and what the gradient needs beside them.

    Without ``save`` the last is empty.
    """
    native, kind = loaded_kernel(), NATIVE_CELLS[cell]
    N, (_, B, H) = x_NF.size(0), state_SBH.shape
    T = N // B if offsets is None else offsets.numel() - 1
    hidden_NH, last_SBH = x_NF.new_empty(N, H), torch.empty_like(state_SBH)
    fused = half or int8 is not None or B >= _MIN_FUSED_BATCH or N <= _UNPACKED_ROWS
    num_saved = max(kind.num_saved if save else 0, 0 if fused else kind.num_gates)
    saved = x_NF.new_empty(N if num_saved else 0, num_saved * H)
    if not fused:
        torch.mm(x_NF, weight_ih_GF.t(), out=saved[:, : kind.num_gates * H])
    x_NF, state_SBH = x_NF.contiguous(), state_SBH.contiguous()
    # Named, so that copies live until the kernel has read them.
    arguments = [w.contiguous() for w in (weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G)]
    call = new_call(native, kind, x_NF, state_SBH, offsets, lengths_B, T, reverse)
    call.weight_ih, call.weight_hh, call.bias_ih, call.bias_hh = map(address, arguments)
    call.x = x_NF.data_ptr() if fused else None
    call.hidden = hidden_NH.data_ptr()
    call.last, call.last_cell = addresses(last_SBH)
    call.saved = saved.data_ptr() if num_saved else None
    call.saved_stride, call.save = num_saved * H, int(save)
    call.half, call.int8 = int(half), address(int8)
    native.forward(call)
    return hidden_NH, last_SBH, saved if save and kind.num_saved else x_NF.new_empty(0)


_layer = torch.library.custom_op(
    "gru_suite::recurrent_layer", _forward, mutates_args=(), device_types="cpu"
)


@_layer.register_fake
def _(x_NF: Tensor, state_SBH: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    N, H = x_NF.size(0), state_SBH.size(2)
    *_, save, _, cell, _ = rest
    num_saved = NATIVE_CELLS[cell].num_saved if save else 0
    saved = x_NF.new_empty((N, num_saved * H) if num_saved else 0)
    return x_NF.new_empty(N, H), torch.empty_like(state_SBH), saved


_layer_backward = torch.library.custom_op(
    "gru_suite::recurrent_layer_backward", gradients, mutates_args=(), device_types="cpu"
)


@_layer_backward.register_fake
def _(*inputs: Any) -> tuple[Tensor, ...]:
    x_NF, state_SBH, *weights = inputs[2:6]
    needs_input = inputs[-3]
    bias_shape = weights[0].shape[:1]
    shapes = [state_SBH.shape, *(weight.shape for weight in weights), bias_shape, bias_shape]
    return tuple(x_NF.new_empty(shape) for shape in [x_NF.shape if needs_input else (0,), *shapes])


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x_NF, state_SBH, weight_ih_GF, weight_hh_GH, _, _, offsets, lengths_B = inputs[:8]
    hidden_NH, _, saved = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(saved)
    ctx.save_for_backward(
        x_NF, state_SBH, weight_ih_GF, weight_hh_GH, hidden_NH, saved, offsets, lengths_B
    )
    ctx.reverse, ctx.saves, ctx.half, ctx.cell, _ = inputs[8:]


def _input_gradients(
    function: Callable[..., tuple[Tensor, ...]],
    ctx: Any,
    grad_hidden_NH: Tensor | None,
    grad_last_SBH: Tensor | None,
) -> tuple[Tensor | None, ...]:
    none: tuple[None, ...] = (None,) * 13
    if not ctx.saves:
        raise RuntimeError("recurrent_layer: no gradient without save=True")
    if grad_hidden_NH is None and grad_last_SBH is None:
        return none
    needs_input = ctx.needs_input_grad[0]
    options = ctx.reverse, needs_input, ctx.half, ctx.cell
    grads = function(grad_hidden_NH, grad_last_SBH, *ctx.saved_tensors, *options)
    return (grads[0] if needs_input else None, *grads[1:], *none[6:])


def _backward(ctx, grad_hidden_NH, grad_last_SBH, _):  # type: ignore[no-untyped-def]
    return _input_gradients(_layer_backward, ctx, grad_hidden_NH, grad_last_SBH)


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
    def backward(ctx, grad_hidden_NH, grad_last_SBH, _):  # type: ignore[no-untyped-def]
        return _input_gradients(gradients, ctx, grad_hidden_NH, grad_last_SBH)
