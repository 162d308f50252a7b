"""Copies of videos with something drawn into each frame.

Shapes: H height, W width of the video's frames.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.files import atomic_path

from .reading.video_files import decoded_frames

Frame = NDArray[np.uint8]
# Fine enough for any frame rate, and mpeg4 takes nothing above 65535.
_TIME_BASE = Fraction(1, 12800)
_NOMINAL_RATE_HZ = 25
_CODECS = ("libx264", "mpeg4")
# Text is illegible in smaller frames.
_MIN_HEIGHT = 240


def annotate_copy(
    source: Path,
    target: Path,
    draw: Callable[[Frame, float, int], Frame],
    frames: Iterable[tuple[float, Frame]] | None = None,
) -> Path:
    """Write a video as MP4 with something drawn into each frame, without sound.

    Small frames are enlarged by a whole factor before the drawing, see :func:`enlargement`.

    Args:
        source: the video.
        target: the MP4 to write.
        draw: gives a frame with the drawing, from a frame of even sides, its time in seconds from
            the first, and its number.
        frames: times and frames where ``source`` is no video file.

    Raises:
        UserError: the video cannot be read or the copy not be written.
    """
    given = upright_frames(source) if frames is None else frames
    try:
        with atomic_path(target) as temporary, av.open(str(temporary), "w", "mp4") as copy:
            stream = None
            last_pts = -1
            for number, (time_s, frame_HW3) in enumerate(given):
                drawn_HW3 = draw(_legible(frame_HW3), time_s, number)
                if stream is None:
                    height, width = drawn_HW3.shape[:2]
                    stream = _add_stream(copy, width, height)
                frame = av.VideoFrame.from_ndarray(drawn_HW3, "rgb24")
                # The muxer takes only increasing timestamps.
                last_pts = max(round(time_s / _TIME_BASE), last_pts + 1)
                frame.pts, frame.time_base = last_pts, _TIME_BASE
                copy.mux(stream.encode(frame))
            if stream is None:
                raise UserError(f"input {source}: none of its frames can be decoded")
            copy.mux(stream.encode(None))
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"cannot annotate {source} into {target}: {error}") from error
    return target


def upright_frames(source: Path) -> Iterator[tuple[float, Frame]]:
    """Yield every frame of a video that can be decoded, upright, with its time in seconds."""
    with av.open(str(source), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for time_s, frame in decoded_frames(container, stream):
            rgb_HW3 = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            yield time_s, np.rot90(rgb_HW3, round(frame.rotation / 90))


def enlargement(height: int) -> int:
    """Return the factor by which frames of a height are enlarged, so that text is legible."""
    return -(-_MIN_HEIGHT // height)


def _legible(frame_HW3: Frame) -> Frame:
    """Return a frame with even sides, a small one enlarged."""
    factor = enlargement(len(frame_HW3))
    if factor > 1:
        frame_HW3 = frame_HW3.repeat(factor, 0).repeat(factor, 1)
    height, width = (side - side % 2 for side in frame_HW3.shape[:2])
    return np.ascontiguousarray(frame_HW3[:height, :width])


def _add_stream(copy: OutputContainer, width: int, height: int) -> VideoStream:
    for codec in _CODECS:
        try:
            stream = copy.add_stream(codec, rate=_NOMINAL_RATE_HZ)
        except UnknownCodecError:
            continue
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _TIME_BASE
        return stream
    raise UserError(f"cannot write a video: this PyAV has none of {', '.join(_CODECS)}")
