"""Batches of video clips.

Shapes: B batch, T frames (right-padded), H height, W width, F features, V videos, R rows (clips).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.data.batch_dataset import BatchDataset
from gru_suite.data.ragged_arrays import RaggedArrays

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
    """The videos of a part, by their index in the decoded data.

    Attributes:
        clip_V: indices of the decoded videos.
        label_V: class numbers.
        group_V: the groups' numbers, -1 for none.
        names: as shown to users.
    """

    clip_V: NDArray[np.int64]
    label_V: NDArray[np.int64]
    group_V: NDArray[np.int64]
    names: list[str]


class VideoDataset(BatchDataset[VideoBatch]):
    """The clips of one part of the data, a row each.

    In training there is one clip per video, with new frames in each epoch; else several, the same
    in every pass. ``names`` and ``labels`` are of the videos, ``lengths`` of the rows.

    Attributes:
        videos: of the part.
        video_R: the video of each row.
    """

    def __init__(
        self,
        values: RaggedArrays,
        times: RaggedArrays,
        videos: Videos,
        sampling: ClipSampling,
        training: bool,
        crop: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        """Store the part.

        Args:
            values: frames, or features of frames, of all videos.
            times: times of the frames and the end of the last one.
            videos: videos of the part.
            sampling: sampling of clips.
            training: sample frames at random in each epoch.
            crop: height and width of a centre crop; None for no crop.
            seed: of the draws.
        """
        self.values, self.times, self.videos, self.sampling = values, times, videos, sampling
        self.training, self.crop, self.seed = training, crop, abs(int(seed))
        self.names, self.labels = videos.names, videos.label_V.tolist()
        self.count_V = np.array(
            [1 if training else sampling.count(times.get(clip)) for clip in videos.clip_V], np.int64
        )
        self.video_R = np.repeat(np.arange(len(self.labels)), self.count_V)
        # Index of each clip among those of its video.
        self.number_R = np.concatenate([np.arange(count) for count in self.count_V])
        length_V = [sampling.length(times.get(clip)) for clip in videos.clip_V]
        self.lengths = np.repeat(length_V, self.count_V).tolist()

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
        """Return the times of the frames of a row in seconds, shape (T,)."""
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
        values: NDArray[Any] = self.values.get(clip)[self._frames(row, self.times.get(clip))]
        if self.crop is None:
            return values
        height, width = self.crop
        top, left = (values.shape[1] - height) // 2, (values.shape[2] - width) // 2
        return values[:, top : top + height, left : left + width]
