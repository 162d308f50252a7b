"""Score against cost, and learning curves over seeds, as PNG files.

Shapes: E epochs, S seeds.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from gru_suite.plots.figure import BLUE, GREY, ORANGE, figure
from gru_suite.results.comparison.grouping import Group
from gru_suite.results.comparison.summaries import GroupSummary, SectionSummary

# Okabe and Ito's palette; yellow is too light for lines on white.
_COLORS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", GREY, "#000000")
_MARKERS = "osD^vPX*"
# More curves than colours could not be told apart.
MAX_CURVES = len(_COLORS)
_WIDTH = 6.2
# Above this ratio of largest to smallest cost or loss the axis is logarithmic.
_LOG_SCALE_RATIO = 8.0


def plot_score_against_cost(summary: SectionSummary, path: str | os.PathLike[str]) -> Path | None:
    """Plot mean score against parameters and against seconds per epoch, with the Pareto front.

    A point is a group, its bar the 95 % interval over seeds; the line joins the groups that no
    other group beats in both score and cost.

    Args:
        summary: of a section.
        path: the PNG to write.

    Returns:
        The PNG; None where no group has both a score and a cost, and nothing is written.
    """
    groups = [group for group in summary.groups if group.score is not None]
    costs: dict[str, list[float | None]] = {
        "parameters": [group.num_parameters for group in groups],
        "seconds per epoch": [group.seconds_per_epoch for group in groups],
    }
    costs = {name: cost for name, cost in costs.items() if any(cost)}
    if not costs:
        return None
    height = 3.3 + (0.19 * len(groups) if len(groups) <= MAX_CURVES else 0)
    with figure(path, _WIDTH, height) as drawing:
        panels = drawing.subplots(1, len(costs), sharey=True, squeeze=False)[0]
        for axes, (name, cost) in zip(panels, costs.items(), strict=True):
            _cost_panel(axes, groups, cost, summary)
            axes.set_xlabel(name)
        panels[0].set_ylabel(_score_label(summary))
        _legend(drawing, panels[0], "Score against cost")
    return Path(path)


def plot_learning_curves(summary: SectionSummary, path: str | os.PathLike[str]) -> Path | None:
    """Plot validation score and loss by epoch: the mean over seeds, its spread, and every run.

    The mean and the band of one standard deviation end with the shortest run, since beyond it they
    would be of fewer runs; thin lines are the runs.

    Args:
        summary: of a section; the groups in the order of the table, at most eight are drawn.
        path: the PNG to write.

    Returns:
        The PNG; None where no run has two epochs of them, and nothing is written.
    """
    metric = summary.section.metric
    by_name = {group.name: group for group in summary.section.groups}
    drawn = {row.title: by_name[row.name] for row in summary.groups[:MAX_CURVES]}
    columns = [
        column
        for column in dict.fromkeys((f"val/{metric}", "val/loss"))
        if any(len(curve) > 1 for group in drawn.values() for curve in _curves(group, column))
    ]
    if not columns:
        return None
    with figure(path, _WIDTH, 2.5 * len(columns) + 0.19 * len(drawn) + 0.5) as drawing:
        panels = drawing.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
        for axes, column in zip(panels, columns, strict=True):
            for index, (title, group) in enumerate(drawn.items()):
                _draw_curves(axes, _curves(group, column), index, title)
            _use_log_scale(axes)
            axes.set_ylabel(column)
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[-1].set_xlabel("epoch")
        _legend(drawing, panels[0], "Learning curves")
    return Path(path)


def pareto_front(costs: Sequence[float], scores: Sequence[float], direction: str) -> list[int]:
    """Return the indices of the points that no other point beats, by increasing cost.

    Args:
        costs: lower is better.
        scores: of the same points.
        direction: ``min`` or ``max``, the direction in which the score is better.
    """
    sign = 1 if direction == "min" else -1
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], sign * scores[i])):
        if not front or sign * scores[index] < sign * scores[front[-1]]:
            front.append(index)
    return front


def mean_and_spread(
    curves: Sequence["pd.Series[float]"],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return epochs, mean and standard deviation over runs, of the epochs that every run has.

    Args:
        curves: of one group; the index is the epoch.

    Returns:
        Three arrays of shape (E,); the deviation is zero with one run.
    """
    table_ES = pd.concat(list(curves), axis=1, join="inner").sort_index()
    values_ES = table_ES.to_numpy(dtype=np.float64)
    spread_E = values_ES.std(1, ddof=1) if len(curves) > 1 else np.zeros(len(values_ES))
    return table_ES.index.to_numpy(dtype=np.float64), values_ES.mean(1), spread_E


def _cost_panel(
    axes: Axes,
    groups: Sequence[GroupSummary],
    cost: Sequence[float | None],
    summary: SectionSummary,
) -> None:
    points: list[tuple[float, float]] = []
    for index, (group, value) in enumerate(zip(groups, cost, strict=True)):
        if value is None or group.score is None:
            continue
        points.append((value, group.score.mean))
        # The letters of many groups refer to the table: their names would fill a page.
        many = len(groups) > MAX_CURVES
        style = {"color": BLUE, "marker": "o", "ms": 4} if many else _style(index)
        title = None if many else group.title
        axes.errorbar(
            *points[-1], yerr=group.score.half_width, capsize=3, ls="", label=title, **style
        )
        axes.annotate(
            group.label, points[-1], xytext=(4, 4), textcoords="offset points", fontsize=8
        )
    if summary.section.direction in ("min", "max"):
        costs, scores = zip(*points, strict=True)
        front = pareto_front(costs, scores, summary.section.direction)
        line = [points[index] for index in front]
        axes.plot(*zip(*line, strict=True), color=GREY, lw=1, zorder=1)
        _draw_best_baseline(axes, summary)
    values = [value for value, _ in points]
    if min(values) > 0 and max(values) / min(values) > _LOG_SCALE_RATIO:
        axes.set_xscale("log")
        _label_log_axis(axes.xaxis)
    else:
        axes.margins(x=0.25)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(_short_number))


def _draw_best_baseline(axes: Axes, summary: SectionSummary) -> None:
    """Draw a line at the score of the best baseline, unless it would press the groups together."""
    baseline = next((row for row in summary.rows if row.is_baseline), None)
    if baseline is None or baseline.score is None:
        return
    low, high = axes.get_ylim()
    score = baseline.score.mean
    if low - (high - low) <= score <= high + (high - low):
        label = f"best baseline: {baseline.name}"
        axes.axhline(score, color=GREY, lw=1, ls="--", label=label, zorder=1)


def _label_log_axis(axis: Axis) -> None:
    """Label 1, 2 and 5 of each decade with plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(_short_number))
    axis.set_minor_formatter(NullFormatter())


def _short_number(value: float, _: int) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:.6g}M"
    return f"{value / 1e3:.6g}k" if abs(value) >= 1e4 else f"{value:,.6g}"


def _curves(group: Group, column: str) -> list["pd.Series[float]"]:
    """Return a curve per counted run that logged the column; the index is the epoch."""
    curves = []
    for run in group.counted:
        if column in run.epochs:
            values = pd.to_numeric(run.epochs[column], errors="coerce")
            curve = values.set_axis(run.epochs["epoch"]).replace([math.inf, -math.inf], math.nan)
            curves.append(curve.dropna())
    return [curve for curve in curves if len(curve)]


def _draw_curves(axes: Axes, curves: Sequence["pd.Series[float]"], index: int, label: str) -> None:
    if not curves:
        return
    color = _style(index)["color"]
    for curve in curves if len(curves) > 1 else ():
        axes.plot(curve.index, curve.to_numpy(), color=color, lw=0.6, alpha=0.4)
    epochs_E, mean_E, spread_E = mean_and_spread(curves)
    axes.plot(epochs_E, mean_E, color=color, lw=1.8, label=label)
    axes.fill_between(epochs_E, mean_E - spread_E, mean_E + spread_E, color=color, alpha=0.15, lw=0)


def _style(index: int) -> dict[str, Any]:
    return {"color": _COLORS[index], "marker": _MARKERS[index]}


def _score_label(summary: SectionSummary) -> str:
    better = {"min": " (lower is better)", "max": " (higher is better)"}
    return f"test/{summary.section.metric}{better.get(summary.section.direction, '')}"


def _use_log_scale(axes: Axes) -> None:
    """Scale the loss logarithmically where a linear axis would show only the first epochs."""
    values = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.lines])
    if values.min() > 0 and values.max() / values.min() > _LOG_SCALE_RATIO:
        axes.set_yscale("log")
        _label_log_axis(axes.yaxis)


def _legend(drawing: Figure, axes: Axes, title: str) -> None:
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels), default=0)
    drawing.suptitle(title, fontsize=10)
    if not labels:
        return
    # A dollar sign would start a formula of matplotlib.
    labels = [label.replace("$", r"\$") for label in labels]
    columns = max(1, min(3, 90 // (longest + 8)))
    drawing.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
