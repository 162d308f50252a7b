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

from gru_suite.testing.contract import build, compose_config
from gru_suite.training.sequence_task import SequenceTask

STEPS, WARMUP_STEPS = 400, 30
STEP_MS = 20
# Share of one core that following one recording may take.
MOST_REAL_TIME = 0.05

pytestmark = pytest.mark.slow

OPTIONS = {
    "forecasting": [],
    "sentiment": ["backbone.bidirectional=false"],
    "speech_commands": ["task.causal=true", "task.pooling=last", "backbone.bidirectional=false"],
    "transcription": ["task.causal=true", "backbone.bidirectional=false"],
    "video_action": ["task.causal=true", "backbone.bidirectional=false"],
    "tracking": [],
}
STEP_NAMES = {
    "forecasting": "an hour",
    "sentiment": "a word",
    "speech_commands": f"{STEP_MS} ms",
    "transcription": f"{STEP_MS} ms",
    "video_action": "a frame",
    "tracking": "a frame",
}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


def chunks_of(name: str, raw: Any) -> list[Any]:
    """Return what comes in each step, the example over and over."""
    if name == "forecasting":
        first, size = raw["time"].iloc[-1], len(raw)
        hours = (first + np.timedelta64(number + 1, "h") for number in range(STEPS + WARMUP_STEPS))
        later = [raw.iloc[[i % size]].assign(time=time) for i, time in enumerate(hours)]
        return [raw, *later]
    if name == "sentiment":
        return [word + " " for word in raw.split()] * STEPS
    if name == "tracking":
        frames_THW3, box = raw
        later = [frames_THW3[i % len(frames_THW3)] for i in range(1, STEPS + WARMUP_STEPS)]
        return [(frames_THW3[:1], box), *later]
    samples = raw[0] if isinstance(raw, tuple) else raw
    size = raw[1] * STEP_MS // 1000 if isinstance(raw, tuple) else 1
    ends = range(size, len(samples) + 1, size)
    return [samples[end - size : end] for end in ends] * STEPS


def milliseconds(step: Callable[[Any], Any], chunks: list[Any]) -> np.ndarray:
    """Return the time of each step after the first ones: by the clock and of the core, (2, N)."""
    times_s = []
    for chunk in chunks:
        start = time.perf_counter(), time.thread_time()
        step(chunk)
        times_s.append((time.perf_counter() - start[0], time.thread_time() - start[1]))
    return 1e3 * np.array(times_s[WARMUP_STEPS:]).T


@torch.inference_mode()
def backbone_milliseconds(task: SequenceTask) -> np.ndarray:
    x_1F, state = torch.zeros(1, task.model.backbone.input_size), None

    def step(_: Any) -> None:
        nonlocal state
        _, state = task.model.backbone.step(x_1F, state)

    return milliseconds(step, [None] * STEPS)


@pytest.mark.parametrize("name", OPTIONS)
def test_step(benchmark, capsys, name):
    task, data = build(compose_config([f"task={name}", *OPTIONS[name]]))
    stream = task.model.eval().stream()
    raw = data.raw_examples(3)[-1]
    chunks = chunks_of(name, raw)[: STEPS + WARMUP_STEPS]
    times = []
    benchmark.pedantic(lambda: times.append(milliseconds(stream.push, chunks)), rounds=1)
    clock_N, core_N = times[0]
    p50, p99 = np.percentile(clock_N, [50, 99])
    alone = float(np.median(backbone_milliseconds(task)[0]))
    benchmark.extra_info |= {"p50_ms": p50, "p99_ms": p99, "backbone_ms": alone}
    line = (
        f"{name:16} {STEP_NAMES[name]:8} p50 {p50:.2f} ms, p99 {p99:.2f} ms, backbone {alone:.2f}"
    )
    if name in ("speech_commands", "transcription"):
        # Of the core's own time: what else the machine does is not the stream's.
        real_time = float(np.median(core_N)) / STEP_MS
        benchmark.extra_info["real_time_factor"] = real_time
        line += f", real-time factor {real_time:.4f}"
        # A busy machine also makes the core's own time longer: the least disturbed steps count.
        assert np.percentile(core_N, 10) / STEP_MS < MOST_REAL_TIME
    with capsys.disabled():
        print(f"\n{line}")
