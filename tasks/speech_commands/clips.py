"""Many clips in one memory-mapped file, written once; reading them touches no other file.

Shapes: N clips, S samples of all clips behind each other.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.files import atomic_path

# A sample of 1.0 as it is stored; 16-bit sources come back bit for bit.
FULL_SCALE = 32768


class ClipStore(NamedTuple):
    """Clips of different lengths, opened for reading.

    Attributes:
        samples_S: 16-bit samples, memory-mapped.
        start_N: where each clip begins.
        length_N: samples of each clip, at least 1.
        facts: plain data written with them.
    """

    samples_S: NDArray[np.int16]
    start_N: NDArray[np.int64]
    length_N: NDArray[np.int64]
    facts: dict[str, Any]

    def clip(self, index: int) -> NDArray[np.int16]:
        """Return the samples of one clip."""
        start = self.start_N[index]
        return self.samples_S[start : start + self.length_N[index]]


def write_clips(
    folder: Path, clips: Iterable[NDArray[np.int16]], facts: dict[str, Any]
) -> ClipStore:
    """Write clips one by one, so that they never have to be in memory together, and open them.

    Args:
        folder: made where missing; a reader sees nothing in it until all is written.
        clips: samples, each of shape (S,) with at least one; they may still add to ``facts``.
        facts: plain data to keep with them.

    Raises:
        UserError: the folder cannot be written.
    """
    lengths: list[int] = []
    with atomic_path(folder / "samples.i16") as temporary, temporary.open("wb") as file:
        for clip in clips:
            lengths.append(len(clip))
            file.write(np.ascontiguousarray(clip, dtype="<i2").data)
    # The index comes last: it says that the samples are complete.
    with atomic_path(folder / "index.npz") as temporary:
        np.savez(temporary, length=np.array(lengths, np.int64), facts=np.array(json.dumps(facts)))
    store = open_clips(folder)
    assert store is not None
    return store


def open_clips(folder: Path) -> ClipStore | None:
    """Open what :func:`write_clips` wrote; None where it is absent or incomplete."""
    samples, index = folder / "samples.i16", folder / "index.npz"
    if not (samples.is_file() and index.is_file()):
        return None
    with np.load(index) as content:
        length_N, facts = content["length"], json.loads(str(content["facts"]))
    if samples.stat().st_size != 2 * length_N.sum():
        return None
    # An empty file cannot be mapped.
    samples_S: NDArray[np.int16] = (
        np.memmap(samples, "<i2", mode="r") if length_N.sum() else np.empty(0, np.int16)
    )
    return ClipStore(samples_S, np.cumsum(length_N) - length_N, length_N, facts)


def cache_folder(chosen: str | os.PathLike[str] | None = None) -> Path:
    """Return where decoded and synthesised audio is kept between runs.

    Args:
        chosen: a folder of the user's; None takes the system's place for caches.
    """
    if chosen:
        return Path(chosen).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "gru-suite" / "audio"
