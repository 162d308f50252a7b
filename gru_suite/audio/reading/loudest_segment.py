"""Segment of a recording with the highest energy, found in constant memory.

Shapes: S samples, T steps between candidate positions.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .open_sound import open_sound
from .sound_files import check_finite, check_length, read_sound, resample
from .sound_reader import Samples, SoundReader

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
    with open_sound(path) as sound:
        # A recording of a browser does not say how long it is.
        if sound.seconds is None or sound.seconds > _MAX_SECONDS_AT_ONCE:
            segment_S = _search(sound, sample_rate_hz, max_samples)
            return resample(segment_S, sound.rate_hz, sample_rate_hz)[:max_samples]
    samples_S = read_sound(path, sample_rate_hz)
    if len(samples_S) <= max_samples:
        return samples_S
    start = loudest(samples_S, max_samples, max(1, max_samples // _STEPS))
    return samples_S[start : start + max_samples]


def _search(sound: SoundReader, sample_rate_hz: int, max_samples: int) -> Samples:
    """Compute the energy block by block, and return the best segment at the file's rate."""
    length = math.ceil(max_samples * sound.rate_hz / sample_rate_hz)
    step = max(1, length // _STEPS)
    energies: list[NDArray[np.float64]] = []
    count = 0
    for samples_S in sound.blocks(step * _STEPS_AT_ONCE):
        check_finite(samples_S)
        count += len(samples_S)
        positions = np.arange(0, len(samples_S), step)
        energies.append(np.add.reduceat(np.square(samples_S, dtype=np.float64), positions))
    check_length(count, sound.rate_hz)
    cumulative_T = np.concatenate([[0.0], np.cumsum(np.concatenate(energies))])
    span = min(_STEPS, len(cumulative_T) - 1)
    start = int(np.argmax(cumulative_T[span:] - cumulative_T[:-span])) * step
    return _segment(sound, start, length)


def _segment(sound: SoundReader, start: int, length: int) -> Samples:
    """Return the samples from ``start`` on, at most ``length`` of them."""
    found: list[Samples] = []
    position = 0
    for samples_S in sound.blocks():
        wanted_S = samples_S[max(0, start - position) : max(0, start + length - position)]
        found.append(wanted_S)
        position += len(samples_S)
        if position >= start + length:
            break
    return np.concatenate(found)
