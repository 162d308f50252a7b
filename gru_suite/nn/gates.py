"""Values of a backbone's gates, step by step.

Shapes: B batch, T time steps (right-padded), F input features, H hidden units of a layer and
    direction, G rows of a layer's weights (gates times H).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone, State
from gru_suite.nn.cells.layers import LayerState, Weights
from gru_suite.nn.cells.ragged import RaggedBatch

GATES: dict[str, dict[str, int]] = {
    "gru": {"reset": 0, "update": 1},
    "lstm": {"input": 0, "forget": 1, "output": 3},
    "rnn": {},
    "min_gru": {"update": 0},
}
"""The gates of each cell, and their places in the rows of its weights."""


@torch.no_grad()
def gate_values(
    backbone: RecurrentBackbone,
    x_BTF: Tensor,
    lengths_B: Tensor | None = None,
    state: State | None = None,
    layer: int = 0,
    reverse: bool = False,
) -> dict[str, Tensor]:
    """Return the gates of one layer at every step, as in the equations of the backbone.

    Args:
        backbone: in evaluation mode.
        x_BTF: features, right-padded, as the backbone takes them.
        lengths_B: valid steps of each sequence; None means that all T are valid.
        state: state to start from; None means zeros.
        layer: number of the layer, from 0.
        reverse: of the backward pass of a bidirectional backbone.

    Returns:
        Values from 0 to 1 by name, each of shape (B, T, H), zero at padding: ``reset`` and
        ``update`` of a GRU, ``input``, ``forget`` and ``output`` of an LSTM, ``update`` of a
        minGRU. An RNN has none.

    Raises:
        UserError: there is no such layer or direction.
    """
    rnn, variant = backbone.rnn, backbone._variant
    if not 0 <= layer < rnn.num_layers:
        raise UserError(f"layer {layer}: the backbone has layers 0 to {rnn.num_layers - 1}")
    if reverse and not rnn.bidirectional:
        raise UserError("the backbone has no backward pass: backbone.bidirectional=false")
    states_LBH = backbone._initial_states(x_BTF, state)
    batch = RaggedBatch(x_BTF, lengths_B)
    num_directions = 2 if rnn.bidirectional else 1
    features_BTF = batch.blank(x_BTF)
    for below in range(layer + 1):
        outputs: list[Tensor] = []
        for direction in range(num_directions):
            index = below * num_directions + direction
            start: LayerState = tuple(each[index : index + 1] for each in states_LBH)
            input_BTF = batch.flip(features_BTF) if direction else features_BTF
            weights: Weights = rnn.all_weights[index]
            h_BTH, _ = variant.layer(input_BTF, start, weights, batch.padding_BT1)
            if below == layer and direction == int(reverse):
                before_BTH = torch.cat([start[0].transpose(0, 1), h_BTH[:, :-1]], dim=1)
                found = _gates(backbone.cell, input_BTF, before_BTH, weights)
                return {
                    name: batch.blank(batch.flip(gate_BTH) if direction else gate_BTH)
                    for name, gate_BTH in found.items()
                }
            outputs.append(batch.flip(h_BTH) if direction else h_BTH)
        features_BTF = batch.blank(torch.cat(outputs, dim=2))
    raise AssertionError("a layer was left out")


def _gates(cell: str, x_BTF: Tensor, before_BTH: Tensor, weights: Weights) -> dict[str, Tensor]:
    """Return the gates of a layer from its inputs and the hidden states before each step."""
    if not GATES[cell]:
        return {}
    size = before_BTH.size(2)
    if len(weights) == 2:
        # Its gates do not see the hidden state.
        sums_BTG = F.linear(x_BTF, *weights)
    else:
        weight_ih_GF, weight_hh_GH, bias_ih_G, bias_hh_G = weights
        sums_BTG = F.linear(x_BTF, weight_ih_GF, bias_ih_G)
        sums_BTG = sums_BTG + F.linear(before_BTH, weight_hh_GH, bias_hh_G)
    return {
        name: torch.sigmoid(sums_BTG[..., place * size : (place + 1) * size])
        for name, place in GATES[cell].items()
    }
