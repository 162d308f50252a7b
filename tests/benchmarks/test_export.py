"""One sequence by onnxruntime against PyTorch, in turns, on one thread.

The medians of both and their ratio (below 1: onnxruntime is faster) are printed and in the
extra_info of each benchmark. No time is asserted.
"""

import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from export_fixtures import forecasting, sentiment

from gru_suite.model.export.module import ExportModule
from gru_suite.model.export.onnx.file import open_onnx, write_onnx
from gru_suite.tasks.speech_commands.task import SpeechCommandsTask
from gru_suite.tasks.video_action.task import VideoActionTask

ROUNDS = 40

pytestmark = pytest.mark.slow


def of_usual_size(name: str) -> ExportModule:
    """Return a task with the sizes of its config."""
    torch.manual_seed(0)
    backbone: dict[str, Any] = {"cell": "gru", "hidden_size": 64, "bidirectional": True}
    labels = {"labels": [str(k) for k in range(10)], "class_counts": [1] * 10}
    if name == "forecasting":
        changes = {"lookback": 168, "horizon": 24, "season_length": 24}
        return forecasting({"cell": "gru", "hidden_size": 128}, **changes).export_module()
    if name == "sentiment":
        return sentiment(backbone, [3, 6]).export_module()
    if name == "speech_commands":
        facts = {"sample_rate_hz": 16_000, "clip_samples": 16_000, "max_samples": 16_000}
        backbone["hidden_size"] = 128
        return SpeechCommandsTask(backbone, {**labels, **facts}).eval().export_module()
    facts = {"size": [64, 64], "num_frames": 16, "frame_rate_hz": None, "test_clips": 1}
    return VideoActionTask(backbone, {**labels, **facts}).eval().export_module()


@pytest.mark.parametrize("name", ["forecasting", "sentiment", "speech_commands", "video_action"])
def test_latency_of_one_sequence(benchmark: Any, name: str, tmp_path: Path) -> None:
    module = of_usual_size(name)
    write_onnx(module, tmp_path / "m.onnx")
    run = open_onnx(tmp_path / "m.onnx", num_threads=1)
    inputs = module.examples(1, module.steps[-1], torch.Generator().manual_seed(0))
    times: dict[str, list[float]] = {"onnxruntime": [], "torch": []}

    def both() -> None:
        started = time.perf_counter()
        run(inputs)
        between = time.perf_counter()
        with torch.inference_mode():
            module(*inputs)
        times["onnxruntime"].append(between - started)
        times["torch"].append(time.perf_counter() - between)

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=5)
    found = {kind: 1000 * median(each[5:]) for kind, each in times.items()}
    ratio = found["onnxruntime"] / found["torch"]
    benchmark.extra_info.update(found, ratio=ratio)
    print(f"{name}: {found['onnxruntime']:.2f} ms against {found['torch']:.2f} ms, {ratio:.2f}")
