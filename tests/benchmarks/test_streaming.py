"""Time of one step of a stream of each task, and the real-time factor of speech.

Each benchmark's extra_info has the milliseconds at the 50th and 99th percentile and those of the
backbone's step alone (``pytest -m slow tests/benchmarks/test_streaming.py -s`` prints a table).
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gru_suite.task import SequenceTask
from gru_suite.testing import build, compose_config

STEPS, WARMUP_STEPS = 400, 30
STEP_MS = 20
# Half of a core of the slowest machine that this ran on, at ten streams.
MOST_REAL_TIME = 0.05

pytestmark = pytest.mark.slow

OPTIONS = {
    "forecasting": [],
    "sentiment": ["backbone.bidirectional=false"],
    "speech_commands": ["task.causal=true", "task.pooling=last", "backbone.bidirectional=false"],
    "video_action": ["task.causal=true", "backbone.bidirectional=false"],
}
STEP_NAMES = {
    "forecasting": "an hour",
    "sentiment": "a word",
    "speech_commands": f"{STEP_MS} ms",
    "video_action": "a frame",
}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


def chunks_of(name: str, task: SequenceTask, raw: Any) -> list[Any]:
    """Return what comes in each step, the example over and over."""
    if name == "forecasting":
        lookback = int(task.schema["lookback"])
        later = [raw.iloc[lookback - 1 :].assign(time=None)] * 20
        rows = [raw.iloc[:lookback]]
        for number, row in enumerate(part.iloc[[i]] for part in later for i in range(len(part))):
            last = raw["time"].iloc[lookback - 1]
            rows.append(row.assign(time=last + (number + 1) * np.timedelta64(1, "h")))
        return rows
    if name == "sentiment":
        return [word + " " for word in raw.split()] * STEPS
    samples = raw[0] if isinstance(raw, tuple) else raw
    size = raw[1] * STEP_MS // 1000 if isinstance(raw, tuple) else 1
    ends = range(size, len(samples) + 1, size)
    return [samples[end - size : end] for end in ends] * STEPS


def milliseconds(step: Callable[[Any], Any], chunks: list[Any]) -> np.ndarray:
    times_s = []
    for chunk in chunks:
        start = time.perf_counter()
        step(chunk)
        times_s.append(time.perf_counter() - start)
    return 1e3 * np.array(times_s[WARMUP_STEPS:])


@torch.inference_mode()
def backbone_milliseconds(task: SequenceTask) -> np.ndarray:
    x_1F, state = torch.zeros(1, task.backbone.input_size), None

    def step(_: Any) -> None:
        nonlocal state
        _, state = task.backbone.step(x_1F, state)

    return milliseconds(step, [None] * STEPS)


@pytest.mark.parametrize("name", OPTIONS)
def test_step(benchmark, capsys, name):
    task, data = build(compose_config([f"task={name}", *OPTIONS[name]]))
    stream = task.eval().stream()
    chunks = chunks_of(name, task, data.raw_examples(1)[0])[: STEPS + WARMUP_STEPS]
    times: list[np.ndarray] = []
    benchmark.pedantic(lambda: times.append(milliseconds(stream.push, chunks)), rounds=1)
    p50, p99 = np.percentile(times[0], [50, 99])
    alone = float(np.median(backbone_milliseconds(task)))
    benchmark.extra_info |= {"p50_ms": p50, "p99_ms": p99, "backbone_ms": alone}
    line = (
        f"{name:16} {STEP_NAMES[name]:8} p50 {p50:.2f} ms, p99 {p99:.2f} ms, backbone {alone:.2f}"
    )
    if name == "speech_commands":
        real_time = float(times[0].mean()) / STEP_MS
        benchmark.extra_info["real_time_factor"] = real_time
        line += f", real-time factor {real_time:.4f}"
        assert real_time < MOST_REAL_TIME
    with capsys.disabled():
        print(f"\n{line}")
