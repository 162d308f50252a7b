"""Segment of a recording with the highest energy, found in constant memory.

Shapes: S samples, T steps between candidate positions.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from gru_suite.data.unreadable_files import check_complete

from .sound_files import read_sound, reason_of, resample

# Shorter files are read at once, which is simpler and keeps the exact positions.
_MAX_SECONDS_AT_ONCE = 300.0
# Candidate positions within the length of a segment.
_STEPS = 100
_STEPS_AT_ONCE = 4096


def loudest(samples_S: NDArray[Any], length: int, step: int) -> int:
    """Return the first sample of the segment of ``length`` samples with the highest energy.

    Args:
        samples_S: at least ``length`` samples.
        length: of the segment.
        step: distance between candidate positions.
    """
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples_S.astype(np.float64)))])
    starts = np.arange(0, len(samples_S) - length + 1, step)
    return int(starts[np.argmax(energy[starts + length] - energy[starts])])


def read_loudest(path: Path, sample_rate_hz: int, max_samples: int) -> NDArray[np.float32]:
    """Return the segment of a file with the highest energy, at most ``max_samples`` long.

    Raises:
        ValueError: it cannot be read; the message has the reason, without the name.
    """
    check_complete(path, b"WAVE")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > _MAX_SECONDS_AT_ONCE * file.samplerate:
                segment_S = _search(file, sample_rate_hz, max_samples)
                return resample(segment_S, file.samplerate, sample_rate_hz)[:max_samples]
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
    """Compute the energy block by block, and return the best segment at the file's rate."""
    length = math.ceil(max_samples * file.samplerate / sample_rate_hz)
    step = max(1, length // _STEPS)
    energies: list[NDArray[np.float64]] = []
    for block in file.blocks(step * _STEPS_AT_ONCE, dtype="float32", always_2d=True):
        samples_S = block.mean(axis=1)
        if not np.isfinite(samples_S).all():
            raise ValueError("holds NaN or infinite samples")
        positions = np.arange(0, len(samples_S), step)
        energies.append(np.add.reduceat(np.square(samples_S, dtype=np.float64), positions))
    cumulative_T = np.concatenate([[0.0], np.cumsum(np.concatenate(energies))])
    span = min(_STEPS, len(cumulative_T) - 1)
    file.seek(int(np.argmax(cumulative_T[span:] - cumulative_T[:-span])) * step)
    segment_S: NDArray[np.float32] = file.read(length, dtype="float32", always_2d=True).mean(axis=1)
    return segment_S
