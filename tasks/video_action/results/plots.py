"""Plots of example clips: a contact sheet, and class probabilities over time.

Shapes: H height, W width, T frames, K classes.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from gru_suite.plots.figure import BLUE, GREY, ORANGE, figure

_COLUMNS = 6
_COLORS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
# A class below this probability everywhere has no line.
_MIN_PROBABILITY = 0.2
_MAX_CHARACTERS = 22


class ExampleClip(NamedTuple):
    """A test clip with its predictions.

    Attributes:
        name: of its video.
        truth: its class.
        label: the predicted class.
        probability: of the predicted class.
        frame_HW3: its middle frame.
        time_T: times of its frames in seconds.
        probability_TK: class probabilities after each of its frames.
    """

    name: str
    truth: str
    label: str
    probability: float
    frame_HW3: NDArray[np.uint8]
    time_T: NDArray[np.float64]
    probability_TK: NDArray[np.float32]


def plot_contact_sheet(path: str | os.PathLike[str], clips: Sequence[ExampleClip]) -> Path:
    """Plot the middle frame of clips with predicted and true class, errors framed in orange.

    Args:
        path: the PNG to write.
        clips: at least one.
    """
    columns = min(_COLUMNS, len(clips))
    rows = math.ceil(len(clips) / columns)
    height, width = clips[0].frame_HW3.shape[:2]
    cell_height = 1.6 * height / width + 0.45
    with figure(path, 1.75 * columns + 0.3, cell_height * rows + 0.4) as drawing:
        cells = drawing.subplots(rows, columns, squeeze=False).ravel()
        for axes in cells:
            axes.set_axis_off()
        for axes, clip in zip(cells, clips, strict=False):
            wrong = clip.label != clip.truth
            axes.imshow(clip.frame_HW3)
            title = f"{_short(clip.label)} {clip.probability:.0%}"
            if wrong:
                title += f"\nis {_short(clip.truth)}"
                axes.add_patch(_frame(width, height, ORANGE))
            axes.set_title(title, fontsize=7, color=ORANGE if wrong else GREY)
        num_wrong = sum(clip.label != clip.truth for clip in clips)
        drawing.suptitle(f"{len(clips)} test clips, {num_wrong} wrong", fontsize=10)
    return Path(path)


def plot_probabilities(
    path: str | os.PathLike[str], clips: Sequence[ExampleClip], labels: Sequence[str]
) -> Path:
    """Plot the class probabilities after each frame of clips, one subplot per clip.

    Args:
        path: the PNG to write.
        clips: at least one.
        labels: names of the classes, in the order of the probabilities.
    """
    with figure(path, 7.5, 1.5 * len(clips) + 0.6) as drawing:
        subplots = drawing.subplots(len(clips), 1, squeeze=False).ravel()
        for axes, clip in zip(subplots, clips, strict=True):
            for index, label in enumerate(labels):
                if label == clip.truth or clip.probability_TK[:, index].max() >= _MIN_PROBABILITY:
                    axes.plot(
                        clip.time_T,
                        clip.probability_TK[:, index],
                        color=_COLORS[index % len(_COLORS)],
                        lw=2.2 if label == clip.truth else 1.2,
                        label=_short(label) + (" (true)" if label == clip.truth else ""),
                    )
            axes.set(ylim=(0, 1.02), ylabel="probability")
            axes.set_title(_short(clip.name, 60), fontsize=8)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)
        subplots[-1].set_xlabel("seconds")
    return Path(path)


def _frame(width: int, height: int, color: str) -> Rectangle:
    return Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=color, linewidth=4)


def _short(text: str, most: int = _MAX_CHARACTERS) -> str:
    # matplotlib takes a dollar sign for the start of a formula.
    return (text if len(text) <= most else "…" + text[1 - most :]).replace("$", r"\$")
