"""A moving average of the weights that is of use from the first epoch."""

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor


class ExponentialAveraging(WeightAveraging):
    """Validate, keep and test an exponential moving average of the weights.

    Lightning's own average keeps ``decay`` from the first step on, so the random start stays in it
    for 1 / (1 - decay) steps. This one begins as the weights after the first step, forgets fast at
    first and reaches ``decay`` when it has seen enough: after n updates the average keeps
    ``min(decay, (1 + n) / (10 + n))`` of itself. The running statistics of a batch norm are
    averaged in the same way: those of the last few batches alone would not fit the averaged
    weights.

    A checkpoint holds the average as its weights, so nothing is done outside of a fit. Lightning's
    own callback, still holding the average of the fit, would then put the weights of the last step
    in place of those that ``Trainer.test`` has loaded.

    Args:
        decay: share of the old average that an update keeps, 0 to below 1.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        super().__init__(multi_avg_fn=self._update, use_buffers=True)

    @torch.no_grad()
    def _update(self, average: Any, current: Any, num_averaged: Tensor | int) -> None:
        if not average[0].is_floating_point():  # The batches that a batch norm has counted.
            torch._foreach_copy_(average, current)
            return
        updates = int(num_averaged)
        keep = min(self.decay, (1 + updates) / (10 + updates))
        torch._foreach_lerp_(average, current, 1 - keep)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the average in place, within a fit."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the current weights back, within a fit."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take average and current weights from the checkpoint that a fit resumes from."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
