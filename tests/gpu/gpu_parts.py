"""Parts of tests/gpu/run.sh that use the command line: training, moving checkpoints, processes.

``python gpu_parts.py PART DEVICE FOLDER ANSWER``, with tests/ on the path.
"""

import csv
import json
import math
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from small_data import small_runs

COMMON = ["trainer.max_epochs=2", "backbone.hidden_size=32", "device.threads=1"]
PRECISIONS = ("32-true", "bf16-mixed")
TOLERANCE = 1e-4

Row = dict[str, Any]


class Answer:
    """The rows of a part, in a file that is written with each of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = {"rows": []}
        self.failures: list[str] = []

    def add(self, row: Row, problem: str = "") -> None:
        """Add a row, and what is wrong with it."""
        if problem:
            self.failures.append(f"{row}: {problem}")
        self.content["rows"].append({**row, "problem": problem} if problem else row)
        self.write()

    def write(self) -> None:
        self.path.write_text(json.dumps(self.content))


def small(folder: Path) -> dict[str, list[str]]:
    """Return command lines on small data, which the first part writes."""
    data, lines = folder / "data", folder / "lines.json"
    if not lines.is_file():
        data.mkdir()
        lines.write_text(json.dumps(small_runs(data)))
    found: dict[str, list[str]] = json.loads(lines.read_text())
    return found


def train(words: list[str], *more: str) -> float:
    """Train by the command line in this process; return the seconds."""
    from gru_suite.cli.main import main

    began = time.perf_counter()
    code = main([*words, *COMMON, *more])
    if code:
        raise RuntimeError(f"exit code {code}: gru-suite {' '.join([*words, *more])}")
    return time.perf_counter() - began


def epochs(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open() as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def training(device: str, folder: Path, answer: Answer) -> None:
    """Train each task in each precision."""
    for task, words in small(folder).items():
        for precision in PRECISIONS:
            row: Row = {"task": task, "precision": precision}
            run = folder / "runs" / f"{task}-{device}-{precision}"
            more = (f"device={device}", f"device.precision={precision}", f"hydra.run.dir={run}")
            try:
                row["seconds"] = train(words, *more)
            except (RuntimeError, SystemExit) as error:
                answer.add(row, str(error))
                continue
            found = epochs(run)
            row |= {
                "train/loss first": found[0]["train/loss"],
                "train/loss last": found[-1]["train/loss"],
                "val/loss": found[-1]["val/loss"],
                "epoch seconds": found[-1]["seconds"],
            }
            finite = all(math.isfinite(each["val/loss"]) for each in found)
            answer.add(row, "" if finite and len(found) == 2 else "a loss is not finite")


def moving(device: str, folder: Path, answer: Answer) -> None:
    """Predict on CPU and device with checkpoints of both, and train on elsewhere."""
    for task, words in small(folder).items():
        runs = {}
        for trained_on in dict.fromkeys((device, "cpu")):
            runs[trained_on] = folder / "runs" / f"{task}-{trained_on}-32-true"
            if not (runs[trained_on] / "checkpoints" / "best.ckpt").is_file():
                train(words, f"device={trained_on}", f"hydra.run.dir={runs[trained_on]}")
        for trained_on, run in runs.items():
            row: Row = {"task": task, "trained on": trained_on}
            row |= differences(task, run / "checkpoints" / "best.ckpt", folder / "data", device)
            far = row["largest difference"] > TOLERANCE
            answer.add(row, f"more than {TOLERANCE}" if far else "")
            if device == "cpu" and task != "forecasting":
                # Nothing moves here.
                continue
            elsewhere = "cpu" if trained_on != "cpu" else device
            on = folder / "runs" / f"{task}-{trained_on}-then-{elsewhere}"
            more = (f"checkpoint={run / 'checkpoints' / 'last.ckpt'}", "trainer.max_epochs=3")
            train(words, *more, f"device={elsewhere}", f"hydra.run.dir={on}")
            row = {"task": task, "trained on": trained_on, "trained on after that": elsewhere}
            row["train/loss"] = epochs(on)[-1]["train/loss"]
            numbers = [each["epoch"] for each in epochs(on)]
            answer.add(row, "" if numbers[-1] == 3 else f"epochs {numbers}")


def differences(task: str, checkpoint: Path, data: Path, device: str) -> Row:
    """Return the largest difference between predictions on the CPU and on the device."""
    import gru_suite

    inputs = raw_inputs(task, data)
    expected = values(gru_suite.load(checkpoint).predict(inputs))
    other = gru_suite.load(checkpoint, "cuda" if device == "gpu" else "cpu")
    scale = max(1.0, float(np.abs(expected).max()))
    row: Row = {"predictions": expected.size}
    with tensor_float_32(False):
        row["largest difference"] = float(np.abs(values(other.predict(inputs)) - expected).max())
    with tensor_float_32(True):
        # torch's default on GPUs that have it.
        by_default = float(np.abs(values(other.predict(inputs)) - expected).max())
    row["with TF32"] = by_default if device == "gpu" else None
    row["largest difference"] /= scale
    return row


@contextmanager
def tensor_float_32(allowed: bool) -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def raw_inputs(task: str, data: Path) -> Any:
    """Return inputs for ``predict``."""
    if task == "forecasting":
        return str(data / "series.csv")
    if task == "sentiment":
        lines = (data / "texts.csv").read_text().splitlines()[1:33]
        return [line.rpartition(",")[0] for line in lines]
    pattern = "sounds/*/*.wav" if task == "speech_commands" else "videos/*/*.mp4"
    return sorted(map(str, data.glob(pattern)))[::3]


def values(predictions: Any) -> NDArray[np.float64]:
    """Return all numbers of predictions."""
    if hasattr(predictions, "probability_NK"):
        return np.asarray(predictions.probability_NK, np.float64)
    frame = predictions.to_frame().select_dtypes("number")
    return np.asarray(frame.to_numpy(), np.float64)


def processes(device: str, folder: Path, answer: Answer) -> None:
    """Train in two processes on one device as two nodes, and compare with one process.

    NCCL refuses two processes on one GPU, gloo does not.
    """
    nothing_drawn = ["task.input_dropout=0", "task.head_dropout=0"]
    words = [*small(folder)["forecasting"], *nothing_drawn]
    one, two = folder / "runs" / "one", folder / "runs" / "two"
    train(words, f"device={device}", f"hydra.run.dir={one}")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    command += ["--rdzv-id=gpu-report", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}"]
    command += ["-m", "gru_suite", *words, *COMMON, "device=multi_node", "device.devices=1"]
    command += [f"device.accelerator={device}", "device.strategy=ddp_gloo", f"hydra.run.dir={two}"]
    # One GPU for both, also where there are more.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "0"} if device == "gpu" else os.environ
    began = time.perf_counter()
    nodes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = "".join(node.communicate()[0] for node in nodes)
    print(printed)
    seconds = time.perf_counter() - began
    codes = [node.returncode for node in nodes]
    if any(codes):
        answer.add({"seconds": seconds}, f"exit codes {codes}")
        return
    for alone, both in zip(epochs(one), epochs(two), strict=True):
        row: Row = {"epoch": int(alone["epoch"]), "seconds of both": seconds}
        problem = ""
        for name in ("train/loss", "val/loss"):
            row |= {f"{name} of one": alone[name], f"{name} of two": both[name]}
            if not math.isclose(alone[name], both[name], rel_tol=1e-3):
                problem = f"{name} differs"
        lines = len(re.findall(rf"epoch {row['epoch']}/", printed))
        answer.add(row, problem or ("" if lines == 1 else f"{lines} lines of one epoch"))


PARTS: dict[str, Callable[[str, Path, Answer], None]] = {
    "training": training,
    "moving": moving,
    "processes": processes,
}


def run_part(parts: dict[str, Callable[[str, Path, Answer], None]]) -> int:
    """Run the part that the command line names; return its exit code."""
    part, device, folder, answer = sys.argv[1:]
    torch.set_num_threads(1)
    found = Answer(Path(answer))
    parts[part](device, Path(folder), found)
    print(*found.failures, sep="\n")
    return int(bool(found.failures))


if __name__ == "__main__":
    sys.exit(run_part(PARTS))
