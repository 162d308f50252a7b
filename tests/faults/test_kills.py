"""Runs that are killed or stopped at random moments end as one that was never disturbed.

``GRU_SUITE_KILLS=200 pytest -m slow tests/faults`` is the longer test.
"""

import csv
import json
import math
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fork_server import ForkServer
from small_data import small_runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]

KILLS = int(os.environ.get("GRU_SUITE_KILLS", "20"))
COMMON = [
    "device=cpu",
    "trainer.max_epochs=5",
    "callbacks=weight_averaging",
    "callbacks.early_stopping.patience=2",
    "backbone.hidden_size=16",
    "backbone.dropout=0.2",
    "backbone.num_layers=2",
    "checkpoint_minutes=0.002",
]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return small_runs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(
    server: ForkServer, words: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, float]]:
    """Return the run folder of each task, and its seconds."""
    root = tmp_path_factory.mktemp("undisturbed")
    runs = {}
    for task, own in words.items():
        began = time.monotonic()
        server.start([*own, *COMMON, f"hydra.run.dir={task}"], root, root / f"{task}.log")
        assert server.wait() == 0, (root / f"{task}.log").read_text()[-3000:]
        # The first one fills caches.
        began = time.monotonic()
        server.start([*own, *COMMON, f"hydra.run.dir={task}-2"], root, root / f"{task}.log")
        assert server.wait() == 0
        runs[task] = root / task, time.monotonic() - began
        assert_same(root / f"{task}-2", root / task)
    return runs


def outcome(folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return what a run gives, without its times."""
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = {key: value for key, value in metrics.items() if "/" in key or key == "baselines"}
    with (folder / "metrics.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return kept, rows


def assert_same(folder: Path, expected: Path) -> None:
    (metrics, rows), (right, right_rows) = outcome(folder), outcome(expected)
    assert rows == right_rows
    assert metrics == right


def run_disturbed(
    server: ForkServer, words: list[str], cwd: Path, moments: list[float], signum: int
) -> list[int]:
    """Run, disturb at each moment (seconds after a start) and resume; return the exit codes."""
    codes = []
    log = cwd / "log"
    command = [*words, *COMMON, "hydra.run.dir=run"]
    for moment in [*moments, math.inf]:
        process = server.start(command, cwd, log)
        if math.isfinite(moment):
            time.sleep(moment)
            try:
                os.kill(process, signum)
            except ProcessLookupError:
                pass
        codes.append(server.wait())
        if codes[-1] == 0 and (cwd / "run" / "metrics.json").exists():
            break
        if (cwd / "run" / ".hydra" / "config.yaml").exists():
            command = ["resume=run"]
    return codes


@pytest.mark.parametrize("task", ["forecasting", "sentiment", "speech_commands", "video_action"])
def test_killed_runs_end_as_if_undisturbed(
    task: str,
    server: ForkServer,
    words: dict[str, list[str]],
    undisturbed: dict[str, tuple[Path, float]],
    tmp_path: Path,
) -> None:
    draw, own = random.Random(task), words[task]
    disturb(server, own, undisturbed[task], tmp_path, draw, KILLS // 4, signal.SIGKILL)


@pytest.mark.parametrize("task", ["forecasting", "speech_commands"])
def test_terminated_runs_end_as_if_undisturbed(
    task: str,
    server: ForkServer,
    words: dict[str, list[str]],
    undisturbed: dict[str, tuple[Path, float]],
    tmp_path: Path,
) -> None:
    draw, own = random.Random(f"{task} terminated"), words[task]
    disturb(server, own, undisturbed[task], tmp_path, draw, 5, signal.SIGTERM)


def disturb(
    server: ForkServer,
    words: list[str],
    undisturbed: tuple[Path, float],
    folder: Path,
    draw: random.Random,
    left: int,
    signum: signal.Signals,
) -> None:
    """Send so many signals to runs, three to one at most, and compare how each of them ends."""
    expected, seconds = undisturbed
    code = 143 if signum == signal.SIGTERM else -signum
    number = 0
    while left > 0:
        number += 1
        cwd = folder / str(number)
        cwd.mkdir()
        moments = [draw.uniform(0.1, seconds) for _ in range(min(left, 3))]
        codes = run_disturbed(server, words, cwd, moments, signum)
        assert codes[-1] == 0, (cwd / "log").read_text()[-3000:]
        assert set(codes[:-1]) <= {code}, (codes, (cwd / "log").read_text()[-3000:])
        left -= max(codes.count(code), 1)
        assert_same(cwd / "run", expected)
