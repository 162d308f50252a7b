"""How long a program waits for a checkpoint: load and first prediction, and each one after.

Networks have the sizes of the defaults and untrained weights. Each `extra_info` has the median in
milliseconds. The bounds are generous: they find a mistake, not a slow machine.
"""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

import gru_suite
from gru_suite.plugins import available_tasks
from gru_suite.testing.contract import compose_config
from gru_suite.training.trainer import build_data, build_task

pytestmark = pytest.mark.slow

TASKS = [task.name for task in available_tasks()]
MOST_MS = {"forecasting": 50, "sentiment": 50, "speech_commands": 200, "video_action": 1000}
MOST_SECONDS = 30
SCRIPT = """
import pickle, sys, time
started = time.perf_counter()
import gru_suite
gru_suite.load(sys.argv[1]).predict(pickle.load(open(sys.argv[2], "rb")))
print(time.perf_counter() - started)
"""


@pytest.fixture(scope="module", params=TASKS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Any]:
    name: str = request.param
    cfg = compose_config([f"task={name}"])
    data = build_data(cfg)
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(build_task(cfg, data))
    path = tmp_path_factory.mktemp(name) / "best.ckpt"
    trainer.save_checkpoint(path)
    return name, path, data.raw_examples(1)[0]


def test_one_more_prediction(benchmark: Any, made: tuple[str, Path, Any]) -> None:
    name, path, raw = made
    task = gru_suite.load(path)
    benchmark.pedantic(task.predict, (raw,), rounds=50, warmup_rounds=5)
    median_ms = 1000 * benchmark.stats.stats.median
    benchmark.extra_info.update(task=name, median_ms=round(median_ms, 2))
    assert median_ms < MOST_MS[name]


def test_one_more_prediction_from_a_csv_file(benchmark: Any, made: tuple[str, Path, Any]) -> None:
    name, path, raw = made
    if name != "forecasting":
        pytest.skip("only forecasts are made from tables of numbers")
    raw.to_csv(path.with_suffix(".csv"), index=False)
    task = gru_suite.load(path)
    benchmark.pedantic(task.predict, (path.with_suffix(".csv"),), rounds=50, warmup_rounds=5)
    median_ms = 1000 * benchmark.stats.stats.median
    benchmark.extra_info.update(task=name, median_ms=round(median_ms, 2))
    assert median_ms < MOST_MS[name]


def test_load_and_first_prediction_of_a_process(
    benchmark: Any, made: tuple[str, Path, Any]
) -> None:
    name, path, raw = made
    inputs = path.with_suffix(".pickle")
    inputs.write_bytes(pickle.dumps(raw))
    words = [sys.executable, "-c", SCRIPT, str(path), str(inputs)]
    seconds: list[float] = []

    def run() -> None:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        seconds.append(float(done.stdout))

    benchmark.pedantic(run, rounds=3)
    middle = sorted(seconds)[1]
    benchmark.extra_info.update(task=name, load_and_predict_seconds=round(middle, 2))
    assert middle < MOST_SECONDS
