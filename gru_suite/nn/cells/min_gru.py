"""minGRU: a gated unit whose gates do not see the hidden state, so that all steps run at once.

Shapes: B batch, T time steps, F input features, H hidden units, C chunks of K steps.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gru_suite.nn.cells.layers import LayerState, Weights
from gru_suite.nn.cells.native_min_gru import NativeMinGRU, runs_min_gru

# An exported scan serves sequences of up to two to the power of this many steps.
_EXPORTED_ROUNDS = 18


class MinGRU(nn.Module):
    """The weights of a minGRU stack, named as ``torch.nn.GRU`` names its own.

    With ``x`` a step's features, ``h`` the hidden state before it and ``h'`` after it::

        z  = sigmoid(W_z x + b_z)
        n  = g(W_h x + b_h),  g(u) = u + 0.5 for u >= 0, sigmoid(u) below
        h' = (1 - z) * h + z * n

    from Feng et al. 2024, "Were RNNs All We Needed?" (https://arxiv.org/abs/2410.01201), with the
    positive candidate ``g`` of its appendix. ``weight_ih`` holds W_z above W_h. It has no recurrent
    weights: 2 H (F + 1) parameters a layer against 3 H (F + H + 2) of a GRU.

    What it gives: a training step whose time does not grow with T on a GPU that is idle otherwise,
    and no recurrent product on a CPU. What it does not: one layer does not track what depends on
    the state (a counter, a switch), so it takes two or three layers for the accuracy of one GRU
    layer.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        """Build the weights; the arguments are those of ``torch.nn.GRU``.

        Raises:
            ValueError: ``batch_first`` is False.
        """
        super().__init__()
        if not batch_first:
            raise ValueError("MinGRU is batch first")
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.bidirectional, self.dropout = bidirectional, dropout
        directions = 2 if bidirectional else 1
        self._suffixes = [
            f"_l{layer}{end}"
            for layer in range(num_layers)
            for end in ("", "_reverse")[:directions]
        ]
        bound = 1 / math.sqrt(hidden_size)
        for index, suffix in enumerate(self._suffixes):
            features = input_size if index < directions else hidden_size * directions
            for name, shape in (
                ("weight_ih", (2 * hidden_size, features)),
                ("bias_ih", (2 * hidden_size,)),
            ):
                weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
                self.register_parameter(name + suffix, weight)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """``weight_ih`` and ``bias_ih`` of every layer and direction."""
        return [
            [getattr(self, name + suffix) for name in ("weight_ih", "bias_ih")]
            for suffix in self._suffixes
        ]


def min_gru_layer(
    x_BTF: Tensor, state: LayerState, weights: Weights, padding_BT1: Tensor | None
) -> tuple[Tensor, LayerState]:
    """Run the minGRU's recurrence over one layer in one direction."""
    weight_ih_GF, bias_ih_G = weights
    sums_BTG = F.linear(x_BTF, weight_ih_GF, bias_ih_G)
    if runs_min_gru(sums_BTG):
        h_BTH = NativeMinGRU.apply(sums_BTG.float(), state[0][0].float())
        return h_BTH, (h_BTH[:, -1].unsqueeze(0),)
    z_BTH, u_BTH = sums_BTG.chunk(2, dim=2)
    z_BTH = torch.sigmoid(z_BTH)
    n_BTH = torch.where(u_BTH >= 0, u_BTH + 0.5, torch.sigmoid(u_BTH))
    keep_BTH, new_BTH = 1 - z_BTH, z_BTH * n_BTH
    if torch.compiler.is_exporting():
        h_BTH = scan_by_doubling(keep_BTH, new_BTH, state[0][0].to(new_BTH.dtype))
        return h_BTH, (h_BTH[:, -1].unsqueeze(0),)
    first_BH = torch.addcmul(new_BTH[:, 0], keep_BTH[:, 0], state[0][0].to(new_BTH.dtype))
    if x_BTF.size(1) == 1:
        return first_BH.unsqueeze(1), (first_BH.unsqueeze(0),)
    # The initial state enters as part of the first step, so the scan starts from nothing.
    new_BTH = torch.cat([first_BH.unsqueeze(1), new_BTH[:, 1:]], dim=1)
    h_BTH = Scan.apply(keep_BTH, new_BTH)
    return h_BTH, (h_BTH[:, -1].unsqueeze(0),)


class Scan(torch.autograd.Function):
    """All states of ``h[t] = keep[t] * h[t - 1] + new[t]`` with ``h[-1] = 0``, in parallel.

    Steps are cut into about sqrt(T) chunks, which run side by side from zero; then the chunks' last
    states are carried on from one to the next. The gradient is the same scan backwards in time.
    """

    @staticmethod
    def forward(ctx: Any, keep_BTH: Tensor, new_BTH: Tensor) -> Tensor:
        """Return the states, shape (B, T, H)."""
        h_BTH = scan(keep_BTH, new_BTH)
        ctx.save_for_backward(keep_BTH, h_BTH)
        return h_BTH

    @staticmethod
    def backward(ctx: Any, grad_BTH: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of ``keep_BTH`` and ``new_BTH``."""
        keep_BTH, h_BTH = ctx.saved_tensors
        # dh[t] = grad[t] + keep[t + 1] * dh[t + 1]
        later_BTH = F.pad(keep_BTH[:, 1:], (0, 0, 0, 1))
        dh_BTH = Scan.apply(later_BTH.flip(1), grad_BTH.flip(1)).flip(1)
        return dh_BTH * F.pad(h_BTH[:, :-1], (0, 0, 1, 0)), dh_BTH


def scan(keep_BTH: Tensor, new_BTH: Tensor) -> Tensor:
    """Compute what ``Scan`` says, without a gradient."""
    B, T, H = new_BTH.shape
    K = math.isqrt(T - 1) + 1
    C = -(-T // K)
    shape, missing = (B, C, K, H), C * K - T
    h_BCKH = F.pad(new_BTH, (0, 0, 0, missing)).reshape(shape).clone()
    product_BCKH = F.pad(keep_BTH, (0, 0, 0, missing)).reshape(shape).clone()
    for k in range(1, K):
        h_BCKH[:, :, k].addcmul_(product_BCKH[:, :, k], h_BCKH[:, :, k - 1])
        product_BCKH[:, :, k].mul_(product_BCKH[:, :, k - 1])
    for c in range(1, C):
        h_BCKH[:, c].addcmul_(product_BCKH[:, c], h_BCKH[:, c - 1, -1:])
    return h_BCKH.view(B, C * K, H)[:, :T]


def scan_by_doubling(keep_BTH: Tensor, new_BTH: Tensor, state_BH: Tensor) -> Tensor:
    """Compute ``h[t] = keep[t] * h[t - 1] + new[t]`` in a graph that serves any number of steps.

    Each round joins every step with what came twice as far before it as in the round before
    (Hillis and Steele 1986); rounds beyond the sequence's length change nothing. It does more work
    than ``scan``, whose cuts depend on the number of steps.

    Args:
        keep_BTH: share of the state that stays.
        new_BTH: what is added.
        state_BH: the state before the first step.
    """
    steps_T = torch.arange(new_BTH.size(1), device=new_BTH.device)
    h_BTH = new_BTH
    for power in range(_EXPORTED_ROUNDS):
        # By index: slices of sizes that a trace does not know take it a minute.
        before_T = (steps_T - 2**power).clamp(min=0)
        reaches_T1 = (steps_T >= 2**power).unsqueeze(1)
        h_BTH = h_BTH + keep_BTH * h_BTH.index_select(1, before_T) * reaches_T1
        # Steps that reach back to the beginning keep their product for the state.
        earlier_BTH = keep_BTH.index_select(1, before_T)
        keep_BTH = torch.where(reaches_T1, keep_BTH * earlier_BTH, keep_BTH)
    return h_BTH + keep_BTH * state_BH.unsqueeze(1)
