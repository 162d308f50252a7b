"""What is thought of a clip after each of its frames.

Shapes: B batch, T frames, W frames of a window, H height, w width, K classes, F features (of any
    stage).
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gru_suite.pooling import Pooling

if TYPE_CHECKING:
    from .task import VideoActionTask

# Frames encoded, and windows judged, at once: what a long video needs of memory stays small.
_CHUNK = 64


class RunningPooling:
    """A :class:`Pooling` over one direction whose steps come one at a time."""

    def __init__(self, pooling: Pooling) -> None:
        """Start before the first step."""
        self.pooling = pooling
        self._steps = 0
        self._summary_BF: Tensor | None = None
        self._weight_B1: Tensor | None = None
        self._highest_B1: Tensor | None = None

    def step(self, h_BF: Tensor) -> Tensor:
        """Take a step's hidden state and return the summary of all so far, shape (B, F)."""
        self._steps += 1
        if self.pooling.kind == "attention":
            return self._attend(h_BF)
        if self._summary_BF is None or self.pooling.kind == "last":
            self._summary_BF = h_BF
        elif self.pooling.kind == "max":
            self._summary_BF = torch.maximum(self._summary_BF, h_BF)
        else:
            self._summary_BF = self._summary_BF + (h_BF - self._summary_BF) / self._steps
        return self._summary_BF

    def _attend(self, h_BF: Tensor) -> Tensor:
        """Move the weighted mean towards a step; weights are relative to the highest so far."""
        score_B1 = self.pooling.score(torch.tanh(self.pooling.project(h_BF)))
        if self._summary_BF is None or self._weight_B1 is None or self._highest_B1 is None:
            self._summary_BF, self._highest_B1 = h_BF, score_B1
            self._weight_B1 = torch.ones_like(score_B1)
            return self._summary_BF
        highest_B1 = torch.maximum(self._highest_B1, score_B1)
        new_B1 = (score_B1 - highest_B1).exp()
        self._weight_B1 = self._weight_B1 * (self._highest_B1 - highest_B1).exp() + new_B1
        self._highest_B1 = highest_B1
        self._summary_BF = self._summary_BF + (h_BF - self._summary_BF) * new_B1 / self._weight_B1
        return self._summary_BF


@torch.inference_mode()
def running_probabilities(task: "VideoActionTask", x_THw3: Tensor) -> Tensor:
    """Return the class probabilities after every frame of a clip, shape (T, K).

    A backbone of one direction has seen everything up to the frame; a bidirectional one the
    training clips' number of frames before it.

    Args:
        task: in evaluation mode.
        x_THw3: frames of the training's size, uint8, on the task's device.
    """
    chunks_TF = []
    for start in range(0, len(x_THw3), _CHUNK):
        before_1Hw3 = x_THw3[start - 1 : start] if start else None
        chunks_TF.append(task.encoder(x_THw3[None, start : start + _CHUNK], None, before_1Hw3)[0])
    z_TF = torch.cat(chunks_TF)
    if task.backbone.rnn.bidirectional:
        return _windows(task, z_TF, int(task.schema["num_frames"]))
    h_1TF, _ = task.backbone(z_TF[None])
    running = [RunningPooling(pooling) for pooling in task.pooling_list]
    pooled_TF = torch.cat(
        [torch.cat([each.step(h_1F) for each in running], dim=1) for h_1F in h_1TF.unbind(1)]
    )
    probability_TK: Tensor = task.head(pooled_TF).float().softmax(-1)
    return probability_TK


def _windows(task: "VideoActionTask", z_TF: Tensor, width: int) -> Tensor:
    ends_T = torch.arange(1, len(z_TF) + 1, device=z_TF.device)
    parts = []
    for end_B in ends_T.split(_CHUNK):
        lengths_B = end_B.clamp(max=width)
        steps_W = torch.arange(int(lengths_B.max()), device=z_TF.device)
        index_BW = ((end_B - lengths_B)[:, None] + steps_W).clamp(max=len(z_TF) - 1)
        parts.append(task.classify(z_TF[index_BW], lengths_B).float().softmax(-1))
    return torch.cat(parts)
