"""The task on frames that come one at a time.

Shapes: B batch of one, H height, W width, K classes, F features (of any stage).
"""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gru_suite.backbone import State
from gru_suite.errors import UserError

from .augment import centre_crop
from .running import RunningPooling

if TYPE_CHECKING:
    from .task import VideoActionTask

# Times come rounded to milliseconds.
_SLACK_S = 1e-3


class Answer(NamedTuple):
    """What is thought after a frame.

    Attributes:
        label: the most probable class.
        probability_K: of each class; they add up to 1.
    """

    label: str
    probability_K: NDArray[np.float32]


class VideoStream:
    """Follows a video while it is shown: a frame in, an answer out.

    After every frame the answer is that of the whole clip up to it, and what a frame costs does not
    grow with what was seen.
    """

    def __init__(self, task: "VideoActionTask") -> None:
        """Begin a clip.

        Args:
            task: a trained task of one direction.

        Raises:
            UserError: the backbone is bidirectional.
        """
        if task.backbone.rnn.bidirectional:
            raise UserError(
                "backbone.bidirectional=true cannot follow a stream, which has no end to begin at; "
                "train with backbone.bidirectional=false, as experiment=video_streaming does"
            )
        self.task = task.eval()
        self.size: list[int] = list(task.schema["size"])
        rate_hz = task.schema.get("frame_rate_hz")
        self._interval_s = 1 / rate_hz if rate_hz else 0.0
        self._seconds, self._num_frames = 0.0, 0
        self.reset()

    def reset(self) -> None:
        """Forget what was seen; the next frame begins a clip."""
        self._before_BHW3: Tensor | None = None
        self._state: State | None = None
        self._poolings = [RunningPooling(pooling) for pooling in self.task.pooling_list]
        self._due_s = -math.inf
        self._answer: Answer | None = None

    @property
    def frames_per_second(self) -> float:
        """Frames that ``push`` managed in a second, as measured; NaN before the first."""
        return self._num_frames / self._seconds if self._seconds else math.nan

    @torch.inference_mode()
    def push(self, frame_HW3: Any, time_s: float | None = None) -> Answer:
        """Take the next frame and say what is seen so far.

        Args:
            frame_HW3: red, green and blue, uint8, of any size: it is scaled to cover the size of
                the training's frames, and cut at the centre.
            time_s: when it was shown. Of frames that come faster than those of the training the
                ones between are left out, and the answer stays; None takes every frame.

        Raises:
            UserError: no frame.
        """
        if time_s is not None and self._answer is not None and time_s < self._due_s - _SLACK_S:
            return self._answer
        started = time.perf_counter()
        x_BHW3 = fit_frame(frame_HW3, self.size).to(self.task.device)[None]
        z_B1F = self.task.encoder(x_BHW3[:, None], None, self._before_BHW3)
        h_BF, self._state = self.task.backbone.step(z_B1F[:, 0], self._state)
        pooled_BF = torch.cat([pooling.step(h_BF) for pooling in self._poolings], dim=1)
        probability_K = self.task.head(pooled_BF)[0].float().softmax(-1).cpu().numpy()
        self._before_BHW3 = x_BHW3
        self._answer = Answer(self.task.labels[int(probability_K.argmax())], probability_K)
        if time_s is not None:
            self._due_s = self._next_due(time_s)
        self._num_frames += 1
        self._seconds += time.perf_counter() - started
        return self._answer

    def _next_due(self, time_s: float) -> float:
        """Return the next time on the training's grid, which a camera's rate need not divide."""
        if not self._interval_s or self._due_s == -math.inf:
            return time_s + self._interval_s
        missed = max(0.0, math.floor((time_s + _SLACK_S - self._due_s) / self._interval_s))
        return self._due_s + (missed + 1) * self._interval_s


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
