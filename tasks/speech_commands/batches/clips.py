"""Clips of training, validation and test from decoded recordings.

Shapes: N clips, S samples.
"""

from collections.abc import Sequence

import numpy as np

from gru_suite.audio.noise import part_bounds
from gru_suite.audio.reading.corpus import Recording
from gru_suite.audio.reading.loudest_segment import loudest
from gru_suite.data.ragged_arrays import RaggedArrays
from gru_suite.data.splits import PARTS

from ..reading.labels import SILENCE
from ..reading.recordings import DecodedRecordings
from .audio_dataset import Clips

# Fixed, so that the segments of noise that stand for silence do not depend on the run's seed.
_SILENCE_SEED = 59185


def clips_by_part(
    decoded: DecodedRecordings, sample_rate_hz: int, max_seconds: float
) -> dict[str, Clips]:
    """Return the clips of each part: its recordings, then its silence.

    Args:
        decoded: recordings with their labels, and background noise.
        sample_rate_hz: of the samples.
        max_seconds: of a longer clip the segment of this length with the highest energy is used.
    """
    labelled, samples, clip_of = decoded.labelled, decoded.samples, decoded.clip_of
    groups = sorted({each.group for each in labelled.recordings} - {""})
    speaker_of = {"": -1, **{group: number for number, group in enumerate(groups)}}
    max_samples = round(max_seconds * sample_rate_hz)
    median = median_length([int(samples.length_N[clip]) for clip in clip_of.values()])
    result = {}
    for part in PARTS:
        recordings = [
            (recording, label, clip_of[recording.name])
            for recording, label in zip(labelled.recordings, labelled.label_of, strict=True)
            if recording.part == part and recording.name in clip_of
        ]
        spoken = _recorded(recordings, speaker_of, samples, max_samples)
        silent = _silence(decoded, part, min(median, max_samples))
        result[part] = _concatenate(spoken, silent)
    return result


def _concatenate(first: Clips, second: Clips) -> Clips:
    return Clips(
        np.concatenate([first.start_N, second.start_N]),
        np.concatenate([first.length_N, second.length_N]),
        np.concatenate([first.gain_N, second.gain_N]),
        np.concatenate([first.label_N, second.label_N]),
        np.concatenate([first.speaker_N, second.speaker_N]),
        first.names + second.names,
    )


def median_length(lengths: Sequence[int]) -> int:
    """Return the median length, at least 1."""
    return max(1, int(np.median(lengths))) if lengths else 1


def _recorded(
    recordings: Sequence[tuple[Recording, int, int]],
    speaker_of: dict[str, int],
    samples: RaggedArrays,
    max_samples: int,
) -> Clips:
    clip_N = np.array([clip for _, _, clip in recordings], np.int64)
    start_N, length_N = samples.start_N[clip_N].copy(), samples.length_N[clip_N]
    for index in np.flatnonzero(length_N > max_samples):
        samples_S = samples.get(int(clip_N[index]))
        start_N[index] += loudest(samples_S, max_samples, max(1, max_samples // 100))
    return Clips(
        start_N,
        np.minimum(length_N, max_samples),
        np.ones(len(recordings), np.float32),
        np.array([label for _, label, _ in recordings], np.int64),
        np.array([speaker_of[recording.group] for recording, _, _ in recordings], np.int64),
        [recording.name for recording, _, _ in recordings],
    )


def _silence(decoded: DecodedRecordings, part: str, length: int) -> Clips:
    """Return random segments of background noise with gains from 0 to 1, as the reference code."""
    labelled, samples, noise_clips = decoded.labelled, decoded.samples, decoded.noise_clips
    count = labelled.num_silence[part]
    random = np.random.default_rng([_SILENCE_SEED, PARTS.index(part)])
    start_N, length_N = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for index in range(count):
        clip = noise_clips[int(random.integers(len(noise_clips)))]
        first, last = part_bounds(int(samples.length_N[clip]), part, length)
        length_N[index] = min(length, last - first)
        offset = first + random.integers(last - first - length_N[index] + 1)
        start_N[index] = samples.start_N[clip] + offset
    label = labelled.labels.index(SILENCE) if count else 0
    return Clips(
        start_N,
        length_N,
        random.random(count).astype(np.float32),
        np.full(count, label, np.int64),
        np.full(count, -1, np.int64),
        [f"{SILENCE}/{part}_{index}" for index in range(count)],
    )
