"""Columns in files that are mapped into memory; what was read can be released again."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FILL_ITEMS = 1 << 22


def create_column(path: Path, length: int, dtype: DTypeLike, fill: float) -> NDArray[Any]:
    """Write a column of one value, and map it for writing."""
    block = np.full(min(length, _FILL_ITEMS), fill, dtype)
    with path.open("wb") as file:
        for start in range(0, length, _FILL_ITEMS):
            file.write(block[: length - start].data)
    return np.memmap(path, dtype, mode="r+", shape=(length,))


def map_column(path: Path, length: int, dtype: DTypeLike) -> NDArray[Any]:
    """Map a column; torch needs arrays that may be written, so writes go to private copies."""
    return np.memmap(path, dtype, mode="c", shape=(length,))


def release(column: NDArray[Any]) -> None:
    """Take the pages of a mapped column out of this process's memory.

    They stay in the system's cache of files as long as there is room.
    """
    mapped = getattr(column, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
