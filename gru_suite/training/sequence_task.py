"""The base of every task: encoder -> backbone -> head, one loss, one set of metrics."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.errors import UserError
from gru_suite.model.checkpoint import CHECKPOINT_FORMAT
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.weights import TRAINING_KEYS
from gru_suite.plugins import distribution_of
from gru_suite.training.optimizers import build_optimizer, build_scheduler

if TYPE_CHECKING:
    from gru_suite.model.export.module import ExportModule
    from gru_suite.model.streaming.stream import Stream, StreamModule


class SequenceTask(pl.LightningModule, ABC):
    """A recurrent backbone between a task's encoder and its head.

    A subclass takes only plain data in ``__init__`` (dict, list, str, int, float, bool, None) and
    calls ``self.save_hyperparameters()``: that alone makes its checkpoints loadable from anywhere
    with torch's safe loading. It calls ``super().__init__`` with the sizes, builds encoder and
    head, and implements :meth:`forward`, :meth:`loss`, :meth:`new_metrics`,
    :meth:`update_metrics` and :meth:`predict`.

    Attributes:
        name: the task's name, as in ``task=``.
        better: metric name to ``min`` or ``max``, the direction that is better; the results table
            shows these metrics, the headline metric first.
        schema: what the data module said of the data (``SequenceDataModule.schema``).
        scoring: what the task shares with its baselines: options of its metrics, or a function of
            the trained network that a baseline builds on.
        backbone: the recurrent stack.
        run_info: facts of the training run, kept in the checkpoint: plain data.
    """

    name: ClassVar[str]
    better: ClassVar[dict[str, str]]

    def __init__(
        self,
        backbone: dict[str, Any],
        input_size: int,
        schema: dict[str, Any],
        optimizer: dict[str, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
    ) -> None:
        """Build the backbone and the metrics.

        Args:
            backbone: options of :class:`RecurrentBackbone` other than ``input_size``; what a
                training does with them besides (``init_from``, ``freeze_epochs``) changes nothing
                here, so a checkpoint needs no other.
            input_size: features that the encoder gives the backbone at each step.
            schema: plain description of the data.
            optimizer: options of :func:`gru_suite.training.optimizers.build_optimizer`.
            scheduler: options of :func:`gru_suite.training.optimizers.build_scheduler`.
        """
        super().__init__()
        self.schema = schema
        self.run_info: dict[str, Any] = {}
        self.scoring: dict[str, Any] = {}
        self._optimizer = optimizer or {"name": "adamw", "lr": 1e-3}
        self._scheduler = scheduler or {"name": "constant"}
        shape = {key: value for key, value in backbone.items() if key not in TRAINING_KEYS}
        self.backbone = RecurrentBackbone(input_size, **shape)

    # What a task says of itself

    @abstractmethod
    def loss(self, output: Any, batch: Any) -> Tensor:
        """Return the training loss of one batch, a scalar."""

    @abstractmethod
    def new_metrics(self) -> Metric:
        """Return a metric whose ``compute`` gives a dict of name to value."""

    @abstractmethod
    def update_metrics(self, metrics: Metric, output: Any, batch: Any) -> None:
        """Add one batch to ``metrics``."""

    @abstractmethod
    def predict(self, raw: Any) -> Any:
        """Predict from what a person has: a table, a text, a recording, a video."""

    @abstractmethod
    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Predict from a file, write the result and a picture of it; return what was written."""

    def stream(self, batch_size: int = 1) -> "Stream[Any]":
        """Return what follows sequences while they come, and predicts after each piece.

        Args:
            batch_size: sequences at once.

        Raises:
            UserError: the task, or this configuration of it, looks ahead.
        """
        raise UserError(
            f"task {self.name} cannot stream; its class would implement stream() with a Stream, or "
            "stream_encoder() where it classifies"
        )

    def stream_module(self) -> "StreamModule":
        """Return the network on one chunk after the other, in tensors alone, for an export.

        Raises:
            UserError: as :meth:`stream`.
        """
        raise UserError(f"task {self.name} has no streaming network; see stream()")

    def export_module(self, example: Callable[[], Any] | None = None) -> "ExportModule":
        """Return the task as a function of tensors, for ``gru-suite export``.

        Args:
            example: gives a batch of the data set, for a task that does not know by itself what its
                inputs look like.

        Raises:
            UserError: the task does not say how.
        """
        raise UserError(
            f"task {self.name} does not say how its inputs and outputs are exported: implement "
            "export_module(), or use format=safetensors, which holds any task"
        )

    def warm_start(self, train: Iterable[Any], val: Iterable[Any]) -> None:
        """Set what the data determines without gradients; called once before a fit, on CPU."""

    def take_over(self, checkpoint: Mapping[str, Any]) -> dict[str, str]:
        """Take weights from a checkpoint of another training; a task may take more than these.

        Args:
            checkpoint: as :func:`gru_suite.model.checkpoint.read_checkpoint` gives it.

        Returns:
            Name of each tensor that could have been taken to what became of it.
        """
        from gru_suite.training.transfer import copy_fitting

        return copy_fitting(self.backbone, checkpoint["state_dict"], "backbone.")

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Draw what a person would look at after a run; return the files written."""
        return []

    def limits(self) -> list[str]:
        """Say what the model cannot be relied on for, from what it was trained with; a line each.

        The model card shows them; they travel in the checkpoint.
        """
        return []

    def usage(self) -> list[str]:
        """Return Python lines that run as they stand and predict with ``task``, for the card."""
        return ["# prediction = task.predict(...)"]

    @property
    def num_parameters(self) -> int:
        """Parameters, frozen ones included."""
        return sum(p.numel() for p in self.parameters())

    # Lightning

    def setup(self, stage: str) -> None:
        """Make the metrics of a pass: late, so that a checkpoint and :func:`load` need none."""
        if "val_metrics" not in self._modules:
            self.val_metrics = self.new_metrics()
            self.test_metrics = self.new_metrics()

    def on_fit_start(self) -> None:
        """Train all of it: a loaded task is in evaluation mode, which Lightning would keep."""
        self.train()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss; stop the run where it is no longer a number."""
        loss = self.loss(self(batch), batch)
        if not torch.isfinite(loss):
            raise UserError(
                f"the training loss is {loss.item()} at step {self.global_step} (epoch "
                f"{self.current_epoch}): lower optimizer.lr or trainer.gradient_clip_val, or look "
                "for extreme values in the data; checkpoints of earlier epochs are kept"
            )
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=batch_rows(batch))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Score one batch."""
        self._score("val", self.val_metrics, batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Score one batch."""
        self._score("test", self.test_metrics, batch)

    def _score(self, stage: str, metrics: Metric, batch: Any) -> None:
        output = self(batch)
        loss = self.loss(output, batch)
        self.log(f"{stage}/loss", loss, on_epoch=True, batch_size=batch_rows(batch), sync_dist=True)
        self.update_metrics(metrics, output, batch)

    def on_validation_epoch_start(self) -> None:
        """Start counting anew."""
        self.val_metrics.reset()

    def on_test_epoch_start(self) -> None:
        """Start counting anew."""
        self.test_metrics.reset()

    def on_validation_epoch_end(self) -> None:
        """Log ``val/<metric>``."""
        self._log_metrics("val", self.val_metrics.compute())

    def on_test_epoch_end(self) -> None:
        """Log ``test/<metric>``."""
        self._log_metrics("test", self.test_metrics.compute())

    def _log_metrics(self, stage: str, values: Mapping[str, Tensor | float]) -> None:
        # float32: Lightning's loggers and some devices know no float64.
        self.log_dict({f"{stage}/{k}": torch.as_tensor(v).float() for k, v in values.items()})

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build what ``optimizer`` and ``scheduler`` describe."""
        optimizer = build_optimizer(self, self._optimizer)
        total_steps = max(int(self.trainer.estimated_stepping_batches), 1)
        epochs = max(self.trainer.max_epochs or 1, 1)
        steps_per_epoch = max(total_steps // epochs, 1)
        scheduler = build_scheduler(optimizer, self._scheduler, total_steps, steps_per_epoch)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": scheduler}  # type: ignore[return-value]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what makes the checkpoint describe itself: plain data only."""
        kind = type(self)
        checkpoint["gru_suite"] = {
            "format": CHECKPOINT_FORMAT,
            "task_class": f"{kind.__module__}:{kind.__qualname__}",
            "distribution": distribution_of(kind.__module__),
            # What is asked of a task whose package may not be installed where the file is read.
            "task": {
                "name": self.name,
                "better": dict(self.better),
                "num_parameters": self.num_parameters,
                "limits": self.limits(),
                "usage": self.usage(),
            },
            "run": self.run_info,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the facts of the run that made the checkpoint; a resumed run has its own."""
        if not self.run_info:
            self.run_info = dict(checkpoint.get("gru_suite", {}).get("run", {}))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Hold a module in evaluation mode, and put it back whatever happens."""
    training = module.training
    if training:
        module.eval()
    try:
        yield
    finally:
        if training:
            module.train()


def batch_rows(batch: Any) -> int:
    """Return the number of sequences in a batch: the first dimension of its first tensor."""
    if isinstance(batch, Tensor):
        return batch.shape[0]
    parts = batch.values() if isinstance(batch, Mapping) else batch
    return next(part.shape[0] for part in parts if isinstance(part, Tensor))
