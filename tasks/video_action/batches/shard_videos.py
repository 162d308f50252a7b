"""Videos that are decoded as they are needed, from shards.

Shapes: B batch, T frames (right-padded), H height, W width, E times of a video's frames and the
    end of the last one.
"""

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gru_suite.data.shards.records import Record, ShardRecords
from gru_suite.video.reading.video_files import Frames, Sampling, read_frames

from .clip_sampling import ClipSampling
from .video_dataset import VideoBatch

# Test clips of one video follow each other.
_MAX_DECODED = 2


class Decoding(NamedTuple):
    """Which frames of a video are decoded, and their size.

    Attributes:
        sampling: frames to decode.
        height: in pixels.
        width: in pixels.
    """

    sampling: Sampling
    height: int
    width: int

    def read(self, content: bytes) -> Frames:
        """Decode a video file.

        Raises:
            ValueError: it is damaged.
        """
        return read_frames(BytesIO(content), self.sampling, self.height, self.width)


def frame_times(content: bytes, suffix: str, decoding: Decoding) -> list[float]:
    """Return the times of a video's frames, and the end of the last one.

    Raises:
        ValueError: the video is damaged.
    """
    frames = decoding.read(content)
    return [*frames.time_T.tolist(), frames.end]


def decode_batch(
    records: Sequence[Record],
    draws: np.random.Generator,
    decoding: Decoding,
    sampling: ClipSampling,
) -> VideoBatch:
    """Return a random clip of each video.

    Args:
        records: videos.
        draws: which frames.
        decoding: of the videos.
        sampling: of the clips.
    """
    clips = []
    for record in records:
        frames = decoding.read(record.content)
        time_E = np.append(frames.time_T, frames.end)
        clips.append(frames.frames_THWC[sampling.random_clip(time_E, draws)])
    lengths_B = torch.tensor([len(clip) for clip in clips])
    x = np.zeros((len(clips), int(lengths_B.max()), *clips[0].shape[1:]), np.uint8)
    for row, clip in enumerate(clips):
        x[row, : len(clip)] = clip
    return VideoBatch(
        torch.from_numpy(x),
        lengths_B,
        torch.tensor([each.label for each in records]),
        torch.arange(len(records)),
        torch.full((len(records),), -1),
    )


class ShardFrames:
    """Frames of the videos of a part, decoded when they are asked for."""

    def __init__(self, records: ShardRecords, decoding: Decoding) -> None:
        """Set the videos."""
        self.records, self.decoding = records, decoding
        self._decoded = lru_cache(_MAX_DECODED)(self._decode)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without decoded videos."""
        return {"records": self.records, "decoding": self.decoding}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        self.__init__(state["records"], state["decoding"])  # type: ignore[misc]

    def get(self, number: int) -> NDArray[np.uint8]:
        """Return the frames of a video, shape (T, H, W, 3)."""
        return self._decoded(number)

    def _decode(self, number: int) -> NDArray[np.uint8]:
        return self.decoding.read(self.records.get(number).content).frames_THWC


class ShardTimes:
    """Times of the frames of the videos of a part, from the index."""

    def __init__(self, records: ShardRecords) -> None:
        """Set the videos."""
        self.records = records

    def get(self, number: int) -> NDArray[np.float64]:
        """Return the times of a video's frames and the end of the last one, shape (E,)."""
        return np.array(self.records.facts[number])
