"""Measured parts of docs/scaling.md, and its tables: ``python tests/benchmarks/scaling.py``.

Measured, in CPU time of one thread (other work on the machine does not count): parameters, a step
in training of each task's default recipe on its embedded data, and its loader. Assumed: the
constants.
"""

import argparse
import statistics
import time
from itertools import islice
from typing import Any, NamedTuple

import torch
from hydra import compose, initialize_config_module
from torch import Tensor

from gru_suite.cli.search_path import prepare_hydra
from gru_suite.training.trainer import build_data, build_task

TASKS = ("forecasting", "sentiment", "speech_commands", "video_action")
GPUS = (1, 8, 64, 512)
# Assumptions. A GPU against one thread of this CPU; not measured, so a variable.
SPEED_UP = 50.0
# Least time of a step, however small its batch: kernels of a recurrence start one after another.
LEAST_STEP_S = 4e-3
# Bytes a second of one GPU in a node (NVLink 4: 450 GB/s a direction, 80 % of it), and of its share
# of the network between nodes (one NDR InfiniBand port a GPU: 400 Gbit/s = 50 GB/s, 80 % of it).
NODE_GPUS, NODE_BYTES_S, NETWORK_BYTES_S = 8, 360e9, 40e9
# Seconds of one message, within and between nodes.
NODE_LATENCY_S, NETWORK_LATENCY_S = 3e-6, 8e-6


class Measured(NamedTuple):
    """Measured parts of a task."""

    parameters: int
    gradient_bytes: int
    batch_size: int
    batch_bytes: int
    step_s: float
    loader_bytes_s: float


def measure(task_name: str, steps: int) -> Measured:
    """Measure a task's default recipe."""
    prepare_hydra()
    with initialize_config_module("gru_suite.conf", version_base="1.3"):
        cfg = compose("train", [f"task={task_name}", "device=cpu"])
    data = build_data(cfg)
    task = build_task(cfg, data).train()
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-4)
    loader = data.loader("train", shuffle=True)
    next(iter(loader))
    began = time.process_time()
    batches = list(islice(loader, steps + 1))
    seconds = time.process_time() - began
    sizes = [bytes_of(batch) for batch in batches]
    times = []
    for batch in batches:
        if hasattr(data, "augment_batch"):
            batch = data.augment_batch(batch, torch.Generator().manual_seed(0))
        began = time.process_time()
        optimizer.zero_grad()
        task.loss(task.model(batch), batch).backward()
        optimizer.step()
        times.append(time.process_time() - began)
    trained = [each for each in task.parameters() if each.grad is not None]
    return Measured(
        sum(each.numel() for each in trained),
        sum(4 * each.numel() for each in trained),
        int(cfg.data.batch_size),
        round(statistics.mean(sizes)),
        statistics.median(times[1:]),
        sum(sizes) / seconds,
    )


def bytes_of(batch: Any) -> int:
    """Return the bytes of a batch's tensors."""
    return sum(each.numel() * each.element_size() for each in batch if isinstance(each, Tensor))


def all_reduce_s(num_bytes: float, gpus: int) -> float:
    """Return the time of a ring in each node and one between nodes (NCCL's ring is the slower)."""
    inside, nodes = min(gpus, NODE_GPUS), max(1, gpus // NODE_GPUS)
    seconds = ring_s(num_bytes, inside, NODE_BYTES_S, NODE_LATENCY_S)
    return seconds + ring_s(num_bytes / inside, nodes, NETWORK_BYTES_S, NETWORK_LATENCY_S)


def ring_s(num_bytes: float, ranks: int, bytes_s: float, latency_s: float) -> float:
    """Return 2 (n - 1) / n * bytes / bandwidth, and 2 (n - 1) messages."""
    return 2 * (ranks - 1) * (num_bytes / ranks / bytes_s + latency_s)


def table(found: Measured) -> list[str]:
    """Return the rows of a task's table."""
    lines = [
        "| GPUs | step (ms) | all-reduce (ms) | weak: global batch | weak: efficiency | weak: data "
        "(MB/s a GPU) | strong: batch a GPU | strong: step (ms) | strong: speed-up | strong: "
        "efficiency |",
        "|---:|" + "---:|" * 9,
    ]
    one = max(found.step_s / SPEED_UP, LEAST_STEP_S)
    for gpus in GPUS:
        reduce = all_reduce_s(found.gradient_bytes, gpus)
        weak = one / (one + reduce)
        rate = found.batch_bytes / (one + reduce) / 1e6
        if gpus > found.batch_size:
            strong = ["less than 1", "-", "-", "-"]
        else:
            share = max(found.step_s / SPEED_UP / gpus, LEAST_STEP_S) + reduce
            strong = [
                f"{found.batch_size / gpus:g}", f"{1e3 * share:.1f}", f"{one / share:.2f}",
                f"{100 * one / share / gpus:.0f} %",
            ]  # fmt: skip
        cells = [
            str(gpus), f"{1e3 * one:.1f}", f"{1e3 * reduce:.2f}",
            f"{gpus * found.batch_size:,}", f"{100 * weak:.0f} %", f"{rate:.1f}", *strong,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print the measured parts and the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    found = {}
    for name in options.tasks:
        found[name] = measure(name, options.steps)
    print("\n| task | parameters | gradient (MB) | batch | batch (MB) | step (ms) | examples/s | "
          "loader (MB/s) |\n|---|" + "---:|" * 7)  # fmt: skip
    for name, each in found.items():
        print(
            f"| {name} | {each.parameters:,} | {each.gradient_bytes / 1e6:.2f} | {each.batch_size} "
            f"| {each.batch_bytes / 1e6:.2f} | {1e3 * each.step_s:.0f} "
            f"| {each.batch_size / each.step_s:,.0f} | {each.loader_bytes_s / 1e6:,.0f} |"
        )
    for name, each in found.items():
        print(f"\n### {name}\n")
        print("\n".join(table(each)))


if __name__ == "__main__":
    main()
