"""Plots of tracks: the success curve, and frames with boxes.

Shapes: T frames; the last axis of a box is x, y, width and height, in pixels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from gru_suite.plots.figure import BLUE, GREY, ORANGE, figure

from ..reading.boxes import THRESHOLDS

_COLUMNS = 6


class Example(NamedTuple):
    """A track to draw.

    Attributes:
        frames_THW3: uint8.
        found_T4: boxes of the model.
        true_T4: true boxes.
        visible_T: whether the object is to be seen.
    """

    frames_THW3: NDArray[np.uint8]
    found_T4: NDArray[np.float32]
    true_T4: NDArray[np.float32]
    visible_T: NDArray[np.bool_]


def plot_success(path: Path, curves: Mapping[str, NDArray[np.float64]]) -> Path:
    """Plot the share of frames whose overlap is above each threshold.

    Args:
        path: the PNG to write.
        curves: by name, for ``THRESHOLDS``; the model first.
    """
    with figure(path, 6.5, 4.2) as drawing:
        axes = drawing.subplots()
        for number, (name, curve) in enumerate(curves.items()):
            color = (ORANGE, BLUE, GREY, "#009E73")[number % 4]
            style = ("-", "--", ":", "-.")[number % 4]
            axes.plot(THRESHOLDS, curve, style, color=color, label=f"{name} ({curve.mean():.2f})")
        axes.set_xlabel("threshold of the overlap")
        axes.set_ylabel("share of frames above it")
        axes.set_title("Success, a mean over tracks (area under the curve)")
        axes.set_ylim(0, 1.02)
        axes.legend()
    return path


def plot_examples(path: Path, examples: Sequence[Example]) -> Path:
    """Plot frames of tracks with true and found boxes, a row each."""
    height = 1.0 + 1.9 * len(examples)
    with figure(path, 2.2 * _COLUMNS, height) as drawing:
        grid = drawing.subplots(len(examples), _COLUMNS, squeeze=False)
        for row, example in zip(grid, examples, strict=True):
            places = np.linspace(0, len(example.found_T4) - 1, _COLUMNS).round().astype(int)
            for axes, place in zip(row, places.tolist(), strict=True):
                axes.imshow(example.frames_THW3[place])
                axes.set_axis_off()
                seen = bool(example.visible_T[place])
                axes.set_title(f"frame {place}" + ("" if seen else ", hidden"), fontsize=8)
                for box, color in (
                    (example.true_T4[place], BLUE),
                    (example.found_T4[place], ORANGE),
                ):
                    if np.isfinite(box).all():
                        x, y, w, h = box.tolist()
                        axes.add_patch(
                            Rectangle((x, y), w, h, fill=False, color=color, linewidth=1.4)
                        )
                axes.set_xlim(0, example.frames_THW3.shape[2])
                axes.set_ylim(example.frames_THW3.shape[1], 0)
        drawing.suptitle("True boxes in blue, found ones in orange")
    return path
