"""The GRU with a relu candidate state, which ``torch.nn.GRU`` does not have.

Shapes: T time steps, B batch, F input features, H hidden units, G = 3H (reset, update, candidate),
    N = T * B.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gru_suite.nn.cells.layers import LayerState, Weights


class ReluGRUFunction(torch.autograd.Function):
    """One layer of the relu GRU over a whole sequence, with an explicit gradient.

    For each step, with ``*`` elementwise, in torch's convention (the reset gate acts after the
    recurrent product)::

        r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n = relu(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    Autograd on the plain equations takes about 25 recorded operations a step; here it is six
    forward and four back, and all weight gradients are one product over all steps.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_TBF: Tensor,
        h_BH: Tensor,
        weight_ih_GF: Tensor,
        weight_hh_GH: Tensor,
        bias_ih_G: Tensor,
        bias_hh_G: Tensor,
    ) -> Tensor:
        """Return the hidden states of all steps, shape (T, B, H)."""
        (T, B, _), H = x_TBF.shape, h_BH.size(1)
        # r, z and n overwrite their pre-activations in this buffer.
        gates_TBG = torch.addmm(bias_ih_G, x_TBF.flatten(0, 1), weight_ih_GF.t()).view(T, B, -1)
        recurrent_TBG = torch.empty_like(gates_TBG)
        h_TBH = h_BH.new_empty(T + 1, B, H)
        h_TBH[0] = h_BH
        steps_h = h_TBH.unbind(0)
        steps = zip(
            gates_TBG[..., : 2 * H].unbind(0),
            gates_TBG[..., :H].unbind(0),
            gates_TBG[..., H : 2 * H].unbind(0),
            gates_TBG[..., 2 * H :].unbind(0),
            recurrent_TBG.unbind(0),
            recurrent_TBG[..., : 2 * H].unbind(0),
            recurrent_TBG[..., 2 * H :].unbind(0),
            steps_h[:-1],
            steps_h[1:],
            strict=True,
        )
        weight_hh_HG = weight_hh_GH.t()
        for rz, r, z, n, recurrent, recurrent_rz, recurrent_n, h, h_next in steps:
            torch.addmm(bias_hh_G, h, weight_hh_HG, out=recurrent)
            rz.add_(recurrent_rz).sigmoid_()
            n.addcmul_(r, recurrent_n).relu_()
            torch.lerp(n, h, z, out=h_next)
        ctx.save_for_backward(
            x_TBF, weight_ih_GF, weight_hh_GH, gates_TBG, recurrent_TBG[..., 2 * H :], h_TBH
        )
        return h_TBH[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_TBH: Tensor) -> tuple[Tensor, ...]:
        """Return the gradients in the order of forward's arguments."""
        x_TBF, weight_ih_GF, weight_hh_GH, gates_TBG, recurrent_n_TBH, h_TBH = ctx.saved_tensors
        T, B, H = grad_TBH.shape
        r_TBH, z_TBH, n_TBH = gates_TBG.chunk(3, dim=2)
        # The derivative of h' with respect to each pre-activation, for all steps at once.
        to_n_TBH = (1 - z_TBH) * (n_TBH > 0)
        to_z_TBH = (h_TBH[:-1] - n_TBH) * z_TBH * (1 - z_TBH)
        to_r_TBH = to_n_TBH * recurrent_n_TBH * r_TBH * (1 - r_TBH)
        to_recurrent_TB3H = torch.stack([to_r_TBH, to_z_TBH, to_n_TBH * r_TBH], dim=2)
        dh_TBH = grad_TBH.clone(memory_format=torch.contiguous_format)
        d_recurrent_TB3H = torch.empty_like(to_recurrent_TB3H)
        d_before_BH = torch.zeros_like(dh_TBH[0])
        steps = zip(
            dh_TBH.unbind(0),
            dh_TBH.unsqueeze(2).unbind(0),
            to_recurrent_TB3H.unbind(0),
            d_recurrent_TB3H.unbind(0),
            d_recurrent_TB3H.flatten(2).unbind(0),
            z_TBH.unbind(0),
            strict=True,
        )
        for dh, dh_B1H, to_recurrent, d_recurrent, d_recurrent_BG, z in reversed(list(steps)):
            dh.add_(d_before_BH)
            torch.mul(to_recurrent, dh_B1H, out=d_recurrent)
            torch.mul(dh, z, out=d_before_BH).addmm_(d_recurrent_BG, weight_hh_GH)
        d_recurrent_NG = d_recurrent_TB3H.view(T * B, 3 * H)
        d_input_TBG = torch.cat([d_recurrent_TB3H[:, :, :2].flatten(2), dh_TBH * to_n_TBH], dim=2)
        d_input_NG = d_input_TBG.view(T * B, 3 * H)
        return (
            (d_input_NG @ weight_ih_GF).view_as(x_TBF),
            d_before_BH,
            d_input_NG.t() @ x_TBF.flatten(0, 1),
            d_recurrent_NG.t() @ h_TBH[:-1].flatten(0, 1),
            d_input_NG.sum(0),
            d_recurrent_NG.sum(0),
        )


def relu_gru_layer(
    x_BTF: Tensor, state: LayerState, weights: Weights, padding_BT1: Tensor | None
) -> tuple[Tensor, LayerState]:
    """Run the relu GRU over one layer in one direction."""
    weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G = weights
    # The in-place operations need one dtype, so autocast is off.
    with torch.autocast(x_BTF.device.type, enabled=False):
        h_TBH = ReluGRUFunction.apply(
            x_BTF.transpose(0, 1).to(weight_ih_GF.dtype),
            state[0][0].to(weight_ih_GF.dtype),
            weight_ih_GF,
            weight_hh_GH,
            bias_ih_G,
            bias_hh_G,
        )
    return h_TBH.transpose(0, 1), (h_TBH[-1:],)
