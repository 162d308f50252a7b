"""Freed memory goes back to the system."""

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gru_suite.training.callbacks import memory
from gru_suite.training.callbacks.memory import ReleaseMemory


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="the allocator is not GNU's",
)
def test_holes_between_blocks_in_use_are_returned() -> None:
    # 100 KB each, below what the allocator maps from the system one by one.
    blocks = [torch.ones(25_000) for _ in range(3_000)]
    kept = blocks[::2]
    del blocks
    before = resident_mb()
    memory.release_memory()
    assert before - resident_mb() > 100
    assert all(bool((block == 1).all()) for block in kept)


def test_it_is_done_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    times, calls = iter([0.0, 10.0, 31.0, 40.0, 61.0, 62.0]), []
    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: next(times)))
    monkeypatch.setattr(memory, "release_memory", lambda: calls.append(1))
    callback, nothing = ReleaseMemory(30.0), object()
    counts = []
    for _ in range(5):
        batch: tuple[Any, ...] = (nothing, nothing, nothing, nothing, 0)
        callback.on_train_batch_end(*batch)
        counts.append(len(calls))
    assert counts == [0, 1, 1, 2, 2]
