"""What a trained model costs: memory of the process, and time of a prediction."""

import statistics
import sys
import time

import torch

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.training.sequence_task import SequenceTask

_PREDICTIONS, _LIMIT_SECONDS = 20, 2.0


def measure_costs(task: SequenceTask, data: SequenceDataModule) -> dict[str, float]:
    """Return the peak memory of this process and the latency of a single prediction.

    Args:
        task: the trained task.
        data: whose first raw example is predicted.

    Returns:
        ``peak_memory_mb`` (resident set), ``peak_gpu_memory_mb`` (allocated by torch, on a GPU),
        ``inference_ms`` (median of up to 20 predictions from raw input, batch 1; where the data
        has raw examples), and what the model makes of it (:meth:`SequenceModel.speed`).
    """
    costs = {}
    if (peak := _peak_memory_mb()) is not None:
        costs["peak_memory_mb"] = peak
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        costs["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6, 1)
    examples = data.raw_examples(1)
    if examples:
        model = task.model.eval()
        model.predict(examples[0])
        times: list[float] = []
        began = time.perf_counter()
        while len(times) < _PREDICTIONS and time.perf_counter() - began < _LIMIT_SECONDS:
            started = time.perf_counter()
            model.predict(examples[0])
            times.append(1000 * (time.perf_counter() - started))
        median_ms = statistics.median(times)
        costs["inference_ms"] = round(median_ms, 3)
        costs |= {k: round(v, 4) for k, v in model.speed(examples[0], median_ms / 1000).items()}
    return costs


def _peak_memory_mb() -> float | None:
    try:
        import resource
    except ImportError:
        # Windows.
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
