"""Recordings of any length in little memory: only the stretch that is judged is kept.

Shapes: S samples, T steps between places that are compared.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from gru_suite.data.unreadable_files import check_complete

from .sound_files import read_sound, reason_of, resample

# Up to this long a file is read at once, which is simpler and keeps every sample's place.
_WHOLE_SECONDS = 300.0
# Places compared within the length of a stretch, as for a recording in memory.
_STEPS = 100
_STEPS_AT_ONCE = 4096


def loudest(samples_S: NDArray[Any], length: int, step: int) -> int:
    """Return where the stretch of ``length`` samples with the most energy begins.

    Args:
        samples_S: at least ``length`` samples.
        length: of the stretch.
        step: distance of the places that are compared.
    """
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples_S.astype(np.float64)))])
    starts = np.arange(0, len(samples_S) - length + 1, step)
    return int(starts[np.argmax(energy[starts + length] - energy[starts])])


def read_loudest(path: Path, sample_rate_hz: int, max_samples: int) -> NDArray[np.float32]:
    """Return the ``max_samples`` samples of a file with the most energy; a shorter file whole.

    Raises:
        ValueError: it cannot be read; the message says why, without the name.
    """
    check_complete(path, b"WAVE")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > _WHOLE_SECONDS * file.samplerate:
                stretch_S = _search(file, sample_rate_hz, max_samples)
                return resample(stretch_S, file.samplerate, sample_rate_hz)[:max_samples]
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(reason_of(error)) from error
    samples_S = read_sound(path, sample_rate_hz)
    if len(samples_S) <= max_samples:
        return samples_S
    start = loudest(samples_S, max_samples, max(1, max_samples // _STEPS))
    return samples_S[start : start + max_samples]


def _search(
    file: soundfile.SoundFile, sample_rate_hz: int, max_samples: int
) -> NDArray[np.float32]:
    """Go through a file once for its energy, and read the best stretch at the file's rate."""
    length = math.ceil(max_samples * file.samplerate / sample_rate_hz)
    step = max(1, length // _STEPS)
    energies: list[NDArray[np.float64]] = []
    for block in file.blocks(step * _STEPS_AT_ONCE, dtype="float32", always_2d=True):
        samples_S = block.mean(axis=1)
        if not np.isfinite(samples_S).all():
            raise ValueError("holds NaN or infinite samples")
        places = np.arange(0, len(samples_S), step)
        energies.append(np.add.reduceat(np.square(samples_S, dtype=np.float64), places))
    total_T = np.concatenate([[0.0], np.cumsum(np.concatenate(energies))])
    span = min(_STEPS, len(total_T) - 1)
    file.seek(int(np.argmax(total_T[span:] - total_T[:-span])) * step)
    found: NDArray[np.float32] = file.read(length, dtype="float32", always_2d=True).mean(axis=1)
    return found
