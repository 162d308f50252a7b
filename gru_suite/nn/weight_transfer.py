"""Copying of weights by name and shape."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

TAKEN = "taken over"


@torch.no_grad()
def copy_fitting(module: nn.Module, state: Mapping[str, Tensor], prefix: str) -> dict[str, str]:
    """Copy those parameters whose name and shape are found in a state.

    Args:
        module: the target.
        state: ``state_dict`` of a model.
        prefix: of the module's names in the state, such as ``backbone.``.

    Returns:
        A note on each parameter, by its name in the model.
    """
    notes = {}
    for name, parameter in module.named_parameters():
        found = state.get(prefix + name)
        if found is None:
            notes[prefix + name] = "left as drawn: not there"
        elif found.shape != parameter.shape:
            shapes = f"{tuple(found.shape)} there, {tuple(parameter.shape)} here"
            notes[prefix + name] = f"left as drawn: {shapes}"
        else:
            parameter.copy_(found)
            notes[prefix + name] = TAKEN
    return notes
