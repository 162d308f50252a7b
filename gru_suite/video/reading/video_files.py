"""Reading of video files: selected frames, scaled and cropped; every format that FFmpeg reads.

torch is not imported, so that decoding processes start fast.

Shapes: T frames, H height, W width, N targets.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gru_suite.data.unreadable_files import check_complete

SUFFIXES = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".gif", ".m4v", ".mpg", ".mpeg")
# For files without a frame rate.
_DEFAULT_RATE_HZ = 25.0
# Tolerance of frame times in seconds: they are fractions converted to float.
ROUNDING = 1e-6
# Headers may count a few frames too many; a file that lacks more than this is truncated.
_MIN_COMPLETE_SHARE, _MAX_MISSING_S = 0.9, 0.3
# FFmpeg opens still images as videos of one frame.
_STILL_FORMATS = ("image2", "ico")


class Sampling(NamedTuple):
    """Temporal sampling: which frames of a video are read.

    Attributes:
        max_frames: maximum number of frames.
        rate_hz: frames a second; of a longer video the middle is read. None spreads
            ``max_frames`` evenly over the whole video.
    """

    max_frames: int
    rate_hz: float | None = None

    def targets(self, seconds: float) -> NDArray[np.float64]:
        """Return the sampling times in seconds, shape (N,), each from 0 to ``seconds``."""
        if self.rate_hz is None:
            return (np.arange(self.max_frames) + 0.5) * seconds / self.max_frames
        count = max(1, int(np.ceil(seconds * self.rate_hz - ROUNDING)))
        first = max(0, count - self.max_frames) // 2
        index_N = np.arange(first, first + min(count, self.max_frames))
        return np.minimum(index_N / self.rate_hz, seconds)


class Frames(NamedTuple):
    """Frames of a video.

    Attributes:
        frames_THWC: RGB, uint8; at least one frame.
        time_T: presentation time of each in seconds, relative to the first.
        end: end of the last frame in seconds.
    """

    frames_THWC: NDArray[np.uint8]
    time_T: NDArray[np.float64]
    end: float


def is_video_file(path: Path) -> bool:
    """Return whether the suffix of a path is that of a video file."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_frames(source: Path | BytesIO, sampling: Sampling, height: int, width: int) -> Frames:
    """Read sampled frames of a video, resized to cover height and width and centre-cropped.

    Rotation metadata and pixel aspect ratio are applied. The duration comes from the packets, as
    the number of frames in a header is often wrong.

    Args:
        source: the file, or its content.
        sampling: which frames.
        height: of the frames, in pixels.
        width: of the frames, in pixels.

    Raises:
        ValueError: it cannot be read; the message has the reason, without the name.
    """
    check_complete(source, b"AVI ")
    with _opened(source) as (container, stream):
        seconds = _packet_seconds(container, stream)
        _check_declared_duration(container, stream, seconds)
    frames, end = _decode(source, sampling.targets(seconds), seconds, height, width)
    if not end:
        raise ValueError("none of its frames can be decoded")
    if end < seconds:
        # The last packets hold no frames: sample again from the shorter duration.
        _check_truncation(end, seconds)
        seconds = end
        frames, _ = _decode(source, sampling.targets(seconds), seconds, height, width)
    time_T = np.array([time for time, _ in frames])
    if sampling.rate_hz is not None:
        seconds = min(seconds, sampling.targets(seconds)[-1] + 1 / sampling.rate_hz)
    frames_THWC = np.stack([frame_HWC for _, frame_HWC in frames])
    return Frames(frames_THWC, time_T - time_T[0], float(seconds - time_T[0]))


@contextmanager
def _opened(source: Path | BytesIO) -> Iterator[tuple[InputContainer, VideoStream]]:
    if isinstance(source, BytesIO):
        source.seek(0)
    try:
        with av.open(source, "r", metadata_errors="replace") as container:
            names = container.format.name.split(",")
            if any(name in _STILL_FORMATS or name.endswith("_pipe") for name in names):
                kind = container.format.name.removesuffix("_pipe")
                raise ValueError(f"a still image ({kind}), not a video")
            # Cover art of audio files is a video stream, too.
            streams = [
                each
                for each in container.streams.video
                if not each.disposition & Disposition.attached_pic
            ]
            if not streams:
                other = ", only sound" if container.streams.audio else ""
                raise ValueError(f"holds no video{other}")
            if streams[0].codec_context is None:
                raise ValueError("not a readable video: of an unknown codec")
            # One thread for each file, since many are decoded in parallel.
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise ValueError(f"not a readable video: {reason.strip()}") from error


def _packet_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Return the duration of the video's packets, without decoding them."""
    usual_step = 1 / float(stream.average_rate or _DEFAULT_RATE_HZ)
    times, longest = [], 0.0
    count = 0
    try:
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard:
                continue
            count += 1
            time = packet.pts if packet.pts is not None else packet.dts
            if time is not None and packet.time_base is not None:
                times.append(float(time * packet.time_base))
                longest = float((packet.duration or 0) * packet.time_base)
    except av.error.FFmpegError:
        # Truncated: the packets before may be enough.
        pass
    if not count:
        raise ValueError("holds no frames")
    if len(times) < count:
        return count * usual_step
    if count == 1 and container.format.name == "gif":
        raise ValueError("a still image (gif), not a video")
    step = longest or (float(np.median(np.diff(sorted(times)))) if count > 1 else usual_step)
    return max(times) - min(times) + (step or usual_step)


def _check_declared_duration(
    container: InputContainer, stream: VideoStream, seconds: float
) -> None:
    """Raise ValueError for a video that is much shorter than the duration in its header."""
    if stream.duration and stream.time_base:
        declared = float(stream.duration * stream.time_base)
    elif container.duration and len(container.streams) == 1:
        declared = container.duration / av.time_base
    else:
        return
    _check_truncation(seconds, declared)


def _check_truncation(seconds: float, declared: float) -> None:
    if seconds < _MIN_COMPLETE_SHARE * declared - _MAX_MISSING_S:
        raise ValueError(f"cut off after {seconds:.1f} of {declared:.1f} seconds")


def _decode(
    source: Path | BytesIO, target_N: NDArray[np.float64], seconds: float, height: int, width: int
) -> tuple[list[tuple[float, NDArray[np.uint8]]], float]:
    """Return the frames at the target times, each with its own time, and the end of the last."""
    frames: list[tuple[float, NDArray[np.uint8]]] = []
    number, end = 0, 0.0
    with _opened(source) as (container, stream):
        crop = _CoverCrop(height, width, float(stream.sample_aspect_ratio or 1))
        for start, end, frame in _frame_intervals(container, stream):
            # Only the selected frames are converted.
            if (reached := int(np.searchsorted(target_N, end - ROUNDING))) > number:
                frames.append((start, crop.apply(frame)))
                number = reached
            if number == len(target_N):
                return frames, seconds
    return frames, end


def decoded_frames(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield the frames that can be decoded, with their times in seconds from the first."""
    usual_step = 1 / float(stream.average_rate or _DEFAULT_RATE_HZ)
    first_time: float | None = None
    number = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            assert isinstance(frame, av.VideoFrame)
            time = frame.time if frame.time is not None else number * usual_step
            first_time = time if first_time is None else first_time
            number += 1
            yield time - first_time, frame


def _frame_intervals(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Yield the frames that can be decoded, with the start and the end of their display."""
    previous, start = None, 0.0
    step = 1 / float(stream.average_rate or _DEFAULT_RATE_HZ)
    for time, frame in decoded_frames(container, stream):
        # Timestamps of damaged files may decrease.
        time = max(time, start)
        if previous is not None:
            yield start, time, previous
            step = time - start
        previous, start = frame, time
    if previous is not None:
        duration = float(previous.duration * previous.time_base) if previous.time_base else 0.0
        yield start, start + (duration or step), previous


class _CoverCrop:
    """Rotates frames upright, resizes them to cover a size and crops the centre."""

    def __init__(self, height: int, width: int, pixel_aspect: float) -> None:
        self.height, self.width, self.pixel_aspect = height, width, pixel_aspect
        # One for all frames of a file: it caches the scaler.
        self.reformatter = VideoReformatter()

    def apply(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Return a frame, shape (H, W, 3)."""
        quarters = round(frame.rotation / 90) % 4
        height, width = self.height, self.width
        if quarters % 2:
            height, width = width, height
        display_width = frame.width * self.pixel_aspect
        scale = max(height / frame.height, width / display_width)
        scaled_height = max(height, round(frame.height * scale))
        scaled_width = max(width, round(display_width * scale))
        small = self.reformatter.reformat(
            frame, scaled_width, scaled_height, "rgb24", interpolation="AREA"
        )
        top, left = (scaled_height - height) // 2, (scaled_width - width) // 2
        cut_HWC = small.to_ndarray()[top : top + height, left : left + width]
        # The rotation of a frame is counter-clockwise, as in numpy.
        return np.ascontiguousarray(np.rot90(cut_HWC, quarters))
