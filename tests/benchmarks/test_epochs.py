"""Seconds per epoch of the default tasks: the GRU on the kernel and off it, and the LSTM.

Each side is a run of the command line, in turns with the others. The medians of the epochs after
the first, training and validation, are in extra_info and printed. No time is asserted.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from gru_suite.nn.cells.native.library import OFF, VARIABLE, kernel

SIDES = {"kernel": ("gru", ""), "nn.GRU": ("gru", OFF), "nn.LSTM": ("lstm", "")}
EPOCHS = 4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(kernel() is None, reason="the GRU kernel was not built"),
]


def seconds_per_epoch(folder: Path, task: str, cell: str, choice: str) -> list[float]:
    folder.mkdir()
    words = [f"task={task}", f"backbone={cell}", f"trainer.max_epochs={EPOCHS}", "device=cpu"]
    done = subprocess.run(
        [sys.executable, "-m", "gru_suite", *words, "trainer.limit_test_batches=1"],
        cwd=folder,
        env=os.environ | {VARIABLE: choice},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (log,) = folder.glob("outputs/**/metrics.csv")
    with log.open(encoding="utf-8") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file) if row.get("seconds")]
    return seconds[1:]


@pytest.mark.parametrize("task", ["forecasting", "sentiment", "speech_commands"])
def test_seconds_per_epoch(benchmark, task: str, tmp_path: Path, capsys):
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    runs = iter(range(100))

    def each() -> None:
        for side, options in SIDES.items():
            found[side] += seconds_per_epoch(tmp_path / f"run{next(runs)}", task, *options)

    benchmark.pedantic(each, rounds=2)
    medians = {side: median(values) for side, values in found.items()}
    benchmark.extra_info |= medians
    with capsys.disabled():
        print(f"\n{task}, seconds per epoch:", {k: round(v, 2) for k, v in medians.items()})
    assert min(medians.values()) > 0
