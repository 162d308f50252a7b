"""Boxes of objects: overlap, centres, and their parts in an image.

Shapes: the last axis of a box is x and y of its upper left corner, width and height, in pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
THRESHOLDS = np.linspace(0, 1, 21)
"""Overlaps of the success curve (Wu et al. 2013)."""


def overlap(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """Return the area of intersection over that of union of boxes, 0 to 1, shape (...,)."""
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    union = first[..., 2:].prod(-1) + second[..., 2:].prod(-1) - shared
    found: NDArray[np.float32] = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return found


def success_curve(overlap_T: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of frames whose overlap is above each of ``THRESHOLDS``."""
    found: NDArray[np.float64] = (overlap_T[:, None] > THRESHOLDS).mean(0)
    return found


def centre_distance(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """Return the distance of the centres of boxes, in pixels, shape (...,)."""
    between = first[..., :2] + first[..., 2:] / 2 - second[..., :2] - second[..., 2:] / 2
    found: NDArray[np.float32] = np.sqrt(np.square(between).sum(-1)).astype(np.float32)
    return found


def normalized_distance(first: Boxes, truth: Boxes) -> NDArray[np.float32]:
    """Return the distance of the centres in widths and heights of the true box, shape (...,)."""
    between = first[..., :2] + first[..., 2:] / 2 - truth[..., :2] - truth[..., 2:] / 2
    relative = between / np.maximum(truth[..., 2:], 1e-9)
    found: NDArray[np.float32] = np.sqrt(np.square(relative).sum(-1)).astype(np.float32)
    return found


def check_box(box: Any, height: int, width: int) -> Boxes:
    """Return a box as numbers.

    Raises:
        ValueError: it is none, or outside the image.
    """
    try:
        numbers = np.asarray(box, np.float32)
    except (TypeError, ValueError):
        numbers = np.empty(0, np.float32)
    if numbers.shape != (4,) or not np.isfinite(numbers).all():
        raise ValueError(f"box {box!r}: needs x, y, width and height in pixels")
    if numbers[2] < 1 or numbers[3] < 1:
        raise ValueError(f"box {numbers.tolist()}: width and height have to be 1 pixel or more")
    x, y, w, h = numbers.tolist()
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise ValueError(f"box {numbers.tolist()}: outside of the image of {width} x {height}")
    return numbers
