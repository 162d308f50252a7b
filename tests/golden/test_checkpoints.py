"""Checkpoints of version 0.1 load, predict the same, and training goes on from them.

They were written by that version, after two epochs of each task on the small data of
tests/golden_fixtures.py, and are never written anew.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_fixtures import make, raw_inputs
from trainers import quiet_trainer

import gru_suite

FOLDER = Path(__file__).parent / "checkpoints"
CLASSES = {
    "forecasting": "ForecastingTask",
    "sentiment": "SentimentTask",
    "speech_commands": "SpeechCommandsTask",
    "video_action": "VideoActionTask",
}
# Of the tasks of that version.
TASKS = tuple(CLASSES)
# The table of n-grams alone has 3 MB.
SMALL = {
    "sentiment": ("data.char_ngrams=null",),
    "video_action": ("backbone.bidirectional=true",),
}


def same(found: dict[str, list[Any]], expected: dict[str, list[Any]]) -> bool:
    if found.keys() != expected.keys():
        return False
    for name, column in expected.items():
        close = pytest.approx(column, rel=1e-4, abs=1e-5, nan_ok=True)
        numbers = all(isinstance(value, float) for value in column)
        if [*map(str, found[name])] != [*map(str, column)] and not (
            numbers and found[name] == close
        ):
            return False
    return True


def expected(task: str) -> dict[str, list[Any]]:
    content: dict[str, list[Any]] = json.loads((FOLDER / f"{task}.json").read_text())
    return content


@pytest.mark.parametrize("file", [*(f"{task}.ckpt" for task in TASKS), "sentiment.safetensors"])
def test_it_loads_and_predicts_the_same(file: str) -> None:
    task = file.partition(".")[0]
    assert same(gru_suite.load(FOLDER / file).predict(raw_inputs(task)).to_dict(), expected(task))


@pytest.mark.parametrize("task", TASKS)
def test_lightning_loads_it(task: str) -> None:
    task_class = getattr(import_module(f"gru_suite.tasks.{task}.task"), CLASSES[task])
    loaded = task_class.load_from_checkpoint(FOLDER / f"{task}.ckpt", map_location="cpu").eval()
    assert same(loaded.predict(raw_inputs(task)).to_dict(), expected(task))


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
@pytest.mark.parametrize("task", TASKS)
def test_training_goes_on_from_it(task: str, tmp_path: Path) -> None:
    again, data = make(task, "gru", tmp_path, *SMALL.get(task, ()))
    trainer = quiet_trainer(max_epochs=3, limit_val_batches=1)
    trainer.fit(again, data, ckpt_path=FOLDER / f"{task}.ckpt")
    assert trainer.current_epoch == 3
    before = torch.load(FOLDER / f"{task}.ckpt", weights_only=True)
    assert trainer.global_step == before["global_step"] // 2 * 3
    after = again.state_dict()
    assert list(after) == list(before["state_dict"])
    weight = "backbone.rnn.weight_hh_l0"
    assert 0 < (after[weight] - before["state_dict"][weight]).abs().max() < 0.2


def test_the_backbone_alone_loads() -> None:
    whole = gru_suite.load_backbone(FOLDER / "sentiment.ckpt")
    alone = gru_suite.load_backbone(FOLDER / "backbone.safetensors")
    for name, part in whole.state_dict().items():
        torch.testing.assert_close(alone.state_dict()[name], part, rtol=0, atol=0)


def test_they_are_small() -> None:
    assert all(path.stat().st_size < 200_000 for path in FOLDER.iterdir())
