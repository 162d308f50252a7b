"""Cache of decoded frames and their times, by the content of the files.

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

# To be increased when the same files are decoded to other frames.
_CACHE_FORMAT = 1


class DecodedFiles(NamedTuple):
    """Decoded video files.

    Attributes:
        frames: uint8 of shape (T, H, W, 3) for each readable video.
        times: times of the frames in seconds and the end of the last one; shape (E,) for each.
        clip_of_file: index in both of each file; None for an unreadable file.
        unreadable: reason of each unreadable file, by its index.
        folder: folder of the cached arrays.
    """

    frames: RaggedArrays
    times: RaggedArrays
    clip_of_file: list[int | None]
    unreadable: dict[int, str]
    folder: Path


def decode_files(
    files: Sequence[Path], sampling: Sampling, height: int, width: int, cache: Path
) -> DecodedFiles:
    """Decode videos, or open them in the cache.

    Args:
        files: paths.
        sampling: frames to decode.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        cache: folder of decoded videos, with a subfolder for each content and settings.

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
        frame_arrays = write_arrays(folder / "frames", frames, "u1", facts, (height, width, 3))
        # Written last: existing times mean complete frames.
        return frame_arrays, write_arrays(folder / "times", times, "f8", {})

    frames, times = build_once(folder, lambda: _open(folder), build)
    clip_of_file: list[int | None] = [None] * len(files)
    for clip, number in enumerate(frames.facts["file"]):
        clip_of_file[number] = clip
    unreadable = {int(number): str(reason) for number, reason in frames.facts["bad"].items()}
    return DecodedFiles(frames, times, clip_of_file, dict(sorted(unreadable.items())), folder)


def readable_size(num_bytes: int) -> str:
    """Return a size as text, such as ``253 MB``."""
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
    """Yield the frames of readable files, and append their indices to facts and their times."""
    with Progress(disable=not sys.stdout.isatty(), transient=True) as progress:
        for number, result in progress.track(
            decode_all(files, sampling, height, width), total=len(files), description="decoding"
        ):
            if isinstance(result, str):
                facts["bad"][str(number)] = result
                continue
            facts["file"].append(number)
            times.append(np.append(result.time_T, result.end))
            yield result.frames_THWC
