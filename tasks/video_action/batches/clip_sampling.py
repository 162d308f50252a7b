"""Temporal sampling of clips, by the times of frames.

Shapes: T frames of a clip, E times of a video's frames and the end of the last one.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.video.reading.video_files import ROUNDING, Sampling


class ClipSampling(NamedTuple):
    """Sampling of clips from videos.

    Attributes:
        num_frames: frames of a clip; a shorter video has fewer.
        rate_hz: frames a second of a clip, a window of the video; None takes a frame from each of
            ``num_frames`` equal segments of the whole video (Wang et al. 2016, arXiv 1608.00859).
        num_clips: clips of a video in validation and test, if it is longer than one clip.
    """

    num_frames: int = 24
    rate_hz: float | None = None
    num_clips: int = 3

    def source_sampling(self, oversample: int) -> Sampling:
        """Return the frames to decode, more than those of one clip."""
        if self.rate_hz is None:
            return Sampling(self.num_frames * oversample)
        # At twice the rate, windows can start between the frames of other windows.
        return Sampling(2 * self.num_frames * oversample, 2 * self.rate_hz)

    def length(self, time_E: NDArray[np.float64]) -> int:
        """Return the number of frames of each clip of a video, at least 1."""
        if self.rate_hz is None:
            return min(self.num_frames, len(time_E) - 1)
        available = math.ceil(float(time_E[-1]) * self.rate_hz - ROUNDING)
        return max(1, min(self.num_frames, available))

    def count(self, time_E: NDArray[np.float64]) -> int:
        """Return the number of test clips of a video."""
        if self.rate_hz is None:
            longer = len(time_E) - 1 > self.num_frames
        else:
            longer = bool(time_E[-1] * self.rate_hz > self.num_frames)
        return self.num_clips if longer else 1

    def random_clip(
        self, time_E: NDArray[np.float64], draw: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the indices of the frames of a random clip, shape (T,)."""
        if self.rate_hz is None:
            return self._from_segments(time_E, draw.random(self.num_frames))
        return self._window(time_E, float(draw.random()))

    def clip(self, time_E: NDArray[np.float64], number: int, count: int) -> NDArray[np.int64]:
        """Return the indices of the frames of one of ``count`` test clips, shape (T,)."""
        if self.rate_hz is None:
            return self._from_segments(time_E, np.full(self.num_frames, (number + 0.5) / count))
        return self._window(time_E, number / (count - 1) if count > 1 else 0.5)

    def _from_segments(
        self, time_E: NDArray[np.float64], position_T: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return the frame at a relative position, 0 to 1, in each of the equal segments."""
        if len(time_E) - 1 <= self.num_frames:
            return np.arange(len(time_E) - 1)
        segment_s = time_E[-1] / self.num_frames
        return _frames_at(time_E, (np.arange(self.num_frames) + position_T) * segment_s)

    def _window(self, time_E: NDArray[np.float64], position: float) -> NDArray[np.int64]:
        """Return the frames of a window with a relative position of 0 to 1."""
        assert self.rate_hz is not None
        length = self.length(time_E)
        start = position * max(0.0, time_E[-1] - length / self.rate_hz)
        return _frames_at(time_E, start + np.arange(length) / self.rate_hz)


def _frames_at(time_E: NDArray[np.float64], time_T: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of the frames that are displayed at given times."""
    index_T = np.searchsorted(time_E[:-1], time_T + ROUNDING, side="right") - 1
    return index_T.clip(0, len(time_E) - 2)
