"""How long a training lasts: by the number of examples, unless it is given."""

import pytest
from omegaconf import OmegaConf

from gru_suite.errors import UserError
from gru_suite.testing.contract import compose_config
from gru_suite.training.sizing.training_length import set_length, steps_per_epoch


class Data:
    """A data module of so many training batches."""

    def __init__(self, num_batches: int) -> None:
        self.num_batches = num_batches

    def train_dataloader(self) -> range:
        return range(self.num_batches)


@pytest.mark.parametrize(("batches", "epochs"), [(2, 200), (23, 100), (50, 46), (5000, 10)])
def test_few_examples_get_many_epochs(batches: int, epochs: int) -> None:
    cfg = compose_config(["task=speech_commands", "data=audio_folders", "data.path=x"])
    lines = set_length(cfg, Data(batches))  # type: ignore[arg-type]
    assert cfg.trainer.max_epochs == epochs
    assert lines == [f"training: {epochs} epochs of {batches} steps (trainer.max_epochs)"]
    assert cfg.callbacks.early_stopping.patience == round(0.3 * epochs)


def test_a_given_number_stays() -> None:
    cfg = compose_config(["trainer.max_epochs=3", "callbacks.early_stopping.patience=2"])
    assert set_length(cfg, Data(10)) == []  # type: ignore[arg-type]
    assert (cfg.trainer.max_epochs, cfg.callbacks.early_stopping.patience) == (3, 2)


def test_embedded_data_say_how_long() -> None:
    for task, epochs in (("forecasting", 20), ("sentiment", 6), ("speech_commands", 12)):
        cfg = compose_config([f"task={task}"])
        set_length(cfg, Data(100))  # type: ignore[arg-type]
        assert cfg.trainer.max_epochs == epochs, task


def test_steps_count_what_is_trained_on() -> None:
    trainer = OmegaConf.create({"limit_train_batches": 0.5, "accumulate_grad_batches": 2})
    assert steps_per_epoch(trainer, 10) == 3
    trainer.limit_train_batches = 4
    assert steps_per_epoch(trainer, 10) == 2
    assert steps_per_epoch(trainer, 1) == 1


def test_bad_lengths_are_named() -> None:
    cfg = compose_config(["length.steps=0"])
    with pytest.raises(UserError, match=r"length\.steps=0"):
        set_length(cfg, Data(1))  # type: ignore[arg-type]
