"""Raw inputs of predictions: videos and first boxes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError

from ..reading.boxes import check_box
from ..reading.frames import read_video
from .streaming import as_frames

_NEEDED = (
    "needs a pair of a video (a path, or frames of shape (time, height, width, 3)) and the box of "
    "an object in its first frame (x, y, width and height in pixels), or the boxes of several"
)


def read_inputs(raw: Any) -> list[tuple[str, NDArray[np.uint8], NDArray[np.float32]]]:
    """Return name, frames and first boxes, shape (objects, 4), of each video.

    Args:
        raw: a pair of a video and a box or boxes, or a list of such pairs.

    Raises:
        UserError: something else, or a video that cannot be read.
    """
    pairs = raw if isinstance(raw, list) else [raw]
    if not pairs:
        raise UserError(f"an empty list: {_NEEDED}")
    found = []
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise UserError(f"input of type {type(pair).__name__}: {_NEEDED}")
        video, boxes = pair
        if isinstance(video, str | Path):
            name = Path(video).name
            frames_THW3 = read_video(Path(video).expanduser())
        else:
            name, frames_THW3 = "frames", as_frames(video).numpy()
        if not len(frames_THW3):
            raise UserError(f"{name}: no frames; {_NEEDED}")
        found.append((name, frames_THW3, first_boxes(boxes, frames_THW3, name)))
    return found


def first_boxes(boxes: Any, frames_THW3: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    """Return checked boxes, shape (objects, 4).

    Raises:
        UserError: there is none, or one is outside of the first frame.
    """
    several = np.ndim(boxes) == 2 if not _ragged(boxes) else True
    rows: Sequence[Any] = list(boxes) if several else [boxes]
    if not rows:
        raise UserError(f"{name}: no box; {_NEEDED}")
    try:
        return np.stack([check_box(box, *frames_THW3.shape[1:3]) for box in rows])
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None


def _ragged(boxes: Any) -> bool:
    try:
        np.asarray(boxes, np.float32)
    except (TypeError, ValueError):
        return isinstance(boxes, Sequence) and not isinstance(boxes, str)
    return False
