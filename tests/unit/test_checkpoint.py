"""Checkpoints: loaded safely or refused with a reason."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from forecasting_fixtures import make_batch, make_schema, make_task

import gru_suite
from gru_suite.errors import UserError
from gru_suite.model.checkpoint import read_checkpoint
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.forecasting.task import ForecastingTask


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "best.ckpt"
    task = make_task()
    task.run_info = {"data": {"source": "weather"}, "seed": 3}
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return path


def changed(checkpoint: Path, target: Path, **marks: Any) -> Path:
    content = torch.load(checkpoint, weights_only=True)
    content["gru_suite"] |= marks
    torch.save(content, target)
    return target


def test_load_gives_the_same_outputs_and_facts(checkpoint: Path) -> None:
    model, batch = gru_suite.load(checkpoint), make_batch(make_schema())
    assert isinstance(model, ForecastingModel)
    assert not model.training
    assert model.run_info == {"data": {"source": "weather"}, "seed": 3}
    torch.testing.assert_close(model(batch).point_BPC, make_task()(batch).point_BPC, rtol=0, atol=0)


def test_lightnings_own_loading_works_with_its_safe_default(checkpoint: Path) -> None:
    task = ForecastingTask.load_from_checkpoint(checkpoint, map_location="cpu")
    assert task.model.schema == make_schema()
    assert task.run_info["seed"] == 3


def test_a_missing_file_is_named_with_those_beside_it(checkpoint: Path) -> None:
    with pytest.raises(UserError, match=r"bset.ckpt: no such file; there is .*best.ckpt"):
        gru_suite.load(checkpoint.with_name("bset.ckpt"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(checkpoint: Path, tmp_path: Path, share: float) -> None:
    content = checkpoint.read_bytes()
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"cut.ckpt: .*(complete|refused)"):
        gru_suite.load(cut)


def test_a_pickle_bomb_is_refused_and_never_runs(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    for name, save in (("zip.ckpt", torch.save), ("raw.ckpt", _pickle)):
        save({"gru_suite": Bomb()}, tmp_path / name)
        with pytest.raises(UserError, match="refused, because it holds more than tensors") as told:
            gru_suite.load(tmp_path / name)
        assert ("mkdir" if name == "zip.ckpt" else "Unsupported operand") in str(told.value)
        assert len(str(told.value)) < 400
    assert not (tmp_path / "exploded").exists()


def _pickle(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="not made by GRU Suite"):
        gru_suite.load(tmp_path / "other.ckpt")


def test_a_newer_format_says_so(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"format 99.*upgrade"):
        read_checkpoint(changed(checkpoint, tmp_path / "new.ckpt", format=99))


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("os:system", "'os', which is not installed as a GRU Suite plug-in"),
        ("acme_gesture.model:GestureModel", "acme_gesture"),
        ("gru_suite.tasks.nothing.model:NoModel", "is not there"),
        ("gru_suite.tasks.forecasting.model:NoModel", "is not there"),
        ("gru_suite.nn.backbone:RecurrentBackbone", "is not a task"),
    ],
)
def test_only_installed_classes_are_built(
    checkpoint: Path, tmp_path: Path, reference: str, named: str
) -> None:
    with pytest.raises(UserError, match=named):
        gru_suite.load(changed(checkpoint, tmp_path / "other.ckpt", model_class=reference))


def test_a_checkpoint_of_another_version_says_so(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["of_old"] = torch.zeros(1)
    torch.save(content, tmp_path / "weights.ckpt")
    with pytest.raises(UserError, match="does not fit this version of ForecastingModel"):
        gru_suite.load(tmp_path / "weights.ckpt")
    content = torch.load(checkpoint, weights_only=True)
    content["hyper_parameters"]["of_old"] = 1
    torch.save(content, tmp_path / "options.ckpt")
    with pytest.raises(UserError, match="ForecastingTask takes no 'of_old'"):
        gru_suite.load_task(tmp_path / "options.ckpt")


def test_a_folder_is_no_checkpoint_and_a_run_names_its_best(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder, a file is needed$"):
        read_checkpoint(tmp_path)
    best = tmp_path / "checkpoints" / "best.ckpt"
    best.parent.mkdir()
    best.touch()
    with pytest.raises(UserError, match=f"did you mean {best}"):
        read_checkpoint(tmp_path)
