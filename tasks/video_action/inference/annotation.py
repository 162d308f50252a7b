"""Copies of videos with the predictions drawn in.

Shapes: T classified frames, H height, W width of the video's frames, K classes.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gru_suite.errors import UserError
from gru_suite.files import atomic_path

from ..network.video_classifier import VideoClassifier
from ..reading.video_files import Sampling, decoded_frames, read_frames
from .stepwise_predictions import stepwise_probabilities

# Fine enough for any frame rate, and mpeg4 takes nothing above 65535.
_TIME_BASE = Fraction(1, 12800)
_NOMINAL_RATE_HZ = 25
_CODECS = ("libx264", "mpeg4")
# Text is illegible in smaller frames.
_MIN_HEIGHT = 240
_MAX_LABELS = 3
_ROWS_IN_HEIGHT = 14
_TEXT, _BAR, _BACKGROUND = (255, 255, 255), (0, 114, 178), (0, 0, 0, 150)


# Of a longer video the middle is annotated.
_MAX_FRAMES = 20_000


def annotate_videos(
    model: VideoClassifier, names: Sequence[str], source: Path, target: Path
) -> list[Path]:
    """Write a copy of each video with the predictions over time drawn in; return the copies.

    Args:
        model: a trained model.
        names: paths of the videos.
        source: the video, or the folder of the videos.
        target: the table of predictions; the copies are written beside it.
    """
    copies = []
    for name in names:
        path = Path(name)
        inside = path.relative_to(source.expanduser()) if source.expanduser().is_dir() else path
        # With suffix: a.avi and a.mp4 may be in one folder.
        flat = "_".join(inside.parts) if inside is not path else path.name
        copy = target.with_name(f"{target.stem}_{flat.replace('.', '_')}.mp4")
        time_T, probability_TK = stepwise_predictions(model, path)
        copies.append(annotate_video(path, copy, model.labels, time_T, probability_TK))
    return copies


def stepwise_predictions(
    model: VideoClassifier, path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return times of frames in seconds, (T,), and the class probabilities after each, (T, K).

    Raises:
        UserError: the video cannot be read.
    """
    schema = model.schema
    rate_hz = schema.get("frame_rate_hz")
    max_frames = _MAX_FRAMES if rate_hz else int(schema["num_frames"])
    height, width = (int(side) for side in schema["size"])
    try:
        frames = read_frames(path, Sampling(max_frames, rate_hz), height, width)
    except ValueError as error:
        raise UserError(f"input {path}: {error}") from error
    x_THW3 = torch.from_numpy(frames.frames_THWC).to(model.device)
    return frames.time_T, stepwise_probabilities(model.eval(), x_THW3).cpu().numpy()


def annotate_video(
    source: Path,
    target: Path,
    labels: Sequence[str],
    time_T: NDArray[np.float64],
    probability_TK: NDArray[np.float32],
) -> Path:
    """Write a video as MP4 with the predictions over time drawn in, without sound.

    Args:
        source: the video.
        target: the MP4 to write.
        labels: the classes' names.
        time_T: times of the classified frames in seconds from the first, ascending.
        probability_TK: class probabilities after each.

    Raises:
        UserError: the video cannot be read or the copy not be written.
    """
    try:
        with atomic_path(target) as temporary, av.open(str(temporary), "w", "mp4") as copy:
            stream = None
            last_pts = -1
            for time_s, frame_HW3 in _upright_frames(source):
                drawn_HW3 = draw_prediction(
                    frame_HW3, labels, probability_TK[_latest(time_T, time_s)]
                )
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


def draw_prediction(
    frame_HW3: NDArray[np.uint8], labels: Sequence[str], probability_K: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Return a frame with its most probable classes in the upper left, as names and bars."""
    image = Image.fromarray(frame_HW3)
    canvas = ImageDraw.Draw(image, "RGBA")
    row = max(8, image.height // _ROWS_IN_HEIGHT)
    font = ImageFont.load_default(row * 0.75)
    best = np.argsort(-probability_K, kind="stable")[:_MAX_LABELS]
    texts = [f"{labels[index]}  {probability_K[index]:.0%}" for index in best]
    width = min(image.width, round(max(font.getlength(text) for text in texts)) + row)
    canvas.rectangle((0, 0, width, row * len(best)), fill=_BACKGROUND)
    for place, (index, text) in enumerate(zip(best, texts, strict=True)):
        top = place * row
        end = round(float(probability_K[index]) * width)
        canvas.rectangle((0, top + 1, end, top + row - 1), fill=(*_BAR, 200))
        canvas.text((row // 3, top + row // 2), text, fill=_TEXT, font=font, anchor="lm")
    drawn_HW3: NDArray[np.uint8] = np.asarray(image)
    return drawn_HW3


def _latest(time_T: NDArray[np.float64], time_s: float) -> int:
    """Return the index of the last classified frame at a time; of the first before it."""
    return max(0, int(np.searchsorted(time_T, time_s + 1e-6, side="right")) - 1)


def _upright_frames(source: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield every frame that can be decoded, upright and of even sides, with its time."""
    with av.open(str(source), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for time_s, frame in decoded_frames(container, stream):
            rgb_HW3 = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            yield time_s, _legible(np.rot90(rgb_HW3, round(frame.rotation / 90)))


def _legible(frame_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame with even sides, a small one enlarged by an integer factor."""
    factor = -(-_MIN_HEIGHT // len(frame_HW3))
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
