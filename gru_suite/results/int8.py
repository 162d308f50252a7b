"""ONNX files with 8-bit weights, scored beside those with 32 bits."""

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.files import atomic_path
from gru_suite.model.export.description import describe, write_description
from gru_suite.model.export.formats import Written
from gru_suite.model.export.module import ExportModule
from gru_suite.model.export.onnx.file import open_onnx, write_onnx
from gru_suite.model.export.onnx.quantization import quantize_weights
from gru_suite.model.export.parity import Runner, compare, require_equal
from gru_suite.model.export.substitution import exported_outputs
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.trainer import make_trainer

_REPEATS = 30


def export_int8(
    task: SequenceTask,
    module: ExportModule,
    target: Path,
    facts: Mapping[str, Any],
    data: SequenceDataModule,
    device: DictConfig,
    part: str,
) -> Written:
    """Write an ONNX file with 8-bit weights and compare it with the one of 32 bits.

    Args:
        task: scores both files.
        module: of its model.
        target: the file; an existing one stays if anything fails.
        facts: further entries of the description.
        data: set up for ``part``; both files are scored on it.
        device: the config group ``device``, for scoring.
        part: ``val`` or ``test``.

    Returns:
        The files; ``check`` is of the 32-bit file.

    Raises:
        ExportError: the 32-bit file differs from the model.
    """
    with atomic_path(target) as temporary, _beside(target) as full:
        write_onnx(module, full)
        check = require_equal(module, open_onnx(full))
        constants = {name for name, _ in module.named_buffers()} - set(module.state_dict())
        quantize_weights(full, temporary, constants)
        files = {"float32": full, "int8": temporary}
        latency_ms = _latencies(module, {k: open_onnx(path, 1) for k, path in files.items()})
        variants = {
            name: {
                "size_bytes": path.stat().st_size,
                "latency_ms": latency_ms[name],
                "metrics": _score(task, module, open_onnx(path), data, device, part),
            }
            for name, path in files.items()
        }
        changed = compare(module, open_onnx(temporary)).difference
        found = {
            "format": "onnx",
            "streaming": False,
            "int8": {"weights": "8 bits, a scale for each channel", "difference": changed},
            "data": data.name,
            "part": part,
            "variants": variants,
            **facts,
        }
        description = write_description(target, describe(task.model, module, check, found))
    return Written(target, description, check, _table(task, variants, data.name, part))


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside the target."""
    path = target.with_name(f".{target.stem}-float{target.suffix}")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _score(
    task: SequenceTask,
    module: ExportModule,
    run: Runner,
    data: SequenceDataModule,
    device: DictConfig,
    part: str,
) -> dict[str, float]:
    trainer = make_trainer(device)
    test = trainer.test if part == "test" else trainer.validate
    with exported_outputs(module, run):
        scores = test(task, datamodule=data, verbose=False)[0]
    return {name.partition("/")[2]: value for name, value in scores.items()}


def _latencies(module: ExportModule, runs: Mapping[str, Runner]) -> dict[str, float]:
    """Return the median time of one sequence in milliseconds, interleaved, on one thread."""
    inputs = module.examples(1, module.steps[-1], torch.Generator().manual_seed(0))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_REPEATS):
        for name, run in runs.items():
            started = time.perf_counter()
            run(inputs)
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(each) for name, each in times.items()}


def _table(
    task: SequenceTask, variants: Mapping[str, Mapping[str, Any]], data: str, part: str
) -> list[str]:
    full, small = variants["float32"], variants["int8"]
    rows = [("", "float32", "int8", "change")]
    for name in task.better:
        if name in full["metrics"]:
            a, b = full["metrics"][name], small["metrics"][name]
            rows.append((name, f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}"))
    for name, unit, divisor in (("size_bytes", "size kB", 1000), ("latency_ms", "latency ms", 1)):
        a, b = full[name] / divisor, small[name] / divisor
        rows.append((unit, f"{a:.2f}", f"{b:.2f}", f"x{b / a:.2f}"))
    lines = [f"{name:16}{a:>12}{b:>12}{change:>12}" for name, a, b, change in rows]
    return [f"8-bit weights on {data}, {part} part", *lines]
