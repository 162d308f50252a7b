"""The moving average of the weights: what it is, and where a run uses it."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.utils.data import DataLoader
from trainers import quiet_trainer

from gru_suite.commands.train import best_checkpoint
from gru_suite.training.callbacks.weight_averaging import ExponentialAveraging
from gru_suite.training.recovery.last_checkpoint import LastCheckpoint

STEPS = 4  # of an epoch
LR = 0.5


class Slope(pl.LightningModule):
    """One weight that each step moves by ``LR`` towards 0 and beyond, and a frozen one."""

    running: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0]))
        self.frozen = nn.Parameter(torch.tensor([1 / 3]), requires_grad=False)
        # As a batch norm has: a statistic that moves with the steps, and their number.
        self.register_buffer("running", torch.zeros(1))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.steps: list[float] = []
        self.scored: list[float] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.running.copy_(self.weight.detach())
        self.count += 1
        return self.weight.sum() * batch.mean()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.scored.append(self.weight.item())
        self.log("val/loss", self.weight[0].abs())

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        self.scored.append(self.weight.item())

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps.append(self.weight.item())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.weight], lr=LR)

    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(torch.ones(STEPS, 1))  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(torch.ones(1, 1))  # type: ignore[arg-type]

    test_dataloader = val_dataloader


def averages(weights: list[float], decay: float) -> list[float]:
    """Return the average after each of the steps, by the definition."""
    found = [weights[0]]
    for updates, weight in enumerate(weights[1:], start=1):
        keep = min(decay, (1 + updates) / (10 + updates))
        found.append(keep * found[-1] + (1 - keep) * weight)
    return found


def fit(folder: Path, epochs: int, decay: float = 0.9, **options: Any) -> tuple[Slope, pl.Trainer]:
    model = Slope()
    best, last = best_checkpoint("val/loss", "min", folder), LastCheckpoint(folder, minutes=10)
    callbacks: list[Callback] = [ExponentialAveraging(decay), best, last]
    trainer = quiet_trainer(max_epochs=epochs, callbacks=callbacks, enable_checkpointing=True)
    trainer.fit(model, weights_only=True, **options)
    return model, trainer


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
def test_the_average_is_the_one_computed_by_hand(tmp_path: Path, decay: float) -> None:
    model, _ = fit(tmp_path, 3, decay)
    weights = [1 - LR * step for step in range(1, 3 * STEPS + 1)]
    assert model.steps == pytest.approx(weights)
    expected = averages(weights, decay)
    # Validation sees the average at the end of each epoch, training goes on without it.
    assert model.scored == pytest.approx(expected[STEPS - 1 :: STEPS], abs=1e-5)
    assert model.weight.item() == pytest.approx(expected[-1], abs=1e-5)
    assert model.frozen.item() == torch.tensor(1 / 3).item()


def test_running_statistics_are_averaged_and_counts_are_not(tmp_path: Path) -> None:
    model, _ = fit(tmp_path, 3)
    before_each_step = [1 - LR * step for step in range(3 * STEPS)]
    assert model.running.item() == pytest.approx(averages(before_each_step, 0.9)[-1], abs=1e-5)
    assert model.count.item() == 3 * STEPS


def test_a_decay_of_0_is_no_average(tmp_path: Path) -> None:
    model, _ = fit(tmp_path, 2, decay=0.0)
    assert model.weight.item() == model.steps[-1]


def test_checkpoints_hold_the_average_beside_the_current_weights(tmp_path: Path) -> None:
    model, _ = fit(tmp_path, 2)
    expected = averages(model.steps, 0.9)
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert last["state_dict"]["weight"].item() == pytest.approx(expected[-1])
    assert last["current_model_state"]["weight"].item() == pytest.approx(model.steps[-1])
    assert list(last["state_dict"]) == list(model.state_dict())


def test_best_is_the_best_epoch_and_last_the_last(tmp_path: Path) -> None:
    model, trainer = fit(tmp_path, 3)
    best, last = (
        torch.load(tmp_path / f"{name}.ckpt", weights_only=True) for name in ("best", "last")
    )
    assert [abs(value) for value in model.scored] == sorted(abs(value) for value in model.scored)
    assert (best["epoch"], last["epoch"]) == (0, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.ckpt",
        "last.ckpt",
        "previous.ckpt",
    ]
    assert trainer.checkpoint_callback is not None
    assert Path(trainer.checkpoint_callback.best_model_path) == tmp_path / "best.ckpt"


def test_without_a_metric_the_best_is_the_last(tmp_path: Path) -> None:
    best, last = best_checkpoint(None, "min", tmp_path), LastCheckpoint(tmp_path, minutes=10)
    trainer = quiet_trainer(max_epochs=3, callbacks=[best, last], enable_checkpointing=True)
    trainer.fit(Slope())
    assert Path(best.best_model_path) == tmp_path / "best.ckpt"
    assert best.best_model_score is None
    assert torch.load(best.best_model_path, weights_only=True)["epoch"] == 2


# A trainer without the callback says that the checkpoint was made with it.
@pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint.*:UserWarning")
def test_the_best_checkpoint_is_scored_by_its_average_after_the_fit(tmp_path: Path) -> None:
    """The run's own trainer, and a new one, give what validation chose the epoch by."""
    model, trainer = fit(tmp_path, 3)
    expected = averages(model.steps, 0.9)[STEPS - 1]
    assert model.scored[0] == pytest.approx(expected)
    for other in (trainer, quiet_trainer()):
        for run in (other.validate, other.test, other.validate):
            model.scored.clear()
            run(model, ckpt_path=tmp_path / "best.ckpt", verbose=False, weights_only=True)
            assert model.scored == pytest.approx([expected])
            assert model.weight.item() == pytest.approx(expected)


# It writes into a folder of its own.
@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")
def test_a_resumed_fit_goes_on_with_both(tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole", 4)
    fit(tmp_path / "part", 2)
    rest, _ = fit(tmp_path / "rest", 4, ckpt_path=tmp_path / "part" / "last.ckpt")
    assert rest.steps == pytest.approx(whole.steps[2 * STEPS :])
    assert rest.scored == pytest.approx(whole.scored[2:])
    assert rest.weight.item() == pytest.approx(whole.weight.item())
