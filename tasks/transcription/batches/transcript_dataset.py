"""Batches of recordings with their transcripts.

Shapes: B batch, S samples (right-padded), U tokens of a transcript (right-padded).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gru_suite.audio.inputs import pad_clips
from gru_suite.audio.reading.sound_files import FULL_SCALE
from gru_suite.data.batch_dataset import BatchDataset
from gru_suite.data.ragged_arrays import RaggedArrays


class TranscriptBatch(NamedTuple):
    """Recordings with their transcripts.

    Attributes:
        x: samples, full scale 1.0, shape (B, S).
        lengths_B: valid samples of each, int64.
        target_BU: token ids of the transcripts, int64.
        target_lengths_B: valid tokens of each, int64.
        texts: the transcripts.
    """

    x: Tensor
    lengths_B: Tensor
    target_BU: Tensor
    target_lengths_B: Tensor
    texts: list[str]


def make_batch(
    clips: Sequence[NDArray[np.float32]], ids: Sequence[Sequence[int]], texts: list[str]
) -> TranscriptBatch:
    """Return recordings of full scale 1.0 and token ids as a padded batch."""
    x_BS, lengths_B = pad_clips(clips)
    targets = [torch.tensor(each, dtype=torch.int64) for each in ids]
    return TranscriptBatch(
        x_BS,
        lengths_B,
        pad_sequence(targets, batch_first=True),
        torch.tensor([len(each) for each in ids]),
        texts,
    )


class RecordingDataset(BatchDataset[TranscriptBatch]):
    """Decoded recordings of one part with their transcripts."""

    def __init__(
        self,
        samples: RaggedArrays,
        clips: Sequence[int],
        ids: Sequence[Sequence[int]],
        texts: Sequence[str],
        names: Sequence[str],
    ) -> None:
        """Store the part.

        Args:
            samples: 16-bit samples of all decoded files.
            clips: number of each recording in ``samples``.
            ids: token ids of the transcripts.
            texts: the transcripts.
            names: of the recordings, as shown to users.
        """
        self.samples, self.clips = samples, list(clips)
        self.ids, self.texts, self.names = list(ids), list(texts), list(names)
        self.lengths = [int(samples.length_N[clip]) for clip in self.clips]
        self.labels = []

    def clip(self, row: int) -> NDArray[np.float32]:
        """Return the samples of a recording, full scale 1.0."""
        found: NDArray[Any] = self.samples.get(self.clips[row])
        return found.astype(np.float32) / np.float32(FULL_SCALE)

    def __getitems__(self, indices: Sequence[int]) -> TranscriptBatch:
        """Return a batch of recordings."""
        return make_batch(
            [self.clip(row) for row in indices],
            [self.ids[row] for row in indices],
            [self.texts[row] for row in indices],
        )
