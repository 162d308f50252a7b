"""The task on frames that come one at a time.

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

# Times come rounded to milliseconds.
_SLACK_S = 1e-3


class VideoStreamEncoder(StreamEncoder):
    """The frame encoder, which also sees how a frame differs from the one before."""

    dtype = torch.uint8

    def __init__(self, encoder: FrameEncoder, size: Sequence[int]) -> None:
        """Wrap it.

        Args:
            encoder: a task's.
            size: height and width of the frames.
        """
        super().__init__()
        self.encoder = encoder
        self.input_shape = (int(size[0]), int(size[1]), 3)

    def initial_state(self, batch_size: int) -> State:
        """Return no frame before the first one."""
        if not self.encoder.with_difference:
            return {}
        before_BHW3 = torch.zeros(batch_size, *self.input_shape, dtype=self.dtype)
        return {"before": before_BHW3, "begun": torch.zeros(batch_size, dtype=torch.bool)}

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the features of frames, (B, T, F), and the last frame."""
        if not state:
            return self.encoder(chunk), state
        begun_B = state["begun"]
        # The first frame differs from nothing, as if it had stood still.
        before_BHW3 = torch.where(begun_B[:, None, None, None], state["before"], chunk[:, 0])
        z_BTF = self.encoder(chunk, None, before_BHW3)
        return z_BTF, {"before": chunk[:, -1], "begun": torch.ones_like(begun_B)}


class VideoStream(ClassificationStream):
    """Follows videos while they are shown: a frame in, an answer out.

    After every frame the answer is that of the whole clip up to it, and what a frame costs does not
    grow with what was seen.
    """

    def __init__(
        self, model: StreamedClassifier, schema: Mapping[str, Any], batch_size: int = 1
    ) -> None:
        """Start streams.

        Args:
            model: a trained model of one direction.
            schema: description of its training data: size and rate of the frames.
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
        """Return what a video keeps: also when its next frame is due, None before the first."""
        return {**super()._new_row(), "due_s": None}

    @property
    def frames_per_second(self) -> float:
        """Frames that ``push`` managed in a second, as measured; NaN before the first."""
        return self._num_frames / self._seconds if self._seconds else math.nan

    def push(self, chunk: Any, time_s: Any = None) -> Predictions:
        """Take the next frame and say what is seen so far.

        Args:
            chunk: red, green and blue, uint8, (H, W, 3), of any size: it is scaled to cover the
                size of the training's frames, and cut at the centre. Also several frames,
                (T, H, W, 3). Of several videos a list with a chunk for each, None where nothing
                came.
            time_s: when it was shown; of several videos a list. Of frames that come faster than
                those of the training the ones between are left out, and the answer stays; None
                takes every frame.

        Raises:
            UserError: no frame, or no time. No stream has then taken anything.
        """
        started = time.perf_counter()
        chunks = self._chunks(chunk)
        times = time_s if isinstance(time_s, list) else [time_s] * len(chunks)
        if len(times) != len(chunks):
            raise UserError(f"{len(times)} times for {len(chunks)} chunks: needs one for each")
        timed = list(zip(self._rows, chunks, times, strict=True))
        dues = [self._due(*each) for each in timed]
        taken = [None if _too_early(row, time_s) else each for row, each, time_s in timed]
        before = sum(row["num_steps"] for row in self._rows)
        answer = self._push(taken)
        for row, due_s in zip(self._rows, dues, strict=True):
            row["due_s"] = due_s
        num_frames = sum(row["num_steps"] for row in self._rows) - before
        if num_frames:
            self._num_frames += num_frames
            self._seconds += time.perf_counter() - started
        return answer

    def _due(self, row: Row, chunk: Any, time_s: float | None) -> float | None:
        """Return when the frame after this one is due."""
        due_s: float | None = row["due_s"]
        if chunk is None or time_s is None:
            return due_s
        if not isinstance(time_s, int | float) or not math.isfinite(time_s):
            raise UserError(f"time_s={time_s!r}: needs a number of seconds")
        if _too_early(row, time_s):
            return due_s
        if due_s is None or not self._interval_s:
            return time_s + self._interval_s
        # On the training's grid, which a camera's rate need not divide.
        missed = max(0.0, math.floor((time_s + _SLACK_S - due_s) / self._interval_s))
        return due_s + (missed + 1) * self._interval_s

    def inputs(self, raw: Any) -> Tensor:
        """Return frames of the training's size, shape (T, H, W, 3)."""
        given = raw if isinstance(raw, Tensor) else torch.from_numpy(np.array(raw))
        if given.dim() == 4 and given.size(3) == 3 and given.dtype == torch.uint8:
            return fit_frames(given.cpu(), self.size) if given.numel() else self._no_frames()
        return fit_frame(given.cpu(), self.size)[None]

    def _no_frames(self) -> Tensor:
        return torch.empty(0, *self.size, 3, dtype=torch.uint8)


def _too_early(row: Row, time_s: float | None) -> bool:
    return time_s is not None and row["due_s"] is not None and time_s < row["due_s"] - _SLACK_S


def fit_frame(frame_HW3: Any, size: Sequence[int]) -> Tensor:
    """Return a frame scaled to cover a size and cut at its centre, uint8.

    Raises:
        UserError: it is not of shape (H, W, 3) with uint8 values.
    """
    given = frame_HW3 if isinstance(frame_HW3, Tensor) else torch.from_numpy(np.array(frame_HW3))
    if given.dim() != 3 or given.size(2) != 3 or given.dtype != torch.uint8 or not given.numel():
        raise UserError(
            f"frame of shape {tuple(given.shape)} and type {given.dtype}: needs (height, width, 3) "
            "of torch.uint8"
        )
    return fit_frames(given[None], size)[0]


def fit_frames(x_THW3: Tensor, size: Sequence[int]) -> Tensor:
    """Return frames scaled to cover a size and cut at their centre, uint8."""
    height, width = size
    scale = max(height / x_THW3.size(1), width / x_THW3.size(2))
    scaled = max(height, round(x_THW3.size(1) * scale)), max(width, round(x_THW3.size(2) * scale))
    if scaled != tuple(x_THW3.shape[1:3]):
        x_T3HW = x_THW3.permute(0, 3, 1, 2)
        x_T3HW = F.interpolate(x_T3HW, scaled, mode="bilinear", antialias=True)
        x_THW3 = x_T3HW.permute(0, 2, 3, 1)
    return centre_crop(x_THW3, size)
