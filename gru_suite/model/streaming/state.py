"""What a network carries from one chunk of a stream to the next.

Shapes: B streams, H output features of the backbone, L layers.
"""

import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.backbone import State as BackboneState

State = dict[str, Tensor]
"""What a network hands from one chunk to the next, by name: tensors whose first axis is the batch,
so that streams join and leave by indexing it. Their sizes do not depend on what was seen."""


def initial_backbone_state(backbone: RecurrentBackbone, batch_size: int) -> State:
    """Return the zeros that a backbone starts from, batch first: ``backbone_0``, ...

    Raises:
        UserError: the backbone is bidirectional.
    """
    if backbone.rnn.bidirectional:
        raise UserError(
            "backbone.bidirectional=true cannot follow a stream, which has no end to begin at; "
            "train with backbone.bidirectional=false"
        )
    weight = next(backbone.parameters())
    # The state's shapes are the cell's own affair: a step tells them.
    with torch.no_grad():
        _, state = backbone.step(weight.new_zeros(1, backbone.input_size))
    return {
        name: part.new_zeros(batch_size, *part.shape[1:])
        for name, part in backbone_to_rows(state).items()
    }


def backbone_to_rows(state: BackboneState) -> State:
    """Put a backbone's state batch first, (L, B, H) to (B, L, H), by name."""
    parts = (state,) if isinstance(state, Tensor) else state
    return {f"backbone_{index}": part.transpose(0, 1) for index, part in enumerate(parts)}


def rows_to_backbone(state: State) -> BackboneState:
    """Undo :func:`backbone_to_rows`."""
    parts = [part.transpose(0, 1).contiguous() for part in under("backbone", state).values()]
    return parts[0] if len(parts) == 1 else (parts[0], parts[1])


def under(prefix: str, state: State) -> State:
    """Return the tensors whose names begin with ``prefix_``, without that."""
    start = prefix + "_"
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def named(prefix: str, state: State) -> State:
    """Put ``prefix_`` before every name."""
    return {f"{prefix}_{name}": part for name, part in state.items()}
