"""Transfer learning: weights of another training, and a backbone frozen in the first epochs."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch.optim import Optimizer

from gru_suite.errors import UserError
from gru_suite.model.checkpoint import backbone_of, read_checkpoint
from gru_suite.nn.weight_transfer import TAKEN
from gru_suite.training.sequence_task import SequenceTask


def start_from(task: SequenceTask, path: str | Path) -> list[str]:
    """Copy those weights of a checkpoint into a new task that fit.

    Args:
        task: a task that was not trained yet.
        path: a checkpoint of the same task or another one.

    Returns:
        Lines to print: for each tensor whether it was taken over.

    Raises:
        UserError: the checkpoint's backbone has another cell, or none of its weights fits.
    """
    there, _ = backbone_of(path)
    here = task.model.backbone.options
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


class FreezeBackbone(Callback):
    """Freezes the backbone in the first epochs of a training.

    Its gradients are dropped before each optimizer step. They are still computed and reduced, so
    distributed training finds every parameter used, and the optimizer holds all parameters from the
    start, so a resumed run finds its state.
    """

    def __init__(self, epochs: int) -> None:
        """Set the number of epochs.

        Args:
            epochs: counted from the training's first, also when it is resumed.

        Raises:
            UserError: not an integer of at least 0.
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
        model: Any = pl_module.model
        if trainer.current_epoch < self.epochs:
            for parameter in model.backbone.parameters():
                parameter.grad = None
