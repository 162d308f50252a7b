"""State of a stream between chunks.

Shapes: B streams, H output features of the backbone, L layers.
"""

import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.backbone import State as BackboneState

State = dict[str, Tensor]
"""Tensors by name, batch first, so that streams are added and removed by indexing. Their shapes do
not depend on the number of steps."""


def initial_backbone_state(backbone: RecurrentBackbone, batch_size: int) -> State:
    """Return the initial state of a backbone, zeros, batch first: ``backbone_0``, ...

    Raises:
        UserError: the backbone is bidirectional.
    """
    if backbone.rnn.bidirectional:
        raise UserError(
            "backbone.bidirectional=true cannot follow a stream, which has no end to begin at; "
            "train with backbone.bidirectional=false"
        )
    weight = next(backbone.parameters())
    # The shapes depend on the cell; one step shows them.
    with torch.no_grad():
        _, state = backbone.step(weight.new_zeros(1, backbone.input_size))
    return {
        name: value.new_zeros(batch_size, *value.shape[1:])
        for name, value in backbone_to_batch_first(state).items()
    }


def backbone_to_batch_first(state: BackboneState) -> State:
    """Return a backbone's state, (L, B, H), by name and batch first, (B, L, H)."""
    tensors = (state,) if isinstance(state, Tensor) else state
    return {f"backbone_{index}": value.transpose(0, 1) for index, value in enumerate(tensors)}


def batch_first_to_backbone(state: State) -> BackboneState:
    """Return the state of a backbone from :func:`backbone_to_batch_first`."""
    by_name = without_prefix("backbone", state)
    tensors = [value.transpose(0, 1).contiguous() for value in by_name.values()]
    return tensors[0] if len(tensors) == 1 else (tensors[0], tensors[1])


def without_prefix(prefix: str, state: State) -> State:
    """Return the tensors with names of ``prefix_``, and remove the prefix."""
    start = prefix + "_"
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def with_prefix(prefix: str, state: State) -> State:
    """Return the tensors with ``prefix_`` added to their names."""
    return {f"{prefix}_{name}": value for name, value in state.items()}
