"""The stage of a training that a task is in."""

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn


def in_fit(task: pl.LightningModule) -> bool:
    """Return whether a task is in a fit, its validation included."""
    trainer = task._trainer
    return trainer is not None and trainer.state.fn == TrainerFn.FITTING
