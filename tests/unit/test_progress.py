"""The moving line on a real pseudo-terminal, and the lines in a log file."""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from trainers import quiet_trainer

from gru_suite.training.callbacks import progress
from gru_suite.training.callbacks.epoch_log import EpochLog
from gru_suite.training.callbacks.progress import Progress, clock, fit_line, glyphs

BATCHES, EPOCHS = 12, 3


class Trained(pl.LightningModule):
    def __init__(self, fails_at: int = -1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.fails_at = fails_at

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        if self.global_step == self.fails_at:
            raise ValueError("the data ends here")
        loss = (self.weight * batch).square().mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("val/loss", self.weight.square().mean())

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("test/loss", self.weight.square().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(torch.ones(8 * BATCHES, 1), batch_size=8)  # type: ignore[arg-type]

    val_dataloader = test_dataloader = train_dataloader


class Screen:
    """What a terminal of this width shows, and how often a line was wrapped."""

    def __init__(self, width: int) -> None:
        self.width, self.column, self.wraps = width, 0, 0
        self.lines, self.states = [""], [""]

    def write(self, text: str) -> None:
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.", text, re.DOTALL):
            line = self.lines[-1]
            if part == "\n":
                self.lines.append("")
            elif part == "\r":
                self.column = 0
            elif part == "\x1b[K":
                self.lines[-1] = line[: self.column]
                self.states.append(self.lines[-1])
            else:
                assert not part.startswith("\x1b"), repr(part)
                if self.column == self.width:
                    self.wraps += 1
                    self.lines.append("")
                    self.column, line = 0, ""
                self.lines[-1] = line[: self.column] + part + line[self.column + 1 :]
                self.column += 1


@contextmanager
def terminal(width: int) -> Iterator[Callable[[], Screen]]:
    """Make stdout a pseudo-terminal; yield a function that closes it and returns its screen."""
    fcntl = pytest.importorskip("fcntl", reason="pseudo-terminals are POSIX's")
    import struct
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    chunks: list[bytes] = []

    def read() -> None:
        while True:
            try:
                chunk = os.read(master, 4096)
            except OSError:  # Linux, of a terminal that nothing holds open
                return
            if not chunk:
                return
            chunks.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    stream = open(slave, "w", encoding="utf-8")

    def close() -> Screen:
        stream.close()
        reader.join()
        screen = Screen(width)
        screen.write(b"".join(chunks).decode())
        return screen

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stdout", stream)
        try:
            yield close
        finally:
            stream.close()
            reader.join()
            os.close(master)


def trainer_of(tmp_path: Path, shown: Progress | None = None, **options: Any) -> pl.Trainer:
    log = EpochLog(tmp_path / "metrics.csv", "val/loss", "min")
    return quiet_trainer(max_epochs=EPOCHS, callbacks=[shown or Progress(), log], **options)


@pytest.mark.parametrize("width", [132, 80, 40, 20, 5])
def test_the_line_fits_and_leaves_nothing(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_TERMINAL_SECONDS", 0.0)
    trainer = trainer_of(tmp_path)
    trainer.callbacks[-1]._print = lambda *_: print("done")  # type: ignore[attr-defined]
    with terminal(width) as close:
        trainer.fit(Trained())
        trainer.test(Trained(), verbose=False)
        screen = close()
    # Epoch lines stay, and nothing of what moved.
    assert screen.lines == ["done"] * EPOCHS + [""]
    assert screen.wraps == 0
    states = [state for state in screen.states if state]
    assert len(states) == EPOCHS * (1 + 2 * BATCHES) + BATCHES
    assert max(map(len, states)) < width
    if width >= 40:
        assert f"epoch 2/{EPOCHS} " in states[1 + 2 * BATCHES]
        assert any(re.search(rf"^epoch 2/{EPOCHS} ━+─+  50%", state) for state in states)
        assert any(re.search(rf"^epoch 2/{EPOCHS} validation .* 50%", s) for s in states), states
        assert any(re.search(r"^test ━+─*  50%", state) for state in states)
        assert any("train/loss 0.9" in state for state in states)
    if width >= 80:
        pattern = r"epoch 1/3 ━+ 100%  [\d,]+/s  0:00 left  run 0:0\d  train/loss 0\.\d+"
        assert any(re.fullmatch(pattern, state) for state in states), states[:30]


def test_the_width_is_that_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(61):
        assert progress.columns() == 61
        assert progress.is_terminal()
        monkeypatch.setenv("TERM", "dumb")
        assert not progress.is_terminal()
    monkeypatch.setattr(sys, "stdout", open(os.devnull, "w"))
    assert not progress.is_terminal()
    assert progress.columns() == 80
    sys.stdout.close()


def test_an_error_is_not_appended_to_the_line(tmp_path: Path) -> None:
    with terminal(80) as close:
        with pytest.raises(ValueError, match="the data ends here"):
            trainer_of(tmp_path).fit(Trained(fails_at=5))
        screen = close()
    assert len(screen.states) > 1
    assert screen.lines == [""]


def test_the_line_changes_ten_times_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0

        @staticmethod
        def monotonic() -> float:
            return Clock.now

    class Later(Trained):
        def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            Clock.now += 0.04
            return super().training_step(batch, batch_idx)

    losses = 0

    def loss(*_: Any) -> str:
        nonlocal losses
        losses += 1
        return "1"

    monkeypatch.setattr(progress, "time", Clock)
    monkeypatch.setattr(progress, "_training_loss", loss)
    trainer = trainer_of(tmp_path, limit_val_batches=0)
    with terminal(80) as close:
        trainer.fit(Later())
        screen = close()
    states = [state for state in screen.states if state]
    # Every third batch, and the start of an epoch; the loss is read for the screen only.
    assert len(states) == EPOCHS * (1 + BATCHES // 3)
    assert losses == EPOCHS * BATCHES // 3
    # 8 rows in 0.04 s; 12 batches an epoch.
    assert "200/s  0:01 left  run 0:02" in states[1]
    assert "25%" in states[1]


def test_a_log_file_has_a_line_a_minute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer_of(tmp_path).fit(Trained())
    assert all(line.endswith((" s", "best")) for line in capsys.readouterr().out.splitlines())
    trainer_of(tmp_path, Progress(log_seconds=0)).fit(Trained())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == EPOCHS * (1 + 2 * BATCHES)
    wanted = r"epoch 1/3: 50% of 12 batches  [\d,]+/s  0:0\d left  run 0:0\d  train/loss 0\.\d+"
    assert re.fullmatch(wanted, lines[5])
    assert lines[BATCHES].startswith("epoch 1/3 validation: 8% of 12 batches")


def test_what_is_important_stays_on_a_narrow_line() -> None:
    facts = [(4, "812/s"), (2, "1:05 left"), (3, "run 12:30"), (1, "train/loss 0.12")]
    assert fit_line("epoch 3/20", 0.25, facts, 80) == (
        "epoch 3/20 ━━━━─────────────  25%  812/s  1:05 left  run 12:30  train/loss 0.12"
    )
    assert fit_line("epoch 3/20", 0.25, facts, 45) == "epoch 3/20 ━━━────────  25%  train/loss 0.12"
    assert fit_line("epoch 3/20", 0.25, facts, 22) == "epoch 3/20  25%"
    assert fit_line("epoch 3/20", 0.25, facts, 8) == "epoch 3"
    assert fit_line("epoch 3", None, facts, 25) == "epoch 3  train/loss 0.12"
    for width in range(1, 140):
        for share in (0.0, 0.5, 1.0):
            assert len(fit_line("epoch 3/20", share, facts, width)) < width


def test_durations_and_characters() -> None:
    assert [clock(each) for each in (0, 59.2, 3599.5, 3661)] == [
        "0:00",
        "1:00",
        "1:00:00",
        "1:01:01",
    ]
    assert (glyphs("utf-8"), glyphs("cp1252"), glyphs(None)) == ("━─", "#-", "#-")
