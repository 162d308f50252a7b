"""From chosen recordings to the clips of training, validation and test.

Shapes: N clips, S samples.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gru_suite.data.ragged_arrays import ArrayStore
from gru_suite.data.splits import PARTS

from ..reading.corpus import Recording
from ..reading.labels import SILENCE, Chosen
from ..reading.loudest_segment import loudest
from .audio_dataset import Clips
from .noise import stretch

# Which stretches of noise stand for silence must not change with the run's seed.
_SILENCE_SEED = 59185


def clips_by_part(
    chosen: Chosen,
    clip_of: Mapping[str, int],
    noise_clips: Sequence[int],
    store: ArrayStore,
    sample_rate_hz: int,
    max_seconds: float,
) -> dict[str, Clips]:
    """Return the clips of each part: its recordings, then its silence.

    Args:
        chosen: recordings, their classes, and how many clips of silence each part gets.
        clip_of: each recording's clip in the store, by its name; those that could not be read
            are not in it.
        noise_clips: the store's clips of background noise, at least one where silence is wanted.
        store: the decoded clips.
        sample_rate_hz: of the store.
        max_seconds: of a longer clip only its loudest stretch of this length is used.
    """
    groups = sorted({each.group for each in chosen.recordings} - {""})
    speaker_of = {"": -1, **{group: number for number, group in enumerate(groups)}}
    max_samples = round(max_seconds * sample_rate_hz)
    usual = usual_length([int(store.length_N[clip]) for clip in clip_of.values()])
    result = {}
    for part in PARTS:
        rows = [
            (recording, label, clip_of[recording.name])
            for recording, label in zip(chosen.recordings, chosen.label_of, strict=True)
            if recording.part == part and recording.name in clip_of
        ]
        spoken = _recorded(rows, speaker_of, store, max_samples)
        silent = _silence(chosen, part, noise_clips, store, min(usual, max_samples))
        result[part] = _joined(spoken, silent)
    return result


def _joined(first: Clips, second: Clips) -> Clips:
    return Clips(
        np.concatenate([first.start_N, second.start_N]),
        np.concatenate([first.length_N, second.length_N]),
        np.concatenate([first.gain_N, second.gain_N]),
        np.concatenate([first.label_N, second.label_N]),
        np.concatenate([first.speaker_N, second.speaker_N]),
        first.names + second.names,
    )


def usual_length(lengths: Sequence[int]) -> int:
    """Return the median length, at least 1 sample."""
    return max(1, int(np.median(lengths))) if lengths else 1


def _recorded(
    rows: Sequence[tuple[Recording, int, int]],
    speaker_of: dict[str, int],
    store: ArrayStore,
    max_samples: int,
) -> Clips:
    clip_N = np.array([clip for _, _, clip in rows], np.int64)
    start_N, length_N = store.start_N[clip_N].copy(), store.length_N[clip_N]
    for row in np.flatnonzero(length_N > max_samples):
        samples_S = store.get(int(clip_N[row]))
        start_N[row] += loudest(samples_S, max_samples, max(1, max_samples // 100))
    return Clips(
        start_N,
        np.minimum(length_N, max_samples),
        np.ones(len(rows), np.float32),
        np.array([label for _, label, _ in rows], np.int64),
        np.array([speaker_of[recording.group] for recording, _, _ in rows], np.int64),
        [recording.name for recording, _, _ in rows],
    )


def _silence(
    chosen: Chosen, part: str, noise_clips: Sequence[int], store: ArrayStore, length: int
) -> Clips:
    """Draw stretches of background noise at levels from 0 to 1, as the reference code does."""
    count = chosen.num_silence[part]
    random = np.random.default_rng([_SILENCE_SEED, PARTS.index(part)])
    start_N, length_N = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for row in range(count):
        clip = noise_clips[int(random.integers(len(noise_clips)))]
        first, last = stretch(int(store.length_N[clip]), part, length)
        length_N[row] = min(length, last - first)
        offset = first + random.integers(last - first - length_N[row] + 1)
        start_N[row] = store.start_N[clip] + offset
    label = chosen.labels.index(SILENCE) if count else 0
    return Clips(
        start_N,
        length_N,
        random.random(count).astype(np.float32),
        np.full(count, label, np.int64),
        np.full(count, -1, np.int64),
        [f"{SILENCE}/{part}_{row}" for row in range(count)],
    )
