"""Starting a training from the weights of another one, and keeping the backbone still at first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from gru_suite.errors import UserError
from gru_suite.model.checkpoint import read_checkpoint
from gru_suite.nn.weights import backbone_of, backbone_options
from gru_suite.training.sequence_task import SequenceTask

TAKEN = "taken over"


def start_from(task: SequenceTask, path: str | Path) -> list[str]:
    """Give a new task the weights of a checkpoint, wherever they fit.

    Args:
        task: a task that was not trained yet.
        path: a checkpoint of the same task or another one.

    Returns:
        A table for a person: what became of each tensor of the task that could have been taken.

    Raises:
        UserError: the checkpoint's backbone has another cell, or none of its weights fits.
    """
    there, _ = backbone_of(path)
    here = backbone_options(task.backbone)
    for key, default in (("cell", "gru"), ("activation", "tanh")):
        if there.get(key, default) != here[key]:
            raise UserError(
                f"backbone.init_from={path}: its backbone.{key} is {there.get(key, default)}, "
                f"here it is {here[key]}; set backbone.{key}={there.get(key, default)}"
            )
    notes = task.take_over(read_checkpoint(path))
    taken = sum(note == TAKEN for note in notes.values())
    if not taken:
        raise UserError(
            f"backbone.init_from={path}: none of its weights fits; it has hidden_size="
            f"{there.get('hidden_size')} and bidirectional={there.get('bidirectional', False)}, "
            f"here they are {here['hidden_size']} and {here['bidirectional']}"
        )
    width = max(map(len, notes))
    lines = [f"  {name:<{width}}  {note}" for name, note in notes.items()]
    return [f"started from {path}: {taken} of {len(notes)} tensors {TAKEN}", *lines]


@torch.no_grad()
def copy_fitting(module: nn.Module, state: Mapping[str, Tensor], prefix: str) -> dict[str, str]:
    """Copy those parameters whose name and shape are found in a state.

    Args:
        module: what receives them.
        state: of a whole task.
        prefix: of the module's names in the state, such as ``backbone.``.

    Returns:
        What became of each parameter, by its name in the task.
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


class FreezeBackbone(Callback):
    """Leave the backbone's weights as they are in the first epochs of a training.

    Its gradients are dropped before each step of the optimizer: they are still computed and shared
    among processes, so distributed training sees every parameter used, and the optimizer keeps all
    of them from the start, so a resumed run finds its state.
    """

    def __init__(self, epochs: int) -> None:
        """Set the number of epochs.

        Args:
            epochs: counted from the training's first, also when it is resumed.

        Raises:
            UserError: no whole number of at least 0.
        """
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 0:
            raise UserError(
                f"backbone.freeze_epochs={epochs!r}: needs a whole number of at least 0"
            )
        self.epochs = epochs

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Drop the gradients, before they are clipped with the others."""
        backbone: Any = pl_module.backbone
        if trainer.current_epoch < self.epochs:
            for parameter in backbone.parameters():
                parameter.grad = None
