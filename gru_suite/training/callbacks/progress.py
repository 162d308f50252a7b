"""Progress within an epoch: one moving line on a terminal, a line a minute in a log file."""

import math
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from gru_suite.training.sequence_task import batch_rows

# Seconds between changes of the line on a terminal, and between lines in a log file.
_TERMINAL_SECONDS, _LOG_SECONDS = 0.1, 60.0
_MIN_BAR, _MAX_BAR = 4, 30


class Progress(Callback):
    """Shows the share of batches, examples per second, time left and the training loss.

    On a terminal it is one line that is cleared before the line of the finished epoch. In a log
    file it is a line a minute, where an epoch takes longer. Between two of them nothing is read
    from the device.

    Args:
        log_seconds: between lines in a log file.
    """

    def __init__(self, log_seconds: float = _LOG_SECONDS) -> None:
        self.log_seconds = log_seconds
        self._moving = self._on_screen = False
        self._began = self._next = 0.0  # of what is shown: an epoch, a validation, a test
        self._batches = self._rows = 0
        self._loss = ""
        # Seconds of whole epochs, and of the last validation within one.
        self._epochs: list[float] = []
        self._epoch_began = self._validation = 0.0

    # In training

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock, and show that the epoch has begun."""
        self._loss = ""
        self._begin(trainer)
        self._epoch_began = self._began
        if self._moving:
            self._show(trainer, 0, trainer.num_training_batches)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock of an epoch that continues; Lightning starts only whole ones."""
        self._begin(trainer)
        self._epoch_began, self._epochs = self._began, []

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Show the batch, where it is time to."""
        if self._count(batch):
            self._loss = _training_loss(pl_module, outputs)
            self._show(trainer, batch_idx + 1, trainer.num_training_batches)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clear the line for that of the epoch."""
        self._clear()
        self._epochs.append(time.monotonic() - self._epoch_began)

    # In validation and test

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; that of the lines in a log file goes on within an epoch."""
        following = self._next
        self._begin(trainer)
        if trainer.state.fn == TrainerFn.FITTING and not self._moving:
            self._next = following

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the batch, where it is time to."""
        if self._count(batch):
            self._show(trainer, batch_idx + 1, trainer.num_val_batches, "validation")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clear the line."""
        self._clear()
        self._validation = time.monotonic() - self._began

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._begin(trainer)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the batch, where it is time to."""
        if self._count(batch):
            self._show(trainer, batch_idx + 1, trainer.num_test_batches, "test")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clear the line."""
        self._clear()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Clear the line for the message."""
        self._clear()

    # The line

    def _begin(self, trainer: pl.Trainer) -> None:
        self._moving = is_terminal() and trainer.is_global_zero
        self._began = time.monotonic()
        self._batches = self._rows = 0
        wait = _TERMINAL_SECONDS if self._moving else self.log_seconds
        self._next = self._began + wait if trainer.is_global_zero else math.inf

    def _count(self, batch: Any) -> bool:
        """Count a batch; return whether it is time to show it."""
        self._batches += 1
        self._rows += batch_rows(batch)
        return time.monotonic() >= self._next

    def _show(self, trainer: pl.Trainer, batch: int, total: Any, stage: str = "") -> None:
        total = float(sum(total) if isinstance(total, list) else total)
        fitting = trainer.state.fn == TrainerFn.FITTING
        epochs, epoch = trainer.max_epochs or 0, trainer.current_epoch + 1
        title = f"epoch {epoch}" + (f"/{epochs}" if epochs > 0 else "") if fitting else ""
        title = " ".join(filter(None, (title, stage)))
        seconds = time.monotonic() - self._began
        left = seconds / max(self._batches, 1) * (total - batch)
        facts = []
        if self._batches and seconds > 0:
            rate = self._rows * trainer.world_size / seconds
            facts.append((4, f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"))
            if math.isfinite(left):
                facts.append((2, f"{clock(left)} left"))
                rest = self._rest_of_run(trainer, left, seconds + left, bool(stage))
                if fitting and rest is not None:
                    facts.append((3, f"run {clock(rest)}"))
        if self._loss and fitting:
            facts.append((1, f"train/loss {self._loss}"))
        share = batch / total if math.isfinite(total) and total else None
        now = time.monotonic()
        if self._moving:
            self._next = now + _TERMINAL_SECONDS
            stream = sys.stdout
            line = fit_line(title, share, facts, columns(), glyphs(stream.encoding))
            stream.write(f"\r{line}\x1b[K")
            stream.flush()
            self._on_screen = True
        else:
            self._next = now + self.log_seconds
            done = f"batch {batch:,}" if share is None else f"{share:.0%} of {total:,.0f} batches"
            print("  ".join([f"{title}: {done}", *(text for _, text in facts)]), flush=True)

    def _rest_of_run(
        self, trainer: pl.Trainer, left: float, epoch: float, validating: bool
    ) -> float | None:
        """Return the seconds left of all epochs, from the mean of those so far."""
        epochs = trainer.max_epochs or 0
        if epochs <= 0:
            return None
        if not validating:
            left, epoch = left + self._validation, epoch + self._validation
        elif not self._epochs:
            epoch = time.monotonic() - self._epoch_began + left
        mean = sum(self._epochs) / len(self._epochs) if self._epochs else epoch
        return left + mean * (epochs - trainer.current_epoch - 1)

    def _clear(self) -> None:
        if self._on_screen:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
            self._on_screen = False


def is_terminal() -> bool:
    """Return whether someone sees a line move."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """Return the width of the terminal, as it is now."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def glyphs(encoding: str | None) -> str:
    """Return the characters of the bar, done and left, that an encoding has."""
    try:
        "━─".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#-"
    return "━─"


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(max(math.ceil(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def fit_line(
    title: str,
    share: float | None,
    facts: Sequence[tuple[int, str]],
    width: int,
    characters: str = "━─",
) -> str:
    """Return a line that a terminal does not wrap: what is important first, then a longer bar.

    Args:
        title: of the line.
        share: of the batches, 0 to 1; None without a bar.
        facts: rank, 1 for the most important, and text; in the order in which they stand.
        width: of the terminal, in characters.
        characters: of the bar, for what is done and what is left.
    """
    # Some terminals wrap a line that fills them.
    room = width - 1
    percent = "" if share is None else f" {share:4.0%}"
    used, bar = len(title) + len(percent), 0
    kept = set()
    # The bar comes after the most important fact, and is longer where a further one does not fit.
    for _, place in sorted([(1.5, -1), *((rank, i) for i, (rank, _) in enumerate(facts))]):
        size = 2 + len(facts[place][1]) if place >= 0 else 1 + _MIN_BAR
        fits = used + size <= room
        if place < 0 and (share is None or not fits):
            continue
        if not fits:
            break
        used += size
        if place >= 0:
            kept.add(place)
        else:
            bar = _MIN_BAR
    line = title
    if bar:
        cells = min(bar + room - used, _MAX_BAR)
        done = round((share or 0.0) * cells)
        line += " " + characters[0] * done + characters[1] * (cells - done)
    line += percent
    line += "".join(f"  {text}" for place, (_, text) in enumerate(facts) if place in kept)
    return line[: max(room, 0)]


def _training_loss(pl_module: pl.LightningModule, outputs: Any) -> str:
    """Return the mean loss of the epoch so far; that of the batch where the module keeps none."""
    loss = getattr(pl_module, "mean_train_loss", None)
    if loss is None:
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
    return "" if loss is None else f"{float(loss):.4g}"
