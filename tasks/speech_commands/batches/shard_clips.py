"""Batches of recordings that are decoded as they are needed, from shards.

Shapes: B batch, S samples (right-padded).
"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray

from gru_suite.audio.reading.loudest_segment import loudest
from gru_suite.audio.reading.sound_files import FULL_SCALE, read_sound, to_int16
from gru_suite.data.batch_dataset import BatchDataset
from gru_suite.data.shards.records import Record, ShardRecords

from .audio_dataset import AudioBatch


def count_samples(content: bytes, suffix: str, sample_rate_hz: int, max_samples: int) -> int:
    """Return the samples of a recording's clip.

    Raises:
        ValueError: the recording is damaged.
    """
    return min(len(read_sound(BytesIO(content), sample_rate_hz)), max_samples)


def decode_batch(
    records: Sequence[Record],
    draws: np.random.Generator | None,
    sample_rate_hz: int,
    max_samples: int,
) -> AudioBatch:
    """Return the clips of recordings: as those of a folder, of their segment of highest energy.

    Args:
        records: recordings.
        draws: not used, as augmentation draws from its own generator.
        sample_rate_hz: of the samples.
        max_samples: of a clip.
    """
    clips = [_decode(each, sample_rate_hz, max_samples) for each in records]
    lengths_B = torch.tensor([len(clip) for clip in clips])
    x_BS = np.zeros((len(clips), int(lengths_B.max())), np.float32)
    for row, clip in enumerate(clips):
        x_BS[row, : len(clip)] = clip
    x_BS /= FULL_SCALE
    return AudioBatch(
        torch.from_numpy(x_BS),
        lengths_B,
        torch.tensor([each.label for each in records]),
        torch.full((len(records),), -1),
        torch.empty(len(records), 0),
        torch.empty(0),
    )


def _decode(record: Record, sample_rate_hz: int, max_samples: int) -> NDArray[np.int16]:
    samples_S = to_int16(read_sound(BytesIO(record.content), sample_rate_hz))
    if len(samples_S) <= max_samples:
        return samples_S
    start = loudest(samples_S, max_samples, max(1, max_samples // 100))
    return samples_S[start : start + max_samples]


class ShardClips(BatchDataset[AudioBatch]):
    """The recordings of the shards of validation or test."""

    def __init__(self, records: ShardRecords, sample_rate_hz: int, max_samples: int) -> None:
        """Store the part; arguments as of :func:`decode_batch`."""
        self.records, self.names, self.labels = records, records.names, records.labels
        self.lengths = [int(length) for length in records.facts]
        self._sizes = sample_rate_hz, max_samples

    def __getitems__(self, indices: Sequence[int]) -> AudioBatch:
        """Return a batch of clips."""
        return decode_batch([self.records.get(int(i)) for i in indices], None, *self._sizes)
