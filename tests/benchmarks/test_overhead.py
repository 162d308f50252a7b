"""What the Trainer of ``gru-suite train`` adds to a plain PyTorch loop, as a ratio of epochs.

Epochs of both alternate in one process, so that what else the machine does falls on both; the
medians are compared. The Trainer has the callbacks of a run: checkpoints, the line an epoch and
``metrics.csv``. Both train the same model by the same optimizer on the same batches.

Shapes: B batch, T time steps, F features.
"""

import copy
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from gru_suite import ClassificationModel, ClassificationTask, SequenceBatch, SequenceDataModule
from gru_suite.commands.train import best_checkpoint
from gru_suite.data.batch_dataset import BatchDataset, batch_loader
from gru_suite.training.callbacks.epoch_log import EpochLog
from gru_suite.training.optimizers import build_optimizer
from gru_suite.training.recovery.last_checkpoint import LastCheckpoint
from gru_suite.training.trainer import make_trainer

BATCHES, BATCH_SIZE, STEPS, FEATURES, HIDDEN = 60, 64, 100, 64, 128
EPOCHS, WARM_UP = 8, 1
LIMIT = 1.10
DEVICE = {
    "accelerator": "cpu",
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "precision": "32-true",
    "sync_batchnorm": True,
}

pytestmark = pytest.mark.slow


class Model(ClassificationModel):
    """Backbone, pooling and head on the features as they are."""

    name = "overhead"
    input_kind = "sequence"

    def __init__(self, backbone: dict[str, Any], schema: dict[str, Any]) -> None:
        super().__init__(backbone, FEATURES, schema, "last")

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        return batch.x, batch.lengths_B

    def predict(self, raw: Any) -> Any:
        raise NotImplementedError


class Task(ClassificationTask):
    model_class = Model


class Noise(BatchDataset[SequenceBatch]):
    def __init__(self) -> None:
        rows = BATCHES * BATCH_SIZE
        self.x_NTF = torch.randn(rows, STEPS, FEATURES)
        self.lengths, self.labels = [STEPS] * rows, [row % 2 for row in range(rows)]
        self.names = self.labels

    def __getitems__(self, rows: Any) -> SequenceBatch:
        labels_B = torch.tensor([self.labels[row] for row in rows])
        return SequenceBatch(self.x_NTF[rows], torch.full((len(rows),), STEPS), labels_B)


class Data(SequenceDataModule):
    name = "noise"

    def __init__(self) -> None:
        super().__init__()
        self.dataset = Noise()

    def schema(self) -> dict[str, Any]:
        return {"labels": ["a", "b"], "class_counts": [1, 1]}

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        return batch_loader(self.dataset, BATCH_SIZE, shuffle)

    def baselines(self, stage: str = "test", scoring: Any = None) -> dict[str, dict[str, float]]:
        return {}


class Turns(Callback):
    """Lets a plain epoch go before each one of the Trainer, and times both."""

    def __init__(self, task: Task, loader: DataLoader[Any]) -> None:
        self.model, self.loader = copy.deepcopy(task.model).train(), loader
        self.optimizer = build_optimizer(self.model, {"name": "adamw", "lr": 1e-3})
        self.plain: list[float] = []
        self.ours: list[float] = []
        self._began: float | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        began = time.perf_counter()
        if self._began is not None:
            self.ours.append(began - self._began)
        self.train()
        self._began = time.perf_counter()
        self.plain.append(self._began - began)

    def train(self) -> None:
        for batch in self.loader:
            loss = F.cross_entropy(self.model(batch), batch.labels_B)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()


def test_the_trainer_costs_little(benchmark: Any, tmp_path: Path, capsys: Any) -> None:
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    data = Data()
    task = Task(
        backbone={"cell": "gru", "hidden_size": HIDDEN},
        schema=data.schema(),
        optimizer={"name": "adamw", "lr": 1e-3},
        scheduler={"name": "cosine"},
    )
    turns = Turns(task, data.loader("train", shuffle=True))
    callbacks = [
        turns,
        best_checkpoint("train/loss", "min", tmp_path),
        LastCheckpoint(tmp_path, 10),
        EpochLog(tmp_path / "metrics.csv", "train/loss", "min"),
    ]
    trainer = make_trainer(
        OmegaConf.create(DEVICE),
        callbacks,
        max_epochs=WARM_UP + EPOCHS + 1,
        gradient_clip_val=1.0,
        limit_val_batches=0,
    )
    try:
        benchmark.pedantic(trainer.fit, args=(task, data))
    finally:
        torch.set_num_threads(threads)
    ours, plain = median(turns.ours[WARM_UP:]), median(turns.plain[WARM_UP:])
    # Of neighbours, since a busy machine becomes slower and faster within the minute.
    pairs = zip(turns.ours[WARM_UP:], turns.plain[WARM_UP:-1], strict=True)
    ratio = median(one / other for one, other in pairs)
    benchmark.extra_info |= {"trainer_s": ours, "plain_s": plain, "ratio": ratio}
    with capsys.disabled():
        print(f"\nepoch: Trainer {ours:.3f} s, plain loop {plain:.3f} s, {ratio:.3f}x")
    assert ratio <= LIMIT
