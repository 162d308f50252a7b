"""The line an epoch and metrics.csv, from a real fit."""

import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from trainers import quiet_trainer

from gru_suite.training.callbacks.epoch_log import EpochLog


class Scored(pl.LightningModule):
    """Its validation score in each epoch is what a test says."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.scores = scores
        self.better = {"late": "max", "score": "min"}

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = (self.weight * batch).square().mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("val/score", self.scores[self.current_epoch])
        if self.current_epoch:
            self.log("val/late", 1.0)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.125)

    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(torch.ones(3, 1))  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(torch.ones(1, 1))  # type: ignore[arg-type]


def fit(log: EpochLog, scores: list[float], **options: Any) -> None:
    trainer = quiet_trainer(max_epochs=len(scores), callbacks=[log], **options)
    trainer.fit(Scored(scores))


def test_every_epoch_is_a_line_on_the_screen_and_a_row_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metrics.csv"
    fit(EpochLog(path, "val/score", "min"), [0.75, 0.5, 0.625])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert "val/score 0.625" in lines[2]
    # The task's first metric is shown beside the one that chooses, from when it is there.
    assert ["val/late 1 " in line for line in lines] == [False, True, True]
    assert [line.endswith("  best") for line in lines] == [True, True, False]
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["3", "6", "9"]
    assert [row["val/score"] for row in rows] == ["0.75", "0.5", "0.625"]
    # A metric that comes later gets its column, empty before.
    assert [row["val/late"] for row in rows] == ["", "1.0", "1.0"]
    assert all(float(row["lr"]) == 0.125 and float(row["seconds"]) >= 0 for row in rows)
    assert float(rows[0]["train/loss"]) > float(rows[2]["train/loss"]) > 0
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.csv"]


def test_the_best_may_be_the_greatest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(EpochLog(tmp_path / "metrics.csv", "val/score", "max"), [0.5, float("nan"), 0.25, 0.75])
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("  best") for line in lines] == [True, False, False, True]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("monitor", ["val/other", None])
def test_without_the_metric_no_epoch_is_the_best(
    monitor: str | None, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = EpochLog(tmp_path / "metrics.csv", monitor, mode)
    fit(log, [0.5, 0.25], limit_val_batches=0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert not any("best" in line for line in lines)
