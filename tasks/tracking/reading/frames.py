"""Frames of videos, and of folders of images as tracking benchmarks have them.

Shapes: T frames, H height, W width.
"""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gru_suite.errors import UserError
from gru_suite.video.reading.video_files import decoded_frames, is_video_file

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_FRAMES = 20_000
"""Frames of a video at most."""

_IMAGES_HZ = 25


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def read_video(path: Path) -> NDArray[np.uint8]:
    """Return all frames of a video or of a folder of images, upright, RGB, shape (T, H, W, 3).

    Raises:
        UserError: it cannot be read.
    """
    return read_timed_video(path)[0]


def read_timed_video(path: Path) -> tuple[NDArray[np.uint8], list[float]]:
    """Return the frames of :func:`read_video`, and their times in seconds from the first.

    Images of a folder have 25 a second.

    Raises:
        UserError: it cannot be read.
    """
    try:
        if path.is_dir():
            frames = _images(path)
            times = [number / _IMAGES_HZ for number in range(len(frames))]
        else:
            frames, times = _frames(path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UserError(f"input {path}: {error}") from error
    if not frames:
        raise UserError(f"input {path}: none of its frames can be decoded")
    return np.stack(frames), times


def _frames(path: Path) -> tuple[list[NDArray[np.uint8]], list[float]]:
    if not path.is_file():
        raise ValueError("no such file")
    if not is_video_file(path):
        raise ValueError("not a video file")
    frames: list[NDArray[np.uint8]] = []
    times: list[float] = []
    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.video:
            raise ValueError("holds no video")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for time_s, frame in decoded_frames(container, stream):
            if len(frames) == MAX_FRAMES:
                raise ValueError(f"more than {MAX_FRAMES:,} frames; cut it into parts")
            rgb = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            frames.append(np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90))))
            times.append(float(time_s))
    return frames, times


def _images(folder: Path) -> list[NDArray[np.uint8]]:
    paths = list_images(folder)
    if len(paths) > MAX_FRAMES:
        raise ValueError(f"{len(paths):,} images; at most {MAX_FRAMES:,} are read")
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(np.asarray(image.convert("RGB"), np.uint8))
    return found
