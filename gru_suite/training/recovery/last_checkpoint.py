"""The checkpoint that a training resumes from: after each epoch, by the clock, and at a signal."""

import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from gru_suite.data.epoch_loader import EpochLoader
from gru_suite.stopping import request

# Steps between agreements of several processes on whether to save and to stop.
_AGREEMENT_STEPS = 5


class LastCheckpoint(Checkpoint):
    """Keeps ``last.ckpt``, and the one before it as ``previous.ckpt``.

    They are written at the end of every epoch, every ``minutes`` within an epoch, and when SIGTERM
    or SIGINT arrives: the step is finished, the state saved, then the run stops. Within validation
    a signal stops the run at once, and what is lost is at most ``minutes`` of training.

    Args:
        folder: of the checkpoints.
        minutes: between checkpoints within an epoch, above 0.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.path, self.previous = folder / "last.ckpt", folder / "previous.ckpt"
        self.seconds = 60 * minutes
        self._saved = time.monotonic()
        self._loader: EpochLoader | None = None
        # What Lightning does with an epoch after its checkpoint was written.
        self._after_epoch: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the data, and what follows from an epoch that has just ended."""
        position = {} if self._loader is None else {"position": self._loader.position}
        return {**position, **self._after_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state for the start of the training."""
        self._loaded = dict(state_dict)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; catch up with what followed the epoch of the checkpoint."""
        self._saved = time.monotonic()
        # Lightning's handler of SIGTERM, which goes first, calls a collective of all processes from
        # wherever this one is, and ends the loops with an exception of its own.
        request.install()
        request.deferred = True
        if isinstance(trainer.train_dataloader, EpochLoader):
            self._loader = trainer.train_dataloader
            if "position" in self._loaded:
                self._loader.position = self._loaded["position"]
        trainer.should_stop = trainer.should_stop or bool(self._loaded.get("should_stop"))
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau and config.monitor in self._loaded:
                config.scheduler.step(self._loaded[config.monitor])
        self._loaded = {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save where it is time to or a signal has arrived, and stop at a signal."""
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            # The end of the epoch follows; or gradients are summed up that no checkpoint has.
            return
        step = batch_idx // trainer.accumulate_grad_batches
        if trainer.world_size > 1 and step % _AGREEMENT_STEPS:
            return
        due, stop = self._agree(trainer)
        if due or stop:
            self._save(trainer)
        if stop:
            request.stop()

    def _agree(self, trainer: pl.Trainer) -> tuple[bool, bool]:
        """Return whether it is time to save, and whether any process has received a signal."""
        due = time.monotonic() - self._saved > self.seconds
        if trainer.world_size > 1:
            found = torch.tensor([int(due), request.received], device=trainer.strategy.root_device)
            torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
            due = bool(found[0])
            request.received = request.received or int(found[1])
        return due, bool(request.received)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once in validation."""
        if trainer.world_size == 1:
            request.deferred = False
            if request.received:
                request.stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Defer signals again, in a fit."""
        request.deferred = trainer.state.fn == TrainerFn.FITTING

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the epoch, and stop at a signal."""
        self._after_epoch = {"should_stop": bool(trainer.should_stop)}
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau and config.monitor in trainer.callback_metrics:
                value = trainer.callback_metrics[config.monitor]
                self._after_epoch[config.monitor] = float(value)
        self._save(trainer)
        self._after_epoch = {}
        if self._agree(trainer)[1]:
            request.stop()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let signals raise exceptions again, and stop at one that was deferred."""
        stop = self._agree(trainer)[1]
        request.deferred = False
        if stop:
            request.stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Let signals raise exceptions again."""
        request.deferred = False

    def _save(self, trainer: pl.Trainer) -> None:
        new = self.path.with_name(".new.ckpt")
        trainer.save_checkpoint(new)
        if trainer.is_global_zero:
            if self.path.is_file():
                os.replace(self.path, self.previous)
            os.replace(new, self.path)
        self._saved = time.monotonic()
