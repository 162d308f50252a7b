"""What a person gives to be recognised: paths, folders, arrays.

Shapes: B batch, S samples.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.bad_files import name_bad
from gru_suite.cache import in_threads
from gru_suite.errors import UserError

from .batches import AudioBatch
from .decode import is_sound_file, read_sound, resample
from .parts import loudest

Clip = NDArray[np.float32]
# Files in memory at once.
_CHUNK = 256


def is_samples(raw: Any) -> bool:
    """Tell samples, or a pair of samples and their rate, from paths."""
    paired = isinstance(raw, tuple) and len(raw) == 2 and isinstance(raw[1], Real)
    return isinstance(raw[0] if paired else raw, np.ndarray | Tensor)


def to_samples(raw: Any, sample_rate_hz: int) -> Clip:
    """Return an array, or a pair of an array and its rate, as samples at the given rate, (S,).

    Args:
        raw: integers, or floats of full scale 1.0; one channel, or several as the shorter axis.
        sample_rate_hz: the rate of the result, and of an array that comes without one.

    Raises:
        UserError: no samples, or some that are no finite numbers.
    """
    given, rate_hz = raw if isinstance(raw, tuple) else (raw, sample_rate_hz)
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    full_scale = np.iinfo(array.dtype).max + 1 if np.issubdtype(array.dtype, np.integer) else 1
    samples = array.astype(np.float32) / np.float32(full_scale)
    if samples.ndim == 2:
        # Libraries differ in the order of the axes; there are always more samples than channels.
        samples = samples.mean(int(np.argmin(samples.shape)))
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise UserError(f"samples of shape {array.shape}: needs finite numbers, (samples,)")
    return resample(samples, int(rate_hz), sample_rate_hz)


def read_input(path: str | Path, sample_rate_hz: int) -> Clip:
    """Read a sound file as :func:`read_sound` does.

    Raises:
        UserError: it does not exist or cannot be read; the message names it.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"input {path}: no such file")
    try:
        return read_sound(path, sample_rate_hz)
    except ValueError as error:
        raise UserError(f"input {path}: {error}") from error


def read_inputs(
    raw: Any, sample_rate_hz: int, max_samples: int
) -> Iterator[tuple[list[str], list[Clip]]]:
    """Read a recording, a list of them, or a folder, some hundred at a time.

    In a folder files that cannot be read are left out, with a warning that names them.

    Args:
        raw: a path or samples (:func:`to_samples`), a list of these, or a folder.
        sample_rate_hz: of the clips.
        max_samples: of a longer recording its loudest stretch of this length is taken.

    Yields:
        Names and samples.

    Raises:
        UserError: a file that was named cannot be read, or none in the folder; or something else
            than recordings was given.
    """
    folder = Path(raw).expanduser() if isinstance(raw, str | Path) else None
    if folder is None or not folder.is_dir():
        single = folder is not None or is_samples(raw)
        items = [raw] if single else _checked_list(raw)
        yield from _chunks(items, lambda each: _read_one(each, sample_rate_hz), max_samples)
        return
    paths = sorted(each for each in folder.rglob("*") if is_sound_file(each))
    bad: dict[str, str] = {}

    def read(path: Path) -> Clip | None:
        try:
            return read_sound(path, sample_rate_hz)
        except ValueError as error:
            bad[path.relative_to(folder).as_posix()] = str(error)
            return None

    yield from _chunks(paths, read, max_samples)
    if len(bad) == len(paths):
        found = f": {name_bad(bad)}" if bad else " (.wav, .flac, .ogg, .mp3)"
        raise UserError(f"input {folder}: no readable sound file in this folder{found}")
    if bad:
        # The threads may have come to them in any order.
        bad = dict(sorted(bad.items()))
        warnings.warn(f"left out {len(bad)} unreadable: {name_bad(bad)}", stacklevel=2)


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


def _read_one(each: Any, sample_rate_hz: int) -> Clip:
    read = to_samples if is_samples(each) else read_input
    return read(each, sample_rate_hz)


def _chunks(
    items: Sequence[Any], read: Callable[[Any], Clip | None], max_samples: int
) -> Iterator[tuple[list[str], list[Clip]]]:
    for start in range(0, len(items), _CHUNK):
        some = items[start : start + _CHUNK]
        names = ["samples" if is_samples(each) else str(each) for each in some]
        # A thread costs more than one clip.
        read_all = [read(some[0])] if len(some) == 1 else in_threads(read, some)
        good = [
            (name, clip) for name, clip in zip(names, read_all, strict=True) if clip is not None
        ]
        yield [name for name, _ in good], [loudest_stretch(clip, max_samples) for _, clip in good]


def loudest_stretch(samples_S: Clip, length: int) -> Clip:
    """Return the ``length`` samples with the most energy; a shorter clip whole."""
    if len(samples_S) <= length:
        return samples_S
    start = loudest(samples_S, length, max(1, length // 100))
    return samples_S[start : start + length]


def to_batch(clips: Sequence[Clip]) -> AudioBatch:
    """Pad clips to a batch of no known class or speaker."""
    lengths_B = torch.tensor([len(clip) for clip in clips])
    x_BS = torch.zeros(len(clips), int(lengths_B.max()))
    for row, clip in enumerate(clips):
        x_BS[row, : len(clip)] = torch.from_numpy(np.ascontiguousarray(clip))
    none_B = torch.full_like(lengths_B, -1)
    no_noise_B0, no_levels = x_BS.new_empty(len(clips), 0), x_BS.new_empty(0)
    return AudioBatch(x_BS, lengths_B, none_B, none_B, no_noise_B0, no_levels)
