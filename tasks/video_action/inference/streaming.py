"""Streaming of video.

Shapes: B streams, T frames, H height, W width, F features.
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gru_suite.errors import UserError
from gru_suite.model.predictions import Predictions
from gru_suite.model.streaming.classification import ClassificationStream, StreamedClassifier
from gru_suite.model.streaming.state import State
from gru_suite.model.streaming.stream import Row, StreamEncoder

from ..batches.augmentation import centre_crop
from ..network.frame_encoder import FrameEncoder

# Tolerance of frame times, which are often rounded to milliseconds.
_TIME_TOLERANCE_S = 1e-3


class VideoStreamEncoder(StreamEncoder):
    """Frame encoder for chunks of frames, with the previous frame as state."""

    dtype = torch.uint8

    def __init__(self, encoder: FrameEncoder, size: Sequence[int]) -> None:
        """Build the encoder.

        Args:
            encoder: of a model.
            size: height and width of the frames.
        """
        super().__init__()
        self.encoder = encoder
        self.input_shape = (int(size[0]), int(size[1]), 3)

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first frame."""
        if not self.encoder.with_difference:
            return {}
        before_BHW3 = torch.zeros(batch_size, *self.input_shape, dtype=self.dtype)
        return {"before": before_BHW3, "begun": torch.zeros(batch_size, dtype=torch.bool)}

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the features of frames, shape (B, T, F), and the next state: the last frame."""
        if not state:
            return self.encoder(chunk), state
        begun_B = state["begun"]
        # The first frame has no difference, as if it repeated.
        before_BHW3 = torch.where(begun_B[:, None, None, None], state["before"], chunk[:, 0])
        z_BTF = self.encoder(chunk, None, before_BHW3)
        return z_BTF, {"before": chunk[:, -1], "begun": torch.ones_like(begun_B)}


class VideoStream(ClassificationStream):
    """Streams of videos that return class probabilities after each frame.

    They equal those of the clip up to this frame, at a cost that does not depend on its length.
    """

    def __init__(
        self, model: StreamedClassifier, schema: Mapping[str, Any], batch_size: int = 1
    ) -> None:
        """Start streams.

        Args:
            model: a trained model of one direction.
            schema: description of the training data: size and rate of the frames.
            batch_size: videos at once.

        Raises:
            UserError: the backbone is bidirectional.
        """
        self.size: list[int] = list(schema["size"])
        rate_hz = schema.get("frame_rate_hz")
        self._interval_s = 1 / rate_hz if rate_hz else 0.0
        self._seconds, self._num_frames = 0.0, 0
        super().__init__(model, batch_size)

    def _new_row(self) -> Row:
        """Return the state of a video, with the time of its next frame, None before the first."""
        return {**super()._new_row(), "due_s": None}

    @property
    def frames_per_second(self) -> float:
        """Measured throughput of ``push``, in frames a second; NaN before the first frame."""
        return self._num_frames / self._seconds if self._seconds else math.nan

    def push(self, chunk: Any, time_s: Any = None) -> Predictions:
        """Process the next frame and return the predictions so far.

        Args:
            chunk: RGB frame of any size, uint8, shape (H, W, 3), which is resized to cover the
                model's input size and centre-cropped; or frames, shape (T, H, W, 3). For several
                videos a list with a chunk for each, None for a video without a new frame.
            time_s: time of the frame in seconds; for several videos a list. Frames before the next
                time at the frame rate of the training data are skipped, and the predictions
                repeated; None takes every frame.

        Raises:
            UserError: not a frame, or not a time. The state of all streams is then unchanged.
        """
        started = time.perf_counter()
        chunks = self._chunks(chunk)
        times = time_s if isinstance(time_s, list) else [time_s] * len(chunks)
        if len(times) != len(chunks):
            raise UserError(f"{len(times)} times for {len(chunks)} chunks: needs one for each")
        timed = list(zip(self._rows, chunks, times, strict=True))
        dues = [self._due(*each) for each in timed]
        taken = [None if _before_due(row, time_s) else each for row, each, time_s in timed]
        before = sum(row["num_steps"] for row in self._rows)
        predictions = self._push(taken)
        for row, due_s in zip(self._rows, dues, strict=True):
            row["due_s"] = due_s
        num_frames = sum(row["num_steps"] for row in self._rows) - before
        if num_frames:
            self._num_frames += num_frames
            self._seconds += time.perf_counter() - started
        return predictions

    def _due(self, row: Row, chunk: Any, time_s: float | None) -> float | None:
        """Return the time from which the next frame is taken."""
        due_s: float | None = row["due_s"]
        if chunk is None or time_s is None:
            return due_s
        if not isinstance(time_s, int | float) or not math.isfinite(time_s):
            raise UserError(f"time_s={time_s!r}: needs a number of seconds")
        if _before_due(row, time_s):
            return due_s
        if due_s is None or not self._interval_s:
            return time_s + self._interval_s
        # On the grid of the training interval, whatever the camera's frame rate.
        missed = max(0.0, math.floor((time_s + _TIME_TOLERANCE_S - due_s) / self._interval_s))
        return due_s + (missed + 1) * self._interval_s

    def inputs(self, raw: Any) -> Tensor:
        """Return frames of the model's input size, shape (T, H, W, 3)."""
        given = raw if isinstance(raw, Tensor) else torch.from_numpy(np.array(raw))
        if given.dim() == 4 and given.size(3) == 3 and given.dtype == torch.uint8:
            return resize_and_crop(given.cpu(), self.size) if given.numel() else self._no_frames()
        return resize_and_crop_frame(given.cpu(), self.size)[None]

    def _no_frames(self) -> Tensor:
        return torch.empty(0, *self.size, 3, dtype=torch.uint8)


def _before_due(row: Row, time_s: float | None) -> bool:
    return (
        time_s is not None
        and row["due_s"] is not None
        and time_s < row["due_s"] - _TIME_TOLERANCE_S
    )


def resize_and_crop_frame(frame_HW3: Any, size: Sequence[int]) -> Tensor:
    """Return a frame resized to cover a size and centre-cropped, uint8.

    Raises:
        UserError: it is not of shape (H, W, 3) and dtype uint8.
    """
    given = frame_HW3 if isinstance(frame_HW3, Tensor) else torch.from_numpy(np.array(frame_HW3))
    if given.dim() != 3 or given.size(2) != 3 or given.dtype != torch.uint8 or not given.numel():
        raise UserError(
            f"frame of shape {tuple(given.shape)} and type {given.dtype}: needs (height, width, 3) "
            "of torch.uint8"
        )
    return resize_and_crop(given[None], size)[0]


def resize_and_crop(x_THW3: Tensor, size: Sequence[int]) -> Tensor:
    """Return frames resized to cover a size and centre-cropped, uint8.

    torchvision's ``resize`` is the same interpolation; its import takes 0.8 s.
    """
    height, width = size
    scale = max(height / x_THW3.size(1), width / x_THW3.size(2))
    scaled = max(height, round(x_THW3.size(1) * scale)), max(width, round(x_THW3.size(2) * scale))
    if scaled != tuple(x_THW3.shape[1:3]):
        x_T3HW = x_THW3.permute(0, 3, 1, 2)
        x_T3HW = F.interpolate(x_T3HW, scaled, mode="bilinear", antialias=True)
        x_THW3 = x_T3HW.permute(0, 2, 3, 1)
    return centre_crop(x_THW3, size)
