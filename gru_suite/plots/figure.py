"""Figures without pyplot (no global state, no display), and the learning curve."""

import csv
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gru_suite.files import atomic_path

# Okabe and Ito's palette, safe for colour blindness and in greyscale.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#4D4D4D"

# Keys are Any: newer matplotlib types them as literals, older as str.
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
# Above this ratio of largest to smallest loss a linear axis shows only the first epochs.
_LOG_SCALE_RATIO = 30.0


@contextmanager
def figure(path: str | os.PathLike[str], width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure and save it as a PNG at the end of the block.

    The same figure gives the same bytes with the same version of matplotlib.

    Args:
        path: the PNG to write.
        width: inches; 110 pixels each.
        height: inches.

    Raises:
        UserError: ``path`` cannot be written.
    """
    # Defaults first: a user's matplotlibrc must not change the files of a run.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        drawing = Figure(figsize=(width, height), dpi=110, layout="constrained")
        yield drawing
        with atomic_path(path) as temporary:
            drawing.savefig(temporary, format="png", metadata={"Software": None})


def plot_learning_curve(
    metrics_csv: str | os.PathLike[str], path: str | os.PathLike[str]
) -> Path | None:
    """Plot training and validation loss by epoch, with the best validation epoch marked.

    Args:
        metrics_csv: a table with the column ``epoch`` and ``train/loss`` or ``val/loss`` or both;
            an epoch may be spread over several rows with empty cells.
        path: the PNG to write.

    Returns:
        The PNG, or None where fewer than two epochs were logged; nothing is written then.
    """
    curves = _losses_by_epoch(metrics_csv)
    if max((len(curve) for curve in curves.values()), default=0) < 2:
        return None
    with figure(path, 6.5, 3.6) as drawing:
        axes = drawing.subplots()
        for stage, color in (("train", GREY), ("val", BLUE)):
            if curve := curves[stage]:
                label = {"train": "training", "val": "validation"}[stage]
                axes.plot(list(curve), list(curve.values()), ".-", color=color, label=label)
        if validation := curves["val"]:
            best = min(validation, key=validation.__getitem__)
            label = f"best: {validation[best]:.4g} in epoch {best}"
            axes.plot(best, validation[best], "o", ms=8, mfc="none", color=ORANGE, label=label)
        losses = [loss for curve in curves.values() for loss in curve.values()]
        if min(losses) > 0 and max(losses) / min(losses) > _LOG_SCALE_RATIO:
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(title="Loss by epoch", xlabel="epoch", ylabel="loss")
        axes.legend()
    return Path(path)


def _losses_by_epoch(metrics_csv: str | os.PathLike[str]) -> dict[str, dict[int, float]]:
    curves: dict[str, dict[int, float]] = {"train": {}, "val": {}}
    with open(metrics_csv, newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            for stage, curve in curves.items():
                loss = float(row.get(f"{stage}/loss") or "nan")
                if row.get("epoch") and math.isfinite(loss):
                    curve[int(float(row["epoch"]))] = loss
    return curves
