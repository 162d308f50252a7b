"""Decoding of whole videos into a cache, scaled down.

Shapes: T frames, H height, W width.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gru_suite.data.cache import build_once, content_key, in_threads
from gru_suite.data.ragged_arrays import RaggedArrays, open_arrays, write_arrays
from gru_suite.errors import UserError

from .frames import list_images, read_video

# To be increased when the same files are decoded to other frames.
_CACHE_FORMAT = 1


class DecodedVideos(NamedTuple):
    """Decoded videos.

    Attributes:
        pixels: uint8 of all frames of each readable video.
        shapes: (T, H, W) of each.
        scales: pixels of the cache in one of the video, of each.
        clip_of_video: index of each video in these; None for an unreadable one.
        unreadable: reason of each unreadable video, by its path.
    """

    pixels: RaggedArrays
    shapes: list[tuple[int, int, int]]
    scales: list[float]
    clip_of_video: list[int | None]
    unreadable: dict[str, str]

    def frames(self, clip: int, first: int, last: int) -> NDArray[np.uint8]:
        """Return frames of a video, (T, H, W, 3)."""
        length, height, width = self.shapes[clip]
        frames = np.asarray(self.pixels.get(clip)).reshape(length, height, width, 3)
        return np.array(frames[first:last])


def decode_videos(videos: Sequence[Path], max_side: int, cache: Path) -> DecodedVideos:
    """Decode videos, or open them in the cache.

    Args:
        videos: files, or folders of images.
        max_side: of a frame; larger ones are scaled down.
        cache: folder of decoded videos.

    Raises:
        UserError: the cache cannot be written.
    """
    files = [path for each in videos for path in (list_images(each) if each.is_dir() else [each])]
    there = [path for path in files if path.is_file()]
    folder = cache / f"tracks-{content_key(there, f'{_CACHE_FORMAT} {max_side} {len(files)}')}"

    def build() -> RaggedArrays:
        facts: dict[str, Any] = {"shapes": [], "scales": [], "bad": {}}
        return write_arrays(folder, _decoded(videos, max_side, facts), "u1", facts)

    pixels = build_once(folder, lambda: open_arrays(folder), build)
    bad = {int(index): reason for index, reason in pixels.facts["bad"].items()}
    clips = iter(range(len(pixels.length_N)))
    return DecodedVideos(
        pixels,
        [(int(t), int(h), int(w)) for t, h, w in pixels.facts["shapes"]],
        [float(scale) for scale in pixels.facts["scales"]],
        [None if index in bad else next(clips) for index in range(len(videos))],
        {str(videos[index]): reason for index, reason in bad.items()},
    )


def _decoded(
    videos: Sequence[Path], max_side: int, facts: dict[str, Any]
) -> Iterator[NDArray[np.uint8]]:
    def decode(path: Path) -> tuple[NDArray[np.uint8], float] | str:
        try:
            return scaled(read_video(path), max_side)
        except UserError as error:
            return str(error)

    for index, found in enumerate(in_threads(decode, videos)):
        if isinstance(found, str):
            facts["bad"][str(index)] = found
            continue
        frames_THW3, scale = found
        facts["shapes"].append(list(frames_THW3.shape[:3]))
        facts["scales"].append(scale)
        yield frames_THW3.reshape(-1)


def scaled(frames_THW3: NDArray[np.uint8], max_side: int) -> tuple[NDArray[np.uint8], float]:
    """Return frames whose larger side is at most ``max_side``, and by what they are scaled."""
    height, width = frames_THW3.shape[1:3]
    scale = min(1.0, max_side / max(height, width))
    if scale == 1.0:
        return frames_THW3, scale
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = [
        np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX, reducing_gap=2))
        for frame in frames_THW3
    ]
    return np.stack(small), scale
