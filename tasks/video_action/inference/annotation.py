"""Copies of videos with the predictions drawn in.

Shapes: T classified frames, H height, W width of the video's frames, K classes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gru_suite.errors import UserError
from gru_suite.video.annotated_copy import Frame, annotate_copy
from gru_suite.video.reading.video_files import Sampling, read_frames

from ..network.video_classifier import VideoClassifier
from .stepwise_predictions import stepwise_probabilities

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

    def draw(frame_HW3: Frame, time_s: float, number: int) -> Frame:
        return draw_prediction(frame_HW3, labels, probability_TK[_latest(time_T, time_s)])

    return annotate_copy(source, target, draw)


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
