"""Small real videos, written by PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def ramp(num_frames: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Return frames whose grey value tells their number: 8 for each."""
    values = np.arange(num_frames, dtype=np.uint8) * 8
    return np.broadcast_to(values[:, None, None, None], (num_frames, height, width, 3)).copy()


def moving(num_frames: int, seed: int = 0, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Return a bright square that moves over a dark place."""
    draw = np.random.default_rng(seed)
    frames = np.full((num_frames, height, width, 3), draw.integers(10, 60, 3), np.uint8)
    top, color = int(draw.integers(0, height - 16)), draw.integers(120, 255, 3)
    for number in range(num_frames):
        left = (3 * number + seed) % (width - 16)
        frames[number, top : top + 16, left : left + 16] = color
    return frames


def write_video(
    path: Path,
    frames: NDArray[np.uint8],
    codec: str = "mpeg4",
    rate: int = 25,
    pixels: str = "yuv420p",
    times: Sequence[float] | None = None,
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    sound_seconds: float = 0.0,
) -> Path:
    """Write frames (T, H, W, 3); ``times`` in seconds make the frame rate variable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        if codec not in ("gif", "png"):
            stream.bit_rate = 2_000_000
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = container.add_stream("mp2", rate=16000, layout="mono") if sound_seconds else None
        for number, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(values, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[number]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _write_sound(container, sound, sound_seconds)
    return path


def write_sound_only(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as container:
        _write_sound(container, container.add_stream("mp2", rate=16000, layout="mono"), seconds)
    return path


def write_no_frames(path: Path) -> Path:
    """Write a container with a video stream and nothing in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def write_still(path: Path, kind: str = "png") -> Path:
    """Write a picture, whatever the file's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(f".{kind}")
    codec, pixels = ("png", "rgb24") if kind == "png" else ("mjpeg", "yuvj420p")
    with av.open(picture, "w", format="image2") as container:
        stream = container.add_stream(codec, rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        container.mux(stream.encode(av.VideoFrame.from_ndarray(ramp(1)[0], format="rgb24")))
        container.mux(stream.encode())
    return picture.rename(path)


def _write_sound(container: object, stream: object, seconds: float) -> None:
    samples = (8000 * np.sin(np.arange(round(16000 * seconds)) / 9)).astype(np.int16)
    for start in range(0, len(samples), 1152):
        part = samples[None, start : start + 1152]
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, start
        container.mux(stream.encode(frame))  # type: ignore[attr-defined]
    container.mux(stream.encode())  # type: ignore[attr-defined]
