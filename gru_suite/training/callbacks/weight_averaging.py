"""Exponential moving average of the weights with bias-free start."""

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor


class ExponentialAveraging(WeightAveraging):
    """Validate, keep and test an exponential moving average of the weights.

    Lightning's average uses ``decay`` from the first step on, so the random initial weights remain
    in it for 1 / (1 - decay) steps. This one starts at the weights after the first step; after n
    updates its decay is ``min(decay, (1 + n) / (10 + n))``. Running statistics of batch norms are
    averaged in the same way, since those of the last batches would not fit the averaged weights.

    A checkpoint holds the average as its weights, so nothing is done outside of a fit: Lightning's
    callback would then replace the weights that ``Trainer.test`` has loaded by those of the last
    step.

    Args:
        decay: share of the old average that an update keeps, 0 to below 1.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        super().__init__(multi_avg_fn=self._update, use_buffers=True)

    @torch.no_grad()
    def _update(self, average: Any, current: Any, num_averaged: Tensor | int) -> None:
        if not average[0].is_floating_point():  # num_batches_tracked of a batch norm.
            torch._foreach_copy_(average, current)
            return
        updates = int(num_averaged)
        keep = min(self.decay, (1 + updates) / (10 + updates))
        torch._foreach_lerp_(average, current, 1 - keep)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swap the average in, within a fit."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Swap the current weights in, within a fit."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_end(trainer, pl_module)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore average and current weights when a fit resumes."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
