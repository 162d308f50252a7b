"""One recurrent layer in one direction, cell by cell, on the weights of a ``torch.nn`` module.

Shapes: B batch, T time steps (right-padded), F input features, H hidden units, G gates times H.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

Weights = Sequence[Tensor]
"""``weight_ih_GF``, ``weight_hh_GH``, ``bias_ih_G``, ``bias_hh_G`` of one layer and direction."""

LayerState = tuple[Tensor, ...]
"""The states of a layer, each (1, B, H): the hidden state, then the cell state if there is one."""

Layer = Callable[[Tensor, LayerState, Weights, Tensor | None], tuple[Tensor, LayerState]]
"""``(x_BTF, state, weights, padding_BT1) -> (h_BTH, state after step T)``.

``padding_BT1`` is True at padding, where ``x_BTF`` is zero; None without padding. Hidden states
beyond the valid steps are unspecified: the caller reads the final one at ``lengths - 1``. A cell
state must come out as it was there.
"""

# sigmoid(+-1e4) is exactly 1 and 0 in every floating type, and 1e4 itself is finite in half
# precision.
_SATURATED = 1e4


def _one_state_layer(
    recurrence: Callable[..., tuple[Tensor, Tensor]],
    x_BTF: Tensor,
    state: LayerState,
    weights: Weights,
    padding_BT1: Tensor | None,
) -> tuple[Tensor, LayerState]:
    """Run a recurrence of torch whose only state is the hidden state."""
    h_BTH, last_1BH = recurrence(x_BTF, state[0], tuple(weights), True, 1, 0.0, False, False, True)
    return h_BTH, (last_1BH,)


gru_layer: Layer = partial(_one_state_layer, torch.gru)
rnn_tanh_layer: Layer = partial(_one_state_layer, torch.rnn_tanh)
rnn_relu_layer: Layer = partial(_one_state_layer, torch.rnn_relu)


def lstm_layer(
    x_BTF: Tensor, state: LayerState, weights: Weights, padding_BT1: Tensor | None
) -> tuple[Tensor, LayerState]:
    """Run ``torch.nn.LSTM``'s recurrence, the cell state frozen over padding."""
    weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G = weights
    if padding_BT1 is not None:
        # torch returns no cell state but the last, which padding would have overwritten. One more
        # input feature that is 1 at padding shuts the input gate and opens the forget gate there:
        # c' = 1 * c + 0 * g. It costs 10-20 % of a layer where packing costs 3-8 times the layer.
        column_G1 = weight_ih_GF.new_zeros(4, weight_hh_GH.size(1), 1)
        column_G1[0], column_G1[1] = -_SATURATED, _SATURATED
        weight_ih_GF = torch.cat([weight_ih_GF, column_G1.flatten(0, 1)], dim=1)
        x_BTF = torch.cat([x_BTF, padding_BT1.to(x_BTF.dtype)], dim=2)
    frozen = [weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G]
    h_BTH, h_1BH, c_1BH = torch.lstm(x_BTF, state, frozen, True, 1, 0.0, False, False, True)
    return h_BTH, (h_1BH, c_1BH)


def open_forget_gate(rnn: nn.RNNBase, gate: int) -> None:
    """Start the biases of an LSTM's forget gate at 1.

    Args:
        rnn: with the parameters of ``torch.nn``.
        gate: its number.
    """
    units = slice(gate * rnn.hidden_size, (gate + 1) * rnn.hidden_size)
    for _, _, bias_ih, bias_hh in rnn.all_weights:
        # The two biases are added: 1 in one and 0 in the other.
        nn.init.ones_(bias_ih.detach()[units])
        nn.init.zeros_(bias_hh.detach()[units])


def as_state(states_LBH: LayerState) -> Tensor | tuple[Tensor, Tensor]:
    """Return a hidden state alone, or hidden and cell state, as ``torch.nn`` has them."""
    return (states_LBH[0], states_LBH[1]) if len(states_LBH) == 2 else states_LBH[0]
