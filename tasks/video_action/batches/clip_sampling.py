"""Which of a video's frames make a clip: by their times, never by their numbers.

Shapes: T frames of a clip, E times of a video's frames and the end of the last one.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..reading.video_files import ROUNDING, Sampling


class ClipSampling(NamedTuple):
    """How clips are cut from videos.

    Attributes:
        num_frames: of a clip; a shorter video gives fewer.
        rate_hz: None spreads the frames of a clip over the whole video, one in each of
            ``num_frames`` equal stretches; a number takes a window of frames at this rate.
        num_clips: clips of a video in validation and test, where it is longer than one.
    """

    num_frames: int = 24
    rate_hz: float | None = None
    num_clips: int = 3

    def kept(self, oversample: int) -> Sampling:
        """Return what is kept of a video, so that different clips can be cut from it."""
        if self.rate_hz is None:
            return Sampling(self.num_frames * oversample)
        # At twice the rate, windows can begin between the frames of each other.
        return Sampling(2 * self.num_frames * oversample, 2 * self.rate_hz)

    def length(self, time_E: NDArray[np.float64]) -> int:
        """Return the frames of every clip of a video, at least 1."""
        if self.rate_hz is None:
            return min(self.num_frames, len(time_E) - 1)
        shown = math.ceil(float(time_E[-1]) * self.rate_hz - ROUNDING)
        return max(1, min(self.num_frames, shown))

    def count(self, time_E: NDArray[np.float64]) -> int:
        """Return how many different clips are tested of a video."""
        if self.rate_hz is None:
            longer = len(time_E) - 1 > self.num_frames
        else:
            longer = bool(time_E[-1] * self.rate_hz > self.num_frames)
        return self.num_clips if longer else 1

    def random_clip(
        self, time_E: NDArray[np.float64], draw: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the frames' numbers of a clip for training, shape (T,)."""
        if self.rate_hz is None:
            return self._spread(time_E, draw.random(self.num_frames))
        return self._window(time_E, float(draw.random()))

    def clip(self, time_E: NDArray[np.float64], number: int, count: int) -> NDArray[np.int64]:
        """Return the frames' numbers of one of ``count`` clips for a test, shape (T,)."""
        if self.rate_hz is None:
            return self._spread(time_E, np.full(self.num_frames, (number + 0.5) / count))
        return self._window(time_E, number / (count - 1) if count > 1 else 0.5)

    def _spread(
        self, time_E: NDArray[np.float64], place_T: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Take the frame shown at a place, from 0 to 1, in each of the equal stretches."""
        if len(time_E) - 1 <= self.num_frames:
            return np.arange(len(time_E) - 1)
        stretch = time_E[-1] / self.num_frames
        return _shown(time_E, (np.arange(self.num_frames) + place_T) * stretch)

    def _window(self, time_E: NDArray[np.float64], place: float) -> NDArray[np.int64]:
        """Take frames at the rate from a window that begins at a place, from 0 to 1."""
        assert self.rate_hz is not None
        length = self.length(time_E)
        start = place * max(0.0, time_E[-1] - length / self.rate_hz)
        return _shown(time_E, start + np.arange(length) / self.rate_hz)


def _shown(time_E: NDArray[np.float64], time_T: NDArray[np.float64]) -> NDArray[np.int64]:
    # A frame is shown from its time on; rounding must not take the one before.
    found_T = np.searchsorted(time_E[:-1], time_T + ROUNDING, side="right") - 1
    return found_T.clip(0, len(time_E) - 2)
