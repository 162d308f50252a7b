"""Copies of videos with boxes and trails drawn in.

Shapes: T frames, H height, W width; the last axis of a box is x, y, width and height, in pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gru_suite.video.annotated_copy import Frame, annotate_copy, enlargement

from .tracks import Track

COLORS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
"""Of the objects, in turn (Okabe and Ito's, told apart by all)."""

_TRAIL_FRAMES = 40
_HIDDEN_DASH = 6


def annotate_tracks(
    source: Path,
    target: Path,
    tracks: Sequence[Track],
    height: int,
    frames_THW3: NDArray[np.uint8] | None = None,
) -> Path:
    """Write a video as MP4 with the objects' boxes, numbers and trails drawn in, without sound.

    The box of an object that is not to be seen is dashed.

    Args:
        source: the video.
        target: the MP4 to write.
        tracks: of the objects.
        height: of the video's frames, in pixels.
        frames_THW3: where the source is a folder of images.
    """
    frames = None
    if frames_THW3 is not None:
        frames = ((number / 25, frame) for number, frame in enumerate(frames_THW3))

    def draw(frame_HW3: Frame, time_s: float, number: int) -> Frame:
        return draw_tracks(frame_HW3, tracks, number, enlargement(height))

    return annotate_copy(source, target, draw, frames)


def draw_tracks(frame_HW3: Frame, tracks: Sequence[Track], number: int, scale: int = 1) -> Frame:
    """Return a frame with the tracks up to its number; ``scale`` is what it is enlarged by."""
    image = Image.fromarray(frame_HW3)
    canvas = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(max(10, image.height // 22))
    for index, track in enumerate(tracks):
        if number >= len(track.boxes_T4):
            continue
        color = COLORS[index % len(COLORS)]
        boxes_T4 = scale * track.boxes_T4[max(0, number - _TRAIL_FRAMES) : number + 1]
        feet = [(float(x + w / 2), float(y + h)) for x, y, w, h in boxes_T4]
        if len(feet) > 1:
            canvas.line(feet, fill=(*color, 170), width=2)
        x, y, w, h = boxes_T4[-1].tolist()
        seen = track.visible_T[number] >= 0.5
        _rectangle(canvas, (x, y, x + w, y + h), color, seen)
        canvas.text((x + 2, y), str(index), fill=color, font=font, anchor="lb")
    drawn_HW3: Frame = np.asarray(image)
    return drawn_HW3


def _rectangle(
    canvas: ImageDraw.ImageDraw,
    corners: tuple[float, float, float, float],
    color: tuple[int, int, int],
    solid: bool,
) -> None:
    left, top, right, bottom = corners
    if solid:
        canvas.rectangle(corners, outline=color, width=2)
        return
    for start in np.arange(left, right, 2 * _HIDDEN_DASH).tolist():
        end = min(start + _HIDDEN_DASH, right)
        for y in (top, bottom):
            canvas.line((start, y, end, y), fill=color, width=2)
    for start in np.arange(top, bottom, 2 * _HIDDEN_DASH).tolist():
        end = min(start + _HIDDEN_DASH, bottom)
        for x in (left, right):
            canvas.line((x, start, x, end), fill=color, width=2)
