"""Arrays of different lengths in one memory-mapped file, written once.

Shapes: N arrays, S items of all arrays, concatenated; an item is a number or has a shape.
"""

import json
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gru_suite.errors import UserError
from gru_suite.files import atomic_path, make_folder

_VALUES, _INDEX = "values.bin", "index.npz"


class RaggedArrays(NamedTuple):
    """Memory-mapped arrays of different lengths.

    Attributes:
        values_S: items of all arrays, memory-mapped, shape (S, ...).
        start_N: index of the first item of each array.
        length_N: items of each array, at least 1.
        facts: plain data stored with them.
    """

    values_S: NDArray[Any]
    start_N: NDArray[np.int64]
    length_N: NDArray[np.int64]
    facts: dict[str, Any]

    def get(self, index: int) -> NDArray[Any]:
        """Return one array."""
        start = self.start_N[index]
        return self.values_S[start : start + self.length_N[index]]


def write_arrays(
    folder: Path,
    arrays: Iterable[NDArray[Any]],
    dtype: DTypeLike,
    facts: dict[str, Any],
    item_shape: tuple[int, ...] = (),
) -> RaggedArrays:
    """Write arrays one by one, without holding all in memory, and open them.

    Args:
        folder: created if missing; readers see nothing in it until all is written.
        arrays: each of shape (length, *item_shape) with at least one item; the iterator may still
            add to ``facts``.
        dtype: of the stored numbers, little-endian.
        facts: plain data to store with them.
        item_shape: shape of one item.

    Raises:
        UserError: the folder cannot be written, or its disk is full.
    """
    stored = np.dtype(dtype).newbyteorder("<")
    lengths: list[int] = []
    make_folder(folder)
    (folder / _INDEX).unlink(missing_ok=True)
    try:
        with atomic_path(folder / _VALUES) as temporary, temporary.open("wb") as file:
            for array in arrays:
                lengths.append(len(array))
                file.write(np.ascontiguousarray(array, dtype=stored).data)
            file.flush()
            # After a power failure there must be no index without its values.
            os.fsync(file.fileno())
        header = {"dtype": stored.str, "item_shape": list(item_shape), "facts": facts}
        with atomic_path(folder / _INDEX) as temporary:
            content = np.array(json.dumps(header))
            np.savez(temporary, length=np.array(lengths, np.int64), described=content)
    except OSError as error:
        raise UserError(
            f"cannot write the cache {folder}: {error.strerror or error}; make room there, or name "
            "another folder with data.cache_dir="
        ) from error
    written = open_arrays(folder)
    assert written is not None
    return written


def open_arrays(folder: Path) -> RaggedArrays | None:
    """Open the arrays in a folder; None where they are absent or incomplete."""
    try:
        # np.load of a path leaves a file open that is not an archive.
        with (folder / _INDEX).open("rb") as file, np.load(file) as content:
            length_N, header = content["length"], json.loads(str(content["described"]))
        size = (folder / _VALUES).stat().st_size
    # Raised for files that are cut off.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    dtype, item_shape = np.dtype(header["dtype"]), tuple(header["item_shape"])
    shape = (int(length_N.sum()), *item_shape)
    if size != dtype.itemsize * int(np.prod(shape)):
        return None
    # An empty file cannot be memory-mapped.
    values_S: NDArray[Any] = (
        np.memmap(folder / _VALUES, dtype, mode="r", shape=shape)
        if size
        else np.empty(shape, dtype)
    )
    return RaggedArrays(values_S, np.cumsum(length_N) - length_N, length_N, header["facts"])
