"""Batches of clips, gathered from the memory-mapped store.

Shapes: B batch, S samples (right-padded), N clips, L levels of noise.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gru_suite.model.batches import LengthBucketSampler

from ..reading.sound_files import FULL_SCALE


class AudioBatch(NamedTuple):
    """Clips with their classes and speakers.

    Attributes:
        x: samples, full scale 1.0, shape (B, S).
        lengths_B: valid samples of each, int64.
        labels_B: class numbers, int64.
        speakers_B: numbers of the speakers, -1 where nobody is known to speak, int64.
        noise_BS: background noise to test in, shape (B, S), or (B, 0) where none is wanted.
        snr_db_L: signal-to-noise ratios to test at; may be empty.
    """

    x: Tensor
    lengths_B: Tensor
    labels_B: Tensor
    speakers_B: Tensor
    noise_BS: Tensor
    snr_db_L: Tensor


class Clips(NamedTuple):
    """Where each clip of a part lies in the store, and what it is.

    Attributes:
        start_N: first sample.
        length_N: samples.
        gain_N: factor of the level.
        label_N: class numbers.
        speaker_N: speakers' numbers, -1 for none.
        names: what a person knows them by.
    """

    start_N: NDArray[np.int64]
    length_N: NDArray[np.int64]
    gain_N: NDArray[np.float32]
    label_N: NDArray[np.int64]
    speaker_N: NDArray[np.int64]
    names: list[str]


class AudioDataset(Dataset[AudioBatch]):
    """One part of the data; it is asked for whole batches.

    Attributes:
        labels: class numbers.
        names: what a person knows the clips by.
        lengths: samples of each clip.
    """

    def __init__(
        self,
        samples_S: NDArray[np.int16],
        clips: Clips,
        noise_L: NDArray[np.int16] | None = None,
        snr_db: Sequence[float] = (),
    ) -> None:
        """Hold the part.

        Args:
            samples_S: all samples of the store.
            clips: the part's clips in it.
            noise_L: background noise to test in, at least as long as the longest clip.
            snr_db: signal-to-noise ratios to test at; needs ``noise_L``.
        """
        self.samples_S, self.clips = samples_S, clips
        self.labels, self.names = clips.label_N.tolist(), clips.names
        self.lengths = clips.length_N.tolist()
        self.noise_L = noise_L if snr_db else None
        self.snr_db = [float(level) for level in snr_db]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.labels)

    def __getitem__(self, index: int) -> AudioBatch:
        """Return a batch of one clip."""
        return self.__getitems__([index])

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
        """Return noise for each clip, the same in every pass and at every batch size."""
        if self.noise_L is None:
            return torch.empty(len(index_B), 0)
        places = len(self.noise_L) - max(self.lengths) + 1
        noise_BS = np.zeros((len(index_B), num_samples), np.float32)
        for row, index in enumerate(index_B):
            start = np.random.default_rng(int(index)).integers(places)
            noise_BS[row] = self.noise_L[start : start + num_samples]
        return torch.from_numpy(noise_BS / FULL_SCALE)


def audio_loader(
    dataset: AudioDataset, batch_size: int, shuffle: bool, seed: int = 0
) -> DataLoader[Any]:
    """Return a loader of :class:`AudioBatch` with little padding.

    It loads in this process: a batch is copied from memory in a few milliseconds.

    Args:
        dataset: what is loaded.
        batch_size: clips in a batch.
        shuffle: for training; otherwise the order is the same in every pass.
        seed: of the shuffled orders.
    """
    return DataLoader(
        dataset,
        batch_size,
        sampler=LengthBucketSampler(dataset.lengths, batch_size, shuffle, seed),
        collate_fn=_as_it_is,  # type: ignore[arg-type]
    )


def _as_it_is(batch: AudioBatch) -> AudioBatch:
    return batch
