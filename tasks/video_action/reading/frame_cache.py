"""Decoded videos in the cache: small frames and their times, found by the files' content.

Shapes: T frames, H height, W width, E times of the frames and the end of the last one (T + 1).
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from gru_suite.data.cache import build_once, content_key
from gru_suite.data.ragged_arrays import RaggedArrays, open_arrays, write_arrays

from .decoding_processes import decode_all
from .video_files import Sampling

# Changes when the same files would be decoded to other frames.
_CACHE_FORMAT = 1


class VideoStore(NamedTuple):
    """Decoded videos.

    Attributes:
        frames: uint8 of shape (T, H, W, 3) for each readable video.
        times: seconds at which the frames are first shown, and the end; shape (E,) for each.
        clip_of_file: each file's number in both; None for an unreadable file.
        bad: why a file could not be read, by its number.
        folder: where it lies.
    """

    frames: RaggedArrays
    times: RaggedArrays
    clip_of_file: list[int | None]
    bad: dict[int, str]
    folder: Path


def decode_files(
    files: Sequence[Path], sampling: Sampling, height: int, width: int, cache: Path
) -> VideoStore:
    """Return the frames of videos, decoded now or, where their content was met before, earlier.

    Args:
        files: what to read.
        sampling: which frames are kept.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        cache: folder of the decoded videos, one subfolder for each content and these settings.

    Raises:
        UserError: the cache cannot be written or is full, or a file cannot be opened at all.
    """
    settings = f"{_CACHE_FORMAT} {tuple(sampling)} {height}x{width}"
    folder = cache / f"frames-{content_key(files, settings)}"

    def build() -> tuple[RaggedArrays, RaggedArrays]:
        size = len(files) * sampling.max_frames * height * width * 3
        print(
            f"decoding {len(files):,} videos into {folder}: at most {readable_size(size)}",
            flush=True,
        )
        facts: dict[str, Any] = {"file": [], "bad": {}}
        times: list[NDArray[np.float64]] = []
        frames = _decoded(files, sampling, height, width, facts, times)
        stored = write_arrays(folder / "frames", frames, "u1", facts, (height, width, 3))
        # The times come last: they say that the frames are complete.
        return stored, write_arrays(folder / "times", times, "f8", {})

    frames, times = build_once(folder, lambda: _open(folder), build)
    clip_of_file: list[int | None] = [None] * len(files)
    for clip, number in enumerate(frames.facts["file"]):
        clip_of_file[number] = clip
    bad = {int(number): str(reason) for number, reason in frames.facts["bad"].items()}
    return VideoStore(frames, times, clip_of_file, dict(sorted(bad.items())), folder)


def readable_size(num_bytes: int) -> str:
    """Return a size as a person reads it, such as ``253 MB``."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def _open(folder: Path) -> tuple[RaggedArrays, RaggedArrays] | None:
    frames, times = open_arrays(folder / "frames"), open_arrays(folder / "times")
    if frames is None or times is None or len(frames.length_N) != len(times.length_N):
        return None
    return frames, times


def _decoded(
    files: Sequence[Path],
    sampling: Sampling,
    height: int,
    width: int,
    facts: dict[str, Any],
    times: list[NDArray[np.float64]],
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of readable files, and write down which files they are and their times."""
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        for number, found in progress.track(
            decode_all(files, sampling, height, width), total=len(files), description="decoding"
        ):
            if isinstance(found, str):
                facts["bad"][str(number)] = found
                continue
            facts["file"].append(number)
            times.append(np.append(found.time_T, found.end))
            yield found.frames_THWC
