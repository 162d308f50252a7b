"""Video files to a few small frames: any container and codec of FFmpeg.

Nothing here imports torch, so that processes that decode start at once.

Shapes: T frames, H height, W width, N targets.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
# Where a file names no frame rate at all.
_USUAL_RATE_HZ = 25.0
# Seconds by which times may be wrong that came from fractions.
ROUNDING = 1e-6
# Headers promise a few frames more than there are; what lacks more than this was cut off.
_CUT_OFF_SHARE, _CUT_OFF_SECONDS = 0.9, 0.3
# FFmpeg opens pictures as videos of one frame.
_STILL_FORMATS = ("image2", "ico")


class Sampling(NamedTuple):
    """Which frames of a video are kept.

    Attributes:
        max_frames: at most this many.
        rate_hz: None spreads them evenly in time over the whole video; a number keeps the frames
            shown at this rate, of a longer video those in its middle.
    """

    max_frames: int
    rate_hz: float | None = None

    def targets(self, seconds: float) -> NDArray[np.float64]:
        """Return the times at which the shown frame is kept, shape (N,), from 0 to ``seconds``."""
        if self.rate_hz is None:
            return (np.arange(self.max_frames) + 0.5) * seconds / self.max_frames
        count = max(1, int(np.ceil(seconds * self.rate_hz - ROUNDING)))
        first = max(0, count - self.max_frames) // 2
        kept_N = np.arange(first, first + min(count, self.max_frames))
        return np.minimum(kept_N / self.rate_hz, seconds)


class Frames(NamedTuple):
    """Frames of a video.

    Attributes:
        frames_THWC: red, green and blue, uint8; at least one frame.
        time_T: seconds at which each is first shown, beginning with 0.
        end: seconds at which the last one ends.
    """

    frames_THWC: NDArray[np.uint8]
    time_T: NDArray[np.float64]
    end: float


def is_video_file(path: Path) -> bool:
    """Tell whether a file's name is that of a video."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_frames(path: Path, sampling: Sampling, height: int, width: int) -> Frames:
    """Read the chosen frames of a video, each scaled to cover the size and cut at its centre.

    Rotated videos are turned upright and pixels that are not square are made so. What the header
    says of the number of frames is not used.

    Args:
        path: the file.
        sampling: which frames.
        height: of the frames, in pixels.
        width: of the frames, in pixels.

    Raises:
        ValueError: it cannot be read; the message says why, without the name.
    """
    check_complete(path, b"AVI ")
    with _opened(path) as (container, stream):
        seconds = _packet_seconds(container, stream)
        _check_promised(container, stream, seconds)
    frames, end = _decode(path, sampling.targets(seconds), seconds, height, width)
    if not end:
        raise ValueError("none of its frames can be decoded")
    if end < seconds:
        # Packets without frames: what was to be spread over the whole is not.
        _check_cut_off(end, seconds)
        seconds = end
        frames, _ = _decode(path, sampling.targets(seconds), seconds, height, width)
    time_T = np.array([time for time, _ in frames])
    if sampling.rate_hz is not None:
        seconds = min(seconds, sampling.targets(seconds)[-1] + 1 / sampling.rate_hz)
    frames_THWC = np.stack([frame_HWC for _, frame_HWC in frames])
    return Frames(frames_THWC, time_T - time_T[0], float(seconds - time_T[0]))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        with av.open(path, metadata_errors="replace") as container:
            names = container.format.name.split(",")
            if any(name in _STILL_FORMATS or name.endswith("_pipe") for name in names):
                kind = container.format.name.removesuffix("_pipe")
                raise ValueError(f"a still image ({kind}), not a video")
            # The cover of a song is a video stream too.
            streams = [
                each
                for each in container.streams.video
                if not each.disposition & Disposition.attached_pic
            ]
            if not streams:
                found = ", only sound" if container.streams.audio else ""
                raise ValueError(f"holds no video{found}")
            # One file has one core: many are decoded at once.
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise ValueError(f"not a readable video: {reason.strip()}") from error


def _packet_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Return how long the video's packets last; they are found without decoding."""
    usual = 1 / float(stream.average_rate or _USUAL_RATE_HZ)
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
        # Cut off: what there is may be enough.
        pass
    if not count:
        raise ValueError("holds no frames")
    if len(times) < count:
        return count * usual
    if count == 1 and container.format.name == "gif":
        raise ValueError("a still image (gif), not a video")
    step = longest or (float(np.median(np.diff(sorted(times)))) if count > 1 else usual)
    return max(times) - min(times) + (step or usual)


def _check_promised(container: InputContainer, stream: VideoStream, seconds: float) -> None:
    """Refuse what is much shorter than its header says."""
    if stream.duration and stream.time_base:
        promised = float(stream.duration * stream.time_base)
    elif container.duration and len(container.streams) == 1:
        promised = container.duration / av.time_base
    else:
        return
    _check_cut_off(seconds, promised)


def _check_cut_off(seconds: float, promised: float) -> None:
    if seconds < _CUT_OFF_SHARE * promised - _CUT_OFF_SECONDS:
        raise ValueError(f"cut off after {seconds:.1f} of {promised:.1f} seconds")


def _decode(
    path: Path, target_N: NDArray[np.float64], seconds: float, height: int, width: int
) -> tuple[list[tuple[float, NDArray[np.uint8]]], float]:
    """Return the frames shown at the targets with their times, and when the last one ends."""
    kept: list[tuple[float, NDArray[np.uint8]]] = []
    number, end = 0, 0.0
    with _opened(path) as (container, stream):
        shape = _Shape(height, width, float(stream.sample_aspect_ratio or 1))
        for start, end, frame in _shown_frames(container, stream):
            # A frame that is not wanted is never converted.
            if (reached := int(np.searchsorted(target_N, end - ROUNDING))) > number:
                kept.append((start, shape.apply(frame)))
                number = reached
            if number == len(target_N):
                return kept, seconds
    return kept, end


def _shown_frames(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Yield the frames that can be decoded, each with its first second and its end."""
    usual = 1 / float(stream.average_rate or _USUAL_RATE_HZ)
    begin: float | None = None
    shown, shown_at, step, number = None, 0.0, usual, 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            assert isinstance(frame, av.VideoFrame)
            time = frame.time if frame.time is not None else number * usual
            begin = time if begin is None else begin
            # Times that run backwards are no times.
            time, number = max(time - begin, shown_at), number + 1
            if shown is not None:
                yield shown_at, time, shown
                step = time - shown_at
            shown, shown_at = frame, time
    if shown is not None:
        told = float(shown.duration * shown.time_base) if shown.time_base else 0.0
        yield shown_at, shown_at + (told or step), shown


class _Shape:
    """Brings frames to one size: turned upright, scaled to cover it, cut at the centre."""

    def __init__(self, height: int, width: int, pixel_aspect: float) -> None:
        self.height, self.width, self.pixel_aspect = height, width, pixel_aspect
        # One for all frames of a file: it keeps the tables of its scaler.
        self.reformatter = VideoReformatter()

    def apply(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Return a frame, shape (H, W, 3)."""
        quarters = round(frame.rotation / 90) % 4
        height, width = self.height, self.width
        if quarters % 2:
            height, width = width, height
        seen_width = frame.width * self.pixel_aspect
        scale = max(height / frame.height, width / seen_width)
        scaled_height = max(height, round(frame.height * scale))
        scaled_width = max(width, round(seen_width * scale))
        small = self.reformatter.reformat(
            frame, scaled_width, scaled_height, "rgb24", interpolation="AREA"
        )
        top, left = (scaled_height - height) // 2, (scaled_width - width) // 2
        cut_HWC = small.to_ndarray()[top : top + height, left : left + width]
        # Counter-clockwise, as numpy turns.
        return np.ascontiguousarray(np.rot90(cut_HWC, quarters))
