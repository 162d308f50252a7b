"""Baselines: the box stays, constant velocity, template matching.

Shapes: T frames, H height, W width; the last axis of a box is x, y, width and height, in pixels.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ..reading.boxes import Boxes
from .metrics import TrackMetrics

# Sides of the searched area, in sides of the box, and pixels of a template's larger side.
_SEARCH, _TEMPLATE_PIXELS = 2.0, 32
# A match of less is none.
_LEAST_CORRELATION = 0.3
# Of the filter: variances of acceleration and of a match, in (share of a side) squared.
_ACCELERATION, _MATCH = 0.02**2, 0.1**2


def baseline_scores(batches: Iterable[Any]) -> dict[str, dict[str, float]]:
    """Return the metrics of the baselines.

    - ``stays``: the first box.
    - ``template``: normalised cross-correlation of grey values with the first box, searched around
      the last match.
    - ``kalman``: a filter of constant velocity over these matches; where there is none, the object
      moves on.

    Args:
        batches: of the scored part.
    """
    found = {name: TrackMetrics() for name in ("stays", "template", "kalman")}
    for batch in batches:
        lengths = batch.lengths_B.tolist()
        for row, length in enumerate(lengths):
            frames = batch.frames[row, :length]
            first = batch.boxes_BT4[row, 0].numpy()
            true_T4 = batch.boxes_BT4[row, 1:length].numpy()
            visible_T = batch.visible_BT[row, 1:length].numpy()
            matched, filtered = follow_template(frames, first)
            tracks = {
                "stays": np.repeat(first[None], length - 1, 0),
                "template": matched,
                "kalman": filtered,
            }
            for name, boxes_T4 in tracks.items():
                found[name].update(boxes_T4, true_T4, visible_T)
    return {
        name: {key: float(value) for key, value in metrics.compute().items()}
        for name, metrics in found.items()
    }


@torch.inference_mode()
def follow_template(frames_THW3: torch.Tensor, first: Boxes) -> tuple[Boxes, Boxes]:
    """Return the boxes of template matching and of the filter over it, each (T - 1, 4)."""
    grey_THW = frames_THW3.float().mean(-1)
    scale = min(1.0, _TEMPLATE_PIXELS / float(first[2:].max()))
    if scale < 1:
        grey_THW = F.interpolate(
            grey_THW[:, None], scale_factor=scale, mode="bilinear", antialias=True
        )[:, 0]
    x, y, w, h = (first * scale).tolist()
    width, height = max(2, round(w)), max(2, round(h))
    pad = 2 * max(width, height)
    grey_THW = F.pad(grey_THW[:, None], (pad, pad, pad, pad), mode="replicate")[:, 0]
    left, top = round(x) + pad, round(y) + pad
    left = min(max(left, 0), grey_THW.size(2) - width)
    top = min(max(top, 0), grey_THW.size(1) - height)
    template = grey_THW[0, top : top + height, left : left + width]
    filter_ = _ConstantVelocity(np.array([left, top], float), max(width, height))
    matched: list[list[float]] = []
    filtered: list[list[float]] = []
    place = np.array([left, top], float)
    for frame in grey_THW[1:]:
        predicted = filter_.predict()
        place, score = _match(frame, template, place)
        around_predicted, other = _match(frame, template, predicted)
        match = around_predicted if other >= score else place
        filter_.update(match if max(score, other) >= _LEAST_CORRELATION else None)
        for track, at in ((matched, place), (filtered, filter_.place)):
            corner = (np.asarray(at) - pad) / scale
            track.append([*corner, first[2], first[3]])
    return np.array(matched, np.float32), np.array(filtered, np.float32)


def _match(
    frame_HW: torch.Tensor, template: torch.Tensor, around: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the corner with the highest correlation near another one, and that correlation."""
    height, width = template.shape
    reach = (round((_SEARCH - 1) * width / 2) + 1, round((_SEARCH - 1) * height / 2) + 1)
    limits = frame_HW.size(1) - width, frame_HW.size(0) - height
    low = [
        int(np.clip(round(float(a)) - r, 0, m))
        for a, r, m in zip(around, reach, limits, strict=True)
    ]
    high = [
        int(np.clip(round(float(a)) + r, 0, m))
        for a, r, m in zip(around, reach, limits, strict=True)
    ]
    area = frame_HW[low[1] : high[1] + height, low[0] : high[0] + width][None, None]
    centred = template - template.mean()
    shared = F.conv2d(area, centred[None, None])
    ones = torch.ones_like(centred)[None, None]
    mean = F.conv2d(area, ones) / centred.numel()
    spread = F.conv2d(area.square(), ones) - centred.numel() * mean.square()
    norm = (spread.clamp(min=1e-3) * centred.square().sum().clamp(min=1e-3)).sqrt()
    scores = (shared / norm)[0, 0]
    best = int(scores.argmax())
    row, column = divmod(best, scores.size(1))
    return np.array([low[0] + column, low[1] + row], float), float(scores[row, column])


class _ConstantVelocity:
    """Kalman filter of place and velocity, the same in both directions."""

    def __init__(self, place: NDArray[np.float64], side: int) -> None:
        self.place, self.velocity = place.copy(), np.zeros(2)
        self.covariance = np.diag([1.0, (0.1 * side) ** 2])
        self.noise, self.match = _ACCELERATION * side**2, _MATCH * side**2

    def predict(self) -> NDArray[np.float64]:
        """Move on by a frame."""
        self.place = self.place + self.velocity
        move = np.array([[1.0, 1.0], [0.0, 1.0]])
        added = self.noise * np.array([[0.25, 0.5], [0.5, 1.0]])
        self.covariance = move @ self.covariance @ move.T + added
        return self.place

    def update(self, measured: NDArray[np.float64] | None) -> None:
        """Take a match in, if there is one."""
        if measured is None:
            return
        gain = self.covariance[:, 0] / (self.covariance[0, 0] + self.match)
        error = measured - self.place
        self.place = self.place + gain[0] * error
        self.velocity = self.velocity + gain[1] * error
        self.covariance = self.covariance - np.outer(gain, self.covariance[0])
