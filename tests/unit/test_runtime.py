"""The process of a run: seeds, devices, trainers, plain configs."""

import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf
from pytorch_lightning.callbacks import EarlyStopping

from gru_suite.devices import torch_device
from gru_suite.errors import UserError
from gru_suite.training.trainer import build_all, make_trainer, plain, prepare_process

CPU = {"accelerator": "cpu", "devices": 1}


@pytest.fixture
def _process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what lasts longer than a test: the seed's note to workers, the number format."""
    for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.setenv(name, "0")
    with warnings.catch_warnings():
        yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("_process")
def test_the_seed_is_that_of_every_generator() -> None:
    def draw(seed: int) -> tuple[Any, ...]:
        prepare_process(seed)
        return random.random(), float(np.random.rand()), torch.rand(2).tolist()  # noqa: NPY002

    assert draw(3) == draw(3)
    assert not set(map(str, draw(3))) & set(map(str, draw(4)))


@pytest.mark.usefixtures("_process")
def test_denormal_numbers_are_zero() -> None:
    tiny = torch.tensor([1e-30])
    assert (tiny * 1e-10).item() > 0
    prepare_process(0)
    assert (tiny * 1e-10).item() == 0


def test_a_trainer_leaves_the_screen_to_us() -> None:
    trainer = make_trainer(OmegaConf.create(CPU), max_epochs=3)
    assert trainer.max_epochs == 3
    assert trainer.loggers == []
    assert trainer.progress_bar_callback is None


@pytest.mark.parametrize(
    ("device", "options", "message"),
    [
        ({"accelerator": "abacus"}, {}, "device.accelerator=abacus: no such device"),
        ({"accelerator": "cpu", "devices": 0}, {}, "trainer: .*devices"),
        (CPU, {"limit_train_batches": -3}, "trainer: .*limit_train_batches"),
    ],
)
def test_a_trainer_that_cannot_be_made(
    device: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        make_trainer(OmegaConf.create(device), **options)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"no GPU was found; torch .* CPU cores\nuse device=cpu"):
        make_trainer(OmegaConf.create({"accelerator": "gpu", "devices": 1}))
    with pytest.raises(UserError, match=r"accelerator=gpu: no GPU was found"):
        torch_device("gpu")
    assert torch_device("auto") == torch_device("cpu") == torch.device("cpu")


def test_plain_is_resolved_plain_data() -> None:
    cfg = OmegaConf.create({"seed": 3, "data": {"seed": "${seed}", "names": ["a"], "none": None}})
    data = plain(cfg.data)
    assert data == {"seed": 3, "names": ["a"], "none": None}
    assert type(data["names"]) is list
    assert plain(None) == {}
    with pytest.raises(MissingMandatoryValue):
        plain(OmegaConf.create({"path": "???"}))


def test_every_entry_of_a_group_is_built() -> None:
    stopping = {"_target_": "pytorch_lightning.callbacks.EarlyStopping", "monitor": "val/loss"}
    node = OmegaConf.create({"one": stopping, "two": {**stopping, "patience": 9}, "gone": None})
    assert isinstance(node, DictConfig)
    built = build_all(node)
    assert [type(each) for each in built] == [EarlyStopping, EarlyStopping]
    assert [each.patience for each in built] == [3, 9]
    assert build_all(None) == build_all(OmegaConf.create({})) == []
