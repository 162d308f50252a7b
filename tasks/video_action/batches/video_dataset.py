"""Batches of clips, gathered from the memory-mapped store.

Shapes: B batch, T frames (right-padded), H height, W width, F features, V videos, R rows (clips).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gru_suite.data.ragged_arrays import ArrayStore
from gru_suite.model.batches import LengthBucketSampler

from .clip_sampling import ClipSampling


class VideoBatch(NamedTuple):
    """Clips with their classes, and the videos and groups that they are from.

    Attributes:
        x: frames, uint8, shape (B, T, H, W, 3), or features of frames, shape (B, T, F). Frames of
            training are larger than ``size`` by ``margin``, until they are augmented.
        lengths_B: valid frames of each, at least 1, int64.
        labels_B: class numbers, int64; -1 where none is known.
        videos_B: numbers of the videos within their part; in validation and test several clips are
            of one video. int64.
        groups_B: numbers of the groups that the split keeps together, -1 for none, int64.
    """

    x: Tensor
    lengths_B: Tensor
    labels_B: Tensor
    videos_B: Tensor
    groups_B: Tensor


class Videos(NamedTuple):
    """The videos of a part, and where they lie in the store.

    Attributes:
        clip_V: their numbers in the store.
        label_V: class numbers.
        group_V: the groups' numbers, -1 for none.
        names: what a person knows them by.
    """

    clip_V: NDArray[np.int64]
    label_V: NDArray[np.int64]
    group_V: NDArray[np.int64]
    names: list[str]


class VideoDataset(Dataset[VideoBatch]):
    """One part of the data; it is asked for whole batches.

    A row is a clip. In training there is one for each video, with other frames in each epoch; else
    several, the same in every pass.

    Attributes:
        videos: what the rows are cut from.
        names: of the videos.
        labels: class numbers of the videos.
        video_R: the video of each row.
        lengths: frames of each row.
        epoch: decides the draws of training.
    """

    def __init__(
        self,
        store: ArrayStore,
        times: ArrayStore,
        videos: Videos,
        sampling: ClipSampling,
        training: bool,
        crop: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        """Hold the part.

        Args:
            store: frames or features of all videos.
            times: their times, and the end of the last one.
            videos: the part's videos.
            sampling: how clips are cut.
            training: whether frames are drawn anew in each epoch.
            crop: height and width that frames are cut to at the centre; None leaves them.
            seed: of the draws.
        """
        self.store, self.times, self.videos, self.sampling = store, times, videos, sampling
        self.training, self.crop, self.seed, self.epoch = training, crop, abs(int(seed)), 0
        self.names, self.labels = videos.names, videos.label_V.tolist()
        self.count_V = np.array(
            [1 if training else sampling.count(times.get(clip)) for clip in videos.clip_V], np.int64
        )
        self.video_R = np.repeat(np.arange(len(self.labels)), self.count_V)
        # The how manieth clip of its video a row is.
        self.number_R = np.concatenate([np.arange(count) for count in self.count_V])
        length_V = [sampling.length(times.get(clip)) for clip in videos.clip_V]
        self.lengths = np.repeat(length_V, self.count_V).tolist()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.video_R)

    def __getitem__(self, index: int) -> VideoBatch:
        """Return a batch of one row."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> VideoBatch:
        """Return a batch of rows."""
        index_B = np.asarray(indices)
        clips = [self._clip(int(row)) for row in index_B]
        lengths_B = torch.tensor([len(clip) for clip in clips])
        first = clips[0]
        x = np.zeros((len(clips), int(lengths_B.max()), *first.shape[1:]), first.dtype)
        for row, clip in enumerate(clips):
            x[row, : len(clip)] = clip
        video_B = self.video_R[index_B]
        return VideoBatch(
            torch.from_numpy(x),
            lengths_B,
            torch.from_numpy(self.videos.label_V[video_B]),
            torch.from_numpy(video_B),
            torch.from_numpy(self.videos.group_V[video_B]),
        )

    def frame_times(self, row: int) -> NDArray[np.float64]:
        """Return the seconds at which the frames of a row are shown, shape (T,)."""
        time_E = self.times.get(int(self.videos.clip_V[self.video_R[row]]))
        return time_E[self._frames(row, time_E)]

    def _frames(self, row: int, time_E: NDArray[np.float64]) -> NDArray[np.int64]:
        video = int(self.video_R[row])
        if self.training:
            draw = np.random.default_rng([self.seed, self.epoch, video])
            return self.sampling.random_clip(time_E, draw)
        return self.sampling.clip(time_E, int(self.number_R[row]), int(self.count_V[video]))

    def _clip(self, row: int) -> NDArray[Any]:
        clip = int(self.videos.clip_V[self.video_R[row]])
        values: NDArray[Any] = self.store.get(clip)[self._frames(row, self.times.get(clip))]
        if self.crop is None:
            return values
        height, width = self.crop
        top, left = (values.shape[1] - height) // 2, (values.shape[2] - width) // 2
        return values[:, top : top + height, left : left + width]


class _EpochSampler(LengthBucketSampler):
    """The order of the rows; it also tells the data set which epoch it is."""

    def __init__(self, dataset: VideoDataset, batch_size: int, shuffle: bool, seed: int) -> None:
        super().__init__(dataset.lengths, batch_size, shuffle, seed)
        self.dataset = dataset

    def __iter__(self) -> Iterator[int]:
        self.dataset.epoch = self.epoch
        yield from super().__iter__()


def video_loader(
    dataset: VideoDataset, batch_size: int, shuffle: bool, seed: int = 0
) -> DataLoader[Any]:
    """Return a loader of :class:`VideoBatch` with little padding.

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
        sampler=_EpochSampler(dataset, batch_size, shuffle, seed),
        collate_fn=_as_it_is,  # type: ignore[arg-type]
    )


def _as_it_is(batch: VideoBatch) -> VideoBatch:
    return batch
