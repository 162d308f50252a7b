"""Latency of predictions in another program: load and first prediction, and each one after.

Networks have the sizes of the defaults and untrained weights. Each `extra_info` has the medians.
Seconds of a process are those above ``import torch`` alone, in alternating runs. The bounds are
generous: they find a mistake, not a slow machine.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl

import gru_suite
from gru_suite.plugins import available_tasks
from gru_suite.testing.contract import compose_config
from gru_suite.training.trainer import build_data, build_task

pytestmark = pytest.mark.slow

TASKS = [task.name for task in available_tasks()]
MOST_MS = {"forecasting": 50, "sentiment": 50, "speech_commands": 200} | {
    "translation": 200,
    "video_action": 1000,
}
# Above `import torch`; the aim is 0.7 for forecasting, 1.2 for the others.
MOST_SECONDS = 5
ROUNDS = int(os.environ.get("GRU_SUITE_BENCHMARK_ROUNDS", "7"))
SCRIPT = """
import pickle, sys, time
started = time.perf_counter()
if len(sys.argv) == 1:
    import torch
else:
    import gru_suite
    gru_suite.load(sys.argv[1]).predict(pickle.load(open(sys.argv[2], "rb")))
    heavy = {"pytorch_lightning", "torchmetrics", "hydra", "sklearn", "matplotlib"}
    assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
print(time.perf_counter() - started)
try:
    lines = open("/proc/self/status").read().splitlines()
    print(next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")))
except OSError:
    print("nan")
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
    model = gru_suite.load(path)
    benchmark.pedantic(model.predict, (raw,), rounds=50, warmup_rounds=5)
    median_ms = 1000 * benchmark.stats.stats.median
    benchmark.extra_info.update(task=name, median_ms=round(median_ms, 2))
    assert median_ms < MOST_MS[name]


def test_one_more_prediction_from_a_csv_file(benchmark: Any, made: tuple[str, Path, Any]) -> None:
    name, path, raw = made
    if name != "forecasting":
        pytest.skip("only forecasts are made from tables of numbers")
    model = gru_suite.load(path)
    benchmark.pedantic(model.predict, (as_file(raw, path),), rounds=50, warmup_rounds=5)
    median_ms = 1000 * benchmark.stats.stats.median
    benchmark.extra_info.update(task=name, median_ms=round(median_ms, 2))
    assert median_ms < MOST_MS[name]


def test_load_and_first_prediction_of_a_process(
    benchmark: Any, made: tuple[str, Path, Any]
) -> None:
    name, path, raw = made
    inputs = path.with_suffix(".pickle")
    # A path is what a program has of a table; unpickling one would import pandas first.
    inputs.write_bytes(pickle.dumps(as_file(raw, path) if name == "forecasting" else raw))
    found: dict[str, list[tuple[float, float]]] = {"torch": [], "predict": []}

    def run(kind: str, *words: str) -> None:
        command = [sys.executable, "-c", SCRIPT, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, megabytes = map(float, done.stdout.split())
        found[kind].append((seconds, megabytes))

    def both() -> None:
        run("torch")
        run("predict", str(path), str(inputs))

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=1)
    middle = {kind: np.median(values, axis=0) for kind, values in found.items()}
    above, megabytes = middle["predict"][0] - middle["torch"][0], middle["predict"][1]
    benchmark.extra_info.update(
        task=name,
        torch_seconds=round(middle["torch"][0], 2),
        seconds_above_torch=round(above, 2),
        peak_megabytes=round(megabytes),
        torch_peak_megabytes=round(middle["torch"][1]),
    )
    assert above < MOST_SECONDS


def as_file(raw: Any, path: Path) -> str:
    raw.to_csv(path.with_suffix(".csv"), index=False)
    return str(path.with_suffix(".csv"))
