"""The base of every task: a Lightning module around a model, with loss, metrics and optimizer."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.data.epoch_loader import EpochLoader
from gru_suite.errors import UserError, nearest
from gru_suite.model.checkpoint import describe_model
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.model.tables import unpack_tables
from gru_suite.nn.weight_transfer import copy_fitting
from gru_suite.training.mean_loss import MeanLoss
from gru_suite.training.optimizers import build_optimizer, build_scheduler

_COLLECTED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class SequenceTask(pl.LightningModule, ABC):
    """A :class:`SequenceModel` in training.

    A subclass names its ``model_class`` and implements :meth:`loss`, :meth:`new_metrics` and
    :meth:`update_metrics`. It takes the model's options beside its own, all of them plain data
    (dict, list, str, int, float, bool, None), so its checkpoints load from anywhere with torch's
    safe loading.

    The ``state_dict`` is the model's: names of weights have no prefix.

    Attributes:
        model_class: the class of the model.
        better: metric name to ``min`` or ``max``, the direction that is better; the results table
            shows these metrics, the headline metric first.
        model: what is trained.
        scoring: what the task shares with its baselines: options of its metrics, or a function of
            the trained model that a baseline builds on.
    """

    model_class: ClassVar[type[SequenceModel]]
    better: ClassVar[dict[str, str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Show the options of the model and of all bases in the signature."""
        super().__init_subclass__(**kwargs)
        options: dict[str, inspect.Parameter] = {}
        for base in cls.__mro__:
            if issubclass(base, SequenceTask) and "__init__" in vars(base):
                _, *own = inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
                options = {each.name: each for each in own if each.kind not in _COLLECTED} | options
                if all(each.kind is not each.VAR_KEYWORD for each in own):
                    # It passes no further options on.
                    break
        if hasattr(cls, "model_class"):
            options = {**inspect.signature(cls.model_class).parameters, **options}
        keyword = inspect.Parameter.KEYWORD_ONLY
        cls.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [each.replace(kind=keyword) for each in options.values()]
        )

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        optimizer: dict[str, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Build the model.

        Args:
            backbone: options of the recurrent stack.
            schema: plain description of the training data.
            optimizer: options of :func:`build_optimizer`.
            scheduler: options of :func:`build_scheduler`.
            **options: further options of ``model_class``.

        Raises:
            UserError: an option that the model does not have, or a value that cannot work.
        """
        super().__init__()
        known = inspect.signature(self.model_class).parameters
        for key in options:
            if key not in known:
                hint = nearest(key, inspect.signature(type(self)).parameters)
                raise UserError(
                    f"no key 'task.{key}': {type(self).__name__} takes no {key!r}{hint}"
                )
        self._optimizer = optimizer or {"name": "adamw", "lr": 1e-3}
        self._scheduler = scheduler or {"name": "constant"}
        self.scoring: dict[str, Any] = {}
        self._loss_sum, self._loss_rows = torch.zeros((), dtype=torch.float64), 0
        self.model = self.model_class(**{"backbone": backbone, "schema": schema, **options})
        # Those of a subclass, then the model's with their defaults. Loggers take the config.
        self.save_hyperparameters(logger=False)
        self.save_hyperparameters(self.model.options, logger=False)
        self.register_load_state_dict_pre_hook(_to_model)  # type: ignore[no-untyped-call]

    @property
    def name(self) -> str:
        """The task's name, as in ``task=``."""
        return self.model.name

    @property
    def run_info(self) -> dict[str, Any]:
        """Facts of the training run, kept in the checkpoint: plain data."""
        return self.model.run_info

    @run_info.setter
    def run_info(self, facts: dict[str, Any]) -> None:
        self.model.run_info = facts

    def forward(self, batch: Any) -> Any:
        """Return the model's output for a batch."""
        return self.model(batch)

    def predict(self, raw: Any) -> Any:
        """Predict from raw input with the model; see its ``predict``."""
        return self.model.predict(raw)

    # What a task defines

    @abstractmethod
    def loss(self, output: Any, batch: Any) -> Tensor:
        """Return the training loss of one batch, a scalar."""

    @abstractmethod
    def new_metrics(self) -> Metric:
        """Return a metric whose ``compute`` gives a dict of name to value."""

    @abstractmethod
    def update_metrics(self, metrics: Metric, output: Any, batch: Any) -> None:
        """Add one batch to ``metrics``."""

    def warm_start(self, train: Iterable[Any], val: Iterable[Any]) -> None:
        """Set what the data determines without gradients; called once before a fit, on CPU."""

    def take_over(self, checkpoint: Mapping[str, Any]) -> dict[str, str]:
        """Initialise weights from a checkpoint of another training; a task may use more of them.

        Args:
            checkpoint: as :func:`gru_suite.model.checkpoint.read_checkpoint` gives it.

        Returns:
            Name of each tensor that could have been taken to what became of it.
        """
        return copy_fitting(self.model.backbone, checkpoint["state_dict"], "backbone.")

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Plot predictions of a part of the data for the run folder; return the files written."""
        return []

    # Lightning

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the model's weights under the model's names."""
        return self.model.state_dict(*args, **kwargs)

    def setup(self, stage: str) -> None:
        """Build the metrics: not before, since a loaded checkpoint needs none."""
        if "val_metrics" not in self._modules:
            self.val_metrics = self.new_metrics()
            self.test_metrics = self.new_metrics()
            self.losses = nn.ModuleDict({stage: MeanLoss() for stage in ("val", "test")})

    def on_fit_start(self) -> None:
        """Train all of it: a loaded model is in evaluation mode, which Lightning would keep."""
        self.train()
        self._loss_sum = self._loss_sum.to(self.device)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss; stop the run where it is no longer a number."""
        loss = self.loss(self(batch), batch)
        if not torch.isfinite(loss):
            raise UserError(
                f"the training loss is {loss.item()} at step {self.global_step} (epoch "
                f"{self.current_epoch}): lower optimizer.lr or trainer.gradient_clip_val, or look "
                "for extreme values in the data; checkpoints of earlier epochs are kept"
            )
        rows, weight = batch_rows(batch), 1.0
        trainer = self._trainer
        if trainer is not None and isinstance(trainer.train_dataloader, EpochLoader):
            weight = trainer.train_dataloader.weight(batch_idx)
            rows = rows if weight else 0
        self._loss_sum += rows * loss.detach().double()
        self._loss_rows += rows
        return loss if weight == 1 else weight * loss

    def on_train_epoch_start(self) -> None:
        """Start the mean of the loss."""
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        self._loss_rows = 0

    @property
    def mean_train_loss(self) -> Tensor:
        """The mean training loss of the epoch so far, in this process."""
        return (self._loss_sum / max(self._loss_rows, 1)).float()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log ``train/loss``, the mean over the epoch, at its last batch."""
        trainer = self.trainer
        if trainer.is_last_batch or 0 < trainer.max_steps <= trainer.global_step:
            found = [self._loss_sum, self._loss_sum.new_tensor(self._loss_rows)]
            # Lightning would round the mean of the processes' numbers of rows to an integer.
            total, rows = trainer.strategy.reduce(torch.stack(found), reduce_op="sum")
            mean = (total / rows.clamp(min=1)).float()
            # Once, under this name: on_step would make it train/loss_step and train/loss_epoch.
            options = {"on_step": False, "on_epoch": True, "batch_size": 1, "sync_dist": True}
            self.log("train/loss", mean, **options)  # type: ignore[arg-type]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Score one batch."""
        self._score("val", self.val_metrics, batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Score one batch."""
        self._score("test", self.test_metrics, batch)

    def _score(self, stage: str, metrics: Metric, batch: Any) -> None:
        output = self(batch)
        self.losses[stage].update(self.loss(output, batch), batch_rows(batch))  # type: ignore[operator]
        self.update_metrics(metrics, output, batch)

    def on_validation_epoch_start(self) -> None:
        """Reset the metrics."""
        self.val_metrics.reset()
        self.losses["val"].reset()  # type: ignore[operator]

    def on_test_epoch_start(self) -> None:
        """Reset the metrics."""
        self.test_metrics.reset()
        self.losses["test"].reset()  # type: ignore[operator]

    def on_validation_epoch_end(self) -> None:
        """Log ``val/<metric>``."""
        self._log_metrics("val", self.val_metrics.compute())

    def on_test_epoch_end(self) -> None:
        """Log ``test/<metric>``."""
        self._log_metrics("test", self.test_metrics.compute())

    def _log_metrics(self, stage: str, values: Mapping[str, Tensor | float]) -> None:
        loss = self.losses[stage].compute()  # type: ignore[operator]
        # float32: Lightning's loggers and some devices know no float64.
        named = {"loss": loss, **values}
        floats = {f"{stage}/{k}": torch.as_tensor(v).float() for k, v in named.items()}
        # They are equal in all processes; Lightning warns where it is not told to take their mean.
        self.log_dict(floats, sync_dist=True, batch_size=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build what ``optimizer`` and ``scheduler`` describe."""
        mixed = "mixed" in str(self.trainer.precision)
        optimizer = build_optimizer(self, self._optimizer, fused=not mixed)
        total_steps = max(int(self.trainer.estimated_stepping_batches), 1)
        epochs = max(self.trainer.max_epochs or 1, 1)
        steps_per_epoch = max(total_steps // epochs, 1)
        scheduler = build_scheduler(optimizer, self._scheduler, total_steps, steps_per_epoch)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": scheduler}  # type: ignore[return-value]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what makes the checkpoint describe itself: plain data only."""
        kind, mark = type(self), describe_model(self.model)
        mark["task_class"] = f"{kind.__module__}:{kind.__qualname__}"
        mark["task"]["better"] = dict(self.better)
        checkpoint["gru_suite"] = mark
        # Of the epoch that has begun, for a training that resumes within it.
        checkpoint["train_loss"] = [float(self._loss_sum), self._loss_rows]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore tables, what was fitted, and the facts of the run, unless it has set its own."""
        unpack_tables(checkpoint)
        mark = checkpoint.get("gru_suite", {})
        self.model.fitted = dict(mark.get("fitted", {}))
        total, self._loss_rows = checkpoint.get("train_loss", (0.0, 0))
        self._loss_sum = torch.tensor(total, dtype=torch.float64)
        if not self.run_info:
            self.run_info = dict(mark.get("run", {}))


def _to_model(task: SequenceTask, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Add ``model.`` to the names of a state dict."""
    for name in [name for name in state if name.startswith(prefix)]:
        state[f"{prefix}model.{name[len(prefix) :]}"] = state.pop(name)


def batch_rows(batch: Any) -> int:
    """Return the number of sequences in a batch: the first dimension of its first tensor."""
    if isinstance(batch, Tensor):
        return batch.shape[0]
    parts = batch.values() if isinstance(batch, Mapping) else batch
    return next(part.shape[0] for part in parts if isinstance(part, Tensor))
