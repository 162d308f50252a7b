"""Return of freed memory to the system."""

import ctypes
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pytorch_lightning as pl

EVERY_S = 30.0


class ReleaseMemory(pl.Callback):
    """Return freed memory to the system every half minute of training.

    Batches of unequal lengths leave holes between the blocks of GNU's allocator, which it keeps: a
    training that uses 400 MB at once has grown to 4 GB in half an hour. Reading the holes in again
    takes some hundredths of a second.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        """Set the time between two returns, in seconds."""
        self._every_s, self._last = every_s, time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Return freed memory where it is time."""
        now = time.monotonic()
        if now - self._last >= self._every_s:
            release_memory()
            self._last = now


def release_memory() -> None:
    """Return freed memory of the process to the system; of no effect without GNU's C library."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    trim.argtypes = [ctypes.c_size_t]
    return trim  # type: ignore[no-any-return]
