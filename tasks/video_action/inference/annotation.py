"""A copy of a video with what is thought of it drawn in.

Shapes: T frames that were judged, H height, W width of the video's frames, K classes.
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
from ..reading.video_files import Sampling, read_frames
from .running_predictions import running_probabilities

# Fine enough for any frame rate, and mpeg4 takes nothing above 65535.
_TIME_BASE = Fraction(1, 12800)
_USUAL_RATE_HZ = 25
_CODECS = ("libx264", "mpeg4")
# Letters would be too small in a smaller picture.
_MIN_HEIGHT = 240
_MAX_ROWS = 3
_ROWS_IN_HEIGHT = 14
_TEXT, _BAR, _BACK = (255, 255, 255), (0, 114, 178), (0, 0, 0, 150)


# Of a longer video the middle is annotated.
_MAX_FRAMES = 20_000


def annotate_videos(
    model: VideoClassifier, names: Sequence[str], source: Path, target: Path
) -> list[Path]:
    """Write a copy of each video with the running prediction drawn in; return the copies.

    Args:
        model: a trained model.
        names: paths of the videos.
        source: the video or folder that they were found by.
        target: the table beside which the copies go.
    """
    copies = []
    for name in names:
        path = Path(name)
        inside = path.relative_to(source.expanduser()) if source.expanduser().is_dir() else path
        # The whole name: a.avi and a.mp4 may lie in one folder.
        flat = "_".join(inside.parts) if inside is not path else path.name
        copy = target.with_name(f"{target.stem}_{flat.replace('.', '_')}.mp4")
        time_T, probability_TK = running_predictions(model, path)
        copies.append(annotate_video(path, copy, model.labels, time_T, probability_TK))
    return copies


def running_predictions(
    model: VideoClassifier, path: Path
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return when frames of a video were judged, (T,), and the class probabilities, (T, K).

    Raises:
        UserError: the video cannot be read.
    """
    schema = model.schema
    rate_hz = schema.get("frame_rate_hz")
    most = _MAX_FRAMES if rate_hz else int(schema["num_frames"])
    height, width = (int(side) for side in schema["size"])
    try:
        found = read_frames(path, Sampling(most, rate_hz), height, width)
    except ValueError as error:
        raise UserError(f"input {path}: {error}") from error
    x_THW3 = torch.from_numpy(found.frames_THWC).to(model.device)
    return found.time_T, running_probabilities(model.eval(), x_THW3).cpu().numpy()


def annotate_video(
    source: Path,
    target: Path,
    labels: Sequence[str],
    time_T: NDArray[np.float64],
    probability_TK: NDArray[np.float32],
) -> Path:
    """Write an MP4 of a video's pictures with the running prediction in them; sound is left out.

    Args:
        source: the video.
        target: the MP4 to write.
        labels: the classes' names.
        time_T: seconds from the first frame at which the judged frames are shown, ascending.
        probability_TK: what was thought after each.

    Raises:
        UserError: the video cannot be read or the copy not be written.
    """
    try:
        with atomic_path(target) as temporary, av.open(str(temporary), "w", "mp4") as copy:
            stream = None
            last_pts = -1
            for time_s, picture_HW3 in _pictures(source):
                drawn_HW3 = draw_answer(
                    picture_HW3, labels, probability_TK[_latest(time_T, time_s)]
                )
                if stream is None:
                    height, width = drawn_HW3.shape[:2]
                    stream = _add_stream(copy, width, height)
                frame = av.VideoFrame.from_ndarray(drawn_HW3, "rgb24")
                # Times that stand still or run backwards cannot be written.
                last_pts = max(round(time_s / _TIME_BASE), last_pts + 1)
                frame.pts, frame.time_base = last_pts, _TIME_BASE
                copy.mux(stream.encode(frame))
            if stream is None:
                raise UserError(f"input {source}: none of its frames can be decoded")
            copy.mux(stream.encode(None))
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"cannot annotate {source} into {target}: {error}") from error
    return target


def draw_answer(
    picture_HW3: NDArray[np.uint8], labels: Sequence[str], probability_K: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Return a picture with its most probable classes in the upper left, as names and bars."""
    image = Image.fromarray(picture_HW3)
    canvas = ImageDraw.Draw(image, "RGBA")
    row = max(8, image.height // _ROWS_IN_HEIGHT)
    font = ImageFont.load_default(row * 0.75)
    best = np.argsort(-probability_K, kind="stable")[:_MAX_ROWS]
    texts = [f"{labels[index]}  {probability_K[index]:.0%}" for index in best]
    width = min(image.width, round(max(font.getlength(text) for text in texts)) + row)
    canvas.rectangle((0, 0, width, row * len(best)), fill=_BACK)
    for place, (index, text) in enumerate(zip(best, texts, strict=True)):
        top = place * row
        end = round(float(probability_K[index]) * width)
        canvas.rectangle((0, top + 1, end, top + row - 1), fill=(*_BAR, 200))
        canvas.text((row // 3, top + row // 2), text, fill=_TEXT, font=font, anchor="lm")
    drawn_HW3: NDArray[np.uint8] = np.asarray(image)
    return drawn_HW3


def _latest(time_T: NDArray[np.float64], time_s: float) -> int:
    """Return the last judged frame shown by then; the first one before that."""
    return max(0, int(np.searchsorted(time_T, time_s + 1e-6, side="right")) - 1)


def _pictures(source: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield every frame that can be decoded, upright and of even sides, with its second."""
    with av.open(str(source), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        usual_s = 1 / float(stream.average_rate or _USUAL_RATE_HZ)
        begin, number = None, 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                time_s = frame.time if frame.time is not None else number * usual_s
                begin = time_s if begin is None else begin
                number += 1
                given_HW3 = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                yield time_s - begin, _legible(np.rot90(given_HW3, round(frame.rotation / 90)))


def _legible(picture_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture enlarged by a whole number where it is small, cut to even sides."""
    factor = -(-_MIN_HEIGHT // len(picture_HW3))
    if factor > 1:
        picture_HW3 = picture_HW3.repeat(factor, 0).repeat(factor, 1)
    height, width = (side - side % 2 for side in picture_HW3.shape[:2])
    return np.ascontiguousarray(picture_HW3[:height, :width])


def _add_stream(copy: OutputContainer, width: int, height: int) -> VideoStream:
    for codec in _CODECS:
        try:
            stream = copy.add_stream(codec, rate=_USUAL_RATE_HZ)
        except UnknownCodecError:
            continue
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _TIME_BASE
        return stream
    raise UserError(f"cannot write a video: this PyAV has none of {', '.join(_CODECS)}")
