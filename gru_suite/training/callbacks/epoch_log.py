"""Epochs of a training: a printed line and a row of ``metrics.csv`` per epoch."""

import csv
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from gru_suite.files import atomic_path


class EpochLog(Callback):
    """Prints a line per epoch and keeps ``metrics.csv`` with all metrics up to date.

    Args:
        path: the CSV file, rewritten atomically after each epoch, so a killed run leaves a complete
            one.
        monitor: the metric that chooses the best epoch; None for no choice.
    """

    def __init__(self, path: Path, monitor: str | None, mode: str) -> None:
        self.path, self.monitor, self.sign = path, monitor, 1 if mode == "min" else -1
        self.rows: list[dict[str, float]] = []
        self._started = 0.0
        self._best = float("inf")
        self._loaded: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the epochs so far, and the seconds of the one that has begun."""
        return {
            "rows": self.rows,
            "best": self._best,
            "epoch_seconds": time.perf_counter() - self._started,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the epochs of a run that continues."""
        self._loaded = state_dict
        self.rows, self._best = list(state_dict["rows"]), state_dict["best"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock of an epoch that continues; Lightning starts only whole ones."""
        self._started = time.perf_counter() - self._loaded.get("epoch_seconds", 0.0)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and print the epoch; validation has run by then."""
        if not trainer.is_global_zero:
            return
        row: dict[str, float] = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        row["seconds"] = round(time.perf_counter() - self._started, 3)
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        row.update({name: float(value) for name, value in trainer.callback_metrics.items()})
        # Of an epoch that was checkpointed, and is logged again after its restart.
        self.rows = [each for each in self.rows if each["epoch"] < row["epoch"]] + [row]
        columns = list(dict.fromkeys(name for each in self.rows for name in each))
        with atomic_path(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)
        for logger in trainer.loggers:
            # Lightning gives them the other metrics, at the number of the last step.
            facts = {"lr": row["lr"], "seconds": row["seconds"]}
            logger.log_metrics(facts, max(trainer.global_step - 1, 0))
        self._print(row, trainer.max_epochs or 0, next(iter(getattr(pl_module, "better", {})), ""))

    @property
    def total_seconds(self) -> float:
        """Seconds of all epochs, validation included."""
        return sum(each["seconds"] for each in self.rows)

    def _print(self, row: dict[str, float], max_epochs: int, metric: str) -> None:
        score = self.sign * row.get(self.monitor or "", self.sign * float("inf"))
        mark = "  best" if score < self._best else ""
        self._best = min(self._best, score)
        of = f"/{max_epochs}" if max_epochs > 0 else ""
        # The headline metric too, whatever chooses the epoch.
        names = dict.fromkeys(("train/loss", "val/loss", self.monitor or "", f"val/{metric}"))
        values = "  ".join(f"{name} {row[name]:.4g}" for name in names if name in row)
        print(f"epoch {row['epoch']:.0f}{of}  {values}  {row['seconds']:.1f} s{mark}", flush=True)
