"""Raw inputs of predictions: paths, folders, arrays of samples.

Shapes: B batch, S samples.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.data.cache import in_threads
from gru_suite.data.unreadable_files import find_files, report_left_out
from gru_suite.errors import UserError
from gru_suite.files import existing_folder

from .reading.loudest_segment import loudest, read_loudest
from .reading.open_sound import open_sound
from .reading.sound_files import MIN_SECONDS, SUFFIXES, is_sound_file, read_sound, resample

Clip = NDArray[np.float32]
# Files decoded at once.
_CHUNK = 256
# Floats beyond this multiple of full scale are not normalised.
_LOUDEST = 64.0
MAX_HOURS = 2
"""Largest length of a recording that is processed whole."""


def is_samples(raw: Any) -> bool:
    """Return whether an input is samples, or a pair of samples and their rate."""
    paired = isinstance(raw, tuple) and len(raw) == 2 and isinstance(raw[1], Real)
    return isinstance(raw[0] if paired else raw, np.ndarray | Tensor)


def to_samples(raw: Any, sample_rate_hz: int, min_seconds: float = MIN_SECONDS) -> Clip:
    """Return an array, or a pair of an array and its rate, as samples at the given rate, (S,).

    Args:
        raw: integers, or floats of full scale 1.0; one channel, or several as the shorter axis.
        sample_rate_hz: of the result, and of an array without a rate.
        min_seconds: smallest duration.

    Raises:
        UserError: not samples, too few, or not finite.
    """
    given, rate_hz = raw if isinstance(raw, tuple) else (raw, sample_rate_hz)
    if not (math.isfinite(rate_hz) and rate_hz >= 1 and rate_hz == int(rate_hz)):
        raise UserError(f"samples at {rate_hz} Hz: needs a whole number of at least 1")
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if array.dtype.kind not in "iuf":
        raise UserError(f"samples of type {array.dtype}: needs integers or floats")
    samples = _full_scale(array)
    if samples.ndim == 2 and samples.size:
        # The order of the axes differs between libraries; there are more samples than channels.
        samples = samples.mean(int(np.argmin(samples.shape)))
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise UserError(f"samples of shape {array.shape}: needs finite numbers, (samples,)")
    if len(samples) < min_seconds * rate_hz:
        raise UserError(
            f"{len(samples)} samples at {rate_hz} Hz: less than {1000 * min_seconds:.0f} ms"
        )
    loudest_level = float(np.abs(samples).max())
    if loudest_level > _LOUDEST:
        raise UserError(
            f"samples up to {loudest_level:,.0f}: floats have a full scale of 1.0; divide those of "
            "16 bits by 32768, or give them as int16"
        )
    return resample(samples, int(rate_hz), sample_rate_hz)


def _full_scale(array: NDArray[Any]) -> Clip:
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    half = np.float32(2.0 ** (8 * array.dtype.itemsize - 1))
    # Silence of unsigned samples, as in 8-bit files, is half of their range.
    return array.astype(np.float32) / half - (array.dtype.kind == "u")


def read_input(path: str | Path, sample_rate_hz: int) -> Clip:
    """Read a sound file as :func:`read_sound` does.

    Raises:
        UserError: the file does not exist or cannot be read.
    """
    return _reported(Path(path).expanduser(), lambda file: read_sound(file, sample_rate_hz))


def check_duration(path: str | Path) -> None:
    """Check that a recording is short enough to be processed in memory.

    Raises:
        UserError: it is longer than ``MAX_HOURS``.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        # The reader reports it.
        return
    try:
        with open_sound(file) as sound:
            seconds = sound.seconds
            if seconds is None:
                # Its header does not say.
                lengths = accumulate(len(block) for block in sound.blocks())
                longest = 3600 * MAX_HOURS * sound.rate_hz
                seconds = next((n for n in lengths if n > longest), 0) / sound.rate_hz
    except ValueError:
        return
    if seconds > 3600 * MAX_HOURS:
        raise UserError(
            f"input {path}: {seconds / 3600:.1f} hours of sound; at most {MAX_HOURS} hours are "
            "processed at once: split the file"
        )


def _reported(path: Path, read: Callable[[Path], Clip]) -> Clip:
    if not path.is_file():
        raise UserError(f"input {path}: no such file")
    try:
        return read(path)
    except ValueError as error:
        raise UserError(f"input {path}: {error}") from error


def read_inputs(
    raw: Any, sample_rate_hz: int, max_samples: int | None = None
) -> Iterator[tuple[list[str], list[Clip]]]:
    """Yield the clips of a recording, a list of them, or a folder, in chunks.

    Unreadable files of a folder are left out, with a warning that lists them.

    Args:
        raw: a path or samples (:func:`to_samples`), a list of these, or a folder.
        sample_rate_hz: of the clips.
        max_samples: of a longer recording the segment of this length with the highest energy is
            taken; None takes recordings whole, of at most ``MAX_HOURS``.

    Yields:
        Names and clips of a chunk.

    Raises:
        UserError: a given file cannot be read, no file of the folder can, or the input is of
            another type.
    """
    folder = existing_folder(raw)
    if folder is None:
        single = isinstance(raw, str | Path) or is_samples(raw)
        items = [raw] if single else _checked_list(raw)
        yield from _chunks(items, lambda each: _read_one(each, sample_rate_hz, max_samples))
        return
    paths, others = find_files(folder, is_sound_file)
    unreadable: dict[str, str] = {}

    def read(path: Path) -> Clip | None:
        try:
            return _read_file(path, sample_rate_hz, max_samples)
        except ValueError as error:
            unreadable[path.relative_to(folder).as_posix()] = str(error)
            return None

    yield from _chunks(paths, read)
    report_left_out(folder, len(paths), unreadable, others, "sound file", SUFFIXES)


def _checked_list(raw: Any) -> list[Any]:
    items = list(raw) if isinstance(raw, list | tuple) else [raw]
    for each in items:
        if not (isinstance(each, str | Path) or is_samples(each)):
            raise UserError(
                f"input of type {type(each).__name__}: needs the path of a sound file, samples as "
                "a NumPy array or a torch tensor, a pair of such an array and its rate in Hz, or a "
                "list of these"
            )
    if not items:
        raise UserError("an empty list: at least one recording is needed")
    return items


def _read_one(each: Any, sample_rate_hz: int, max_samples: int | None) -> Clip:
    if is_samples(each):
        samples_S = to_samples(each, sample_rate_hz)
        return samples_S if max_samples is None else loudest_segment(samples_S, max_samples)
    path = Path(each).expanduser()
    return _reported(path, lambda file: _read_file(file, sample_rate_hz, max_samples))


def _read_file(path: Path, sample_rate_hz: int, max_samples: int | None) -> Clip:
    if max_samples is not None:
        return read_loudest(path, sample_rate_hz, max_samples)
    check_duration(path)
    return read_sound(path, sample_rate_hz)


def _chunks(
    items: Sequence[Any], read: Callable[[Any], Clip | None]
) -> Iterator[tuple[list[str], list[Clip]]]:
    for start in range(0, len(items), _CHUNK):
        chunk = items[start : start + _CHUNK]
        names = ["samples" if is_samples(each) else str(each) for each in chunk]
        # Starting threads takes longer than reading one clip.
        clips = [read(chunk[0])] if len(chunk) == 1 else in_threads(read, chunk)
        readable = [
            (name, clip) for name, clip in zip(names, clips, strict=True) if clip is not None
        ]
        yield [name for name, _ in readable], [clip for _, clip in readable]


def loudest_segment(samples_S: Clip, length: int) -> Clip:
    """Return the segment of ``length`` samples with the highest energy; a shorter clip whole."""
    if len(samples_S) <= length:
        return samples_S
    start = loudest(samples_S, length, max(1, length // 100))
    return samples_S[start : start + length]


def pad_clips(clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
    """Return clips padded on the right, shape (B, S), and the samples of each, shape (B,)."""
    lengths_B = torch.tensor([len(clip) for clip in clips])
    x_BS = torch.zeros(len(clips), int(lengths_B.max()))
    for row, clip in enumerate(clips):
        x_BS[row, : len(clip)] = torch.from_numpy(np.ascontiguousarray(clip))
    return x_BS, lengths_B
