"""Batches of audio clips.

Shapes: B batch, S samples (right-padded), N clips, L levels of noise.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.audio.inputs import pad_clips
from gru_suite.audio.reading.sound_files import FULL_SCALE
from gru_suite.data.batch_dataset import BatchDataset


class AudioBatch(NamedTuple):
    """Clips with their classes and speakers.

    Attributes:
        x: samples, full scale 1.0, shape (B, S).
        lengths_B: valid samples of each, int64.
        labels_B: class numbers, int64.
        speakers_B: numbers of the speakers, -1 for an unknown one, int64.
        noise_BS: background noise to test with, shape (B, S), or (B, 0) for none.
        snr_db_L: signal-to-noise ratios to test at; may be empty.
    """

    x: Tensor
    lengths_B: Tensor
    labels_B: Tensor
    speakers_B: Tensor
    noise_BS: Tensor
    snr_db_L: Tensor


class Clips(NamedTuple):
    """The clips of a part: segments of the decoded samples, with class and speaker.

    Attributes:
        start_N: first sample.
        length_N: samples.
        gain_N: factor of the level.
        label_N: class numbers.
        speaker_N: speakers' numbers, -1 for none.
        names: as shown to users.
    """

    start_N: NDArray[np.int64]
    length_N: NDArray[np.int64]
    gain_N: NDArray[np.float32]
    label_N: NDArray[np.int64]
    speaker_N: NDArray[np.int64]
    names: list[str]


class AudioDataset(BatchDataset[AudioBatch]):
    """The clips of one part of the data."""

    def __init__(
        self,
        samples_S: NDArray[np.int16],
        clips: Clips,
        noise_L: NDArray[np.int16] | None = None,
        snr_db: Sequence[float] = (),
    ) -> None:
        """Store the part.

        Args:
            samples_S: all decoded samples, concatenated.
            clips: segments of them.
            noise_L: background noise to test with, at least as long as the longest clip.
            snr_db: signal-to-noise ratios to test at; needs ``noise_L``.
        """
        self.samples_S, self.clips = samples_S, clips
        self.labels, self.names = clips.label_N.tolist(), clips.names
        self.lengths = clips.length_N.tolist()
        self.noise_L = noise_L if snr_db else None
        self.snr_db = [float(level) for level in snr_db]

    def __getitems__(self, indices: Sequence[int]) -> AudioBatch:
        """Return a batch of clips."""
        index_B = np.asarray(indices)
        start_B, length_B = self.clips.start_N[index_B], self.clips.length_N[index_B]
        x_BS = np.zeros((len(index_B), int(length_B.max())), np.float32)
        for row, (start, length) in enumerate(zip(start_B, length_B, strict=True)):
            x_BS[row, :length] = self.samples_S[start : start + length]
        x_BS *= self.clips.gain_N[index_B, None] / FULL_SCALE
        return AudioBatch(
            torch.from_numpy(x_BS),
            torch.from_numpy(length_B),
            torch.from_numpy(self.clips.label_N[index_B]),
            torch.from_numpy(self.clips.speaker_N[index_B]),
            self._noise(index_B, x_BS.shape[1]),
            torch.tensor(self.snr_db),
        )

    def _noise(self, index_B: NDArray[np.int64], num_samples: int) -> Tensor:
        """Return noise for each clip, independent of the pass and the batch size."""
        if self.noise_L is None:
            return torch.empty(len(index_B), 0)
        places = len(self.noise_L) - max(self.lengths) + 1
        noise_BS = np.zeros((len(index_B), num_samples), np.float32)
        for row, index in enumerate(index_B):
            start = np.random.default_rng(int(index)).integers(places)
            noise_BS[row] = self.noise_L[start : start + num_samples]
        return torch.from_numpy(noise_BS / FULL_SCALE)


def unlabelled_batch(clips: Sequence[NDArray[np.float32]]) -> AudioBatch:
    """Return clips as a padded batch without labels and speakers."""
    x_BS, lengths_B = pad_clips(clips)
    none_B = torch.full_like(lengths_B, -1)
    no_noise_B0, no_levels = x_BS.new_empty(len(clips), 0), x_BS.new_empty(0)
    return AudioBatch(x_BS, lengths_B, none_B, none_B, no_noise_B0, no_levels)
