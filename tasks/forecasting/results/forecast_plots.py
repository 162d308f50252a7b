"""Figures of forecasts: history, forecast with its interval, truth."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gru_suite.plots.figure import BLUE, GREY, ORANGE, figure

from ..inference.forecasts import MAX_PANELS, ForecastPanel

# Shapes: T history steps, P horizon steps.

# History steps for each forecast step: enough for the season, few enough for the forecast.
_HISTORY_PER_HORIZON = 3
_MIN_HISTORY = 24


def plot_forecasts(
    path: str | os.PathLike[str],
    panels: Sequence[ForecastPanel],
    interval_label: str = "80 % interval",
    forecast_label: str = "forecast (median)",
) -> Path:
    """Plot up to six forecasts as a grid of panels; further ones are left out.

    Only the end of each history is shown: three horizons, at least 24 steps.

    Args:
        path: the PNG to write.
        panels: the forecasts, at least one.
        interval_label: of the shaded interval.
        forecast_label: of the line.

    Returns:
        The PNG.

    Raises:
        ValueError: there is no panel.
        UserError: ``path`` cannot be written.
    """
    panels = panels[:MAX_PANELS]
    if not panels:
        raise ValueError("plot_forecasts needs at least one panel")
    num_columns = min(2, len(panels))
    num_rows = -(-len(panels) // num_columns)
    width = 6.2 * num_columns if num_columns > 1 else 8.0
    with figure(path, width, 2.5 * num_rows + 0.5) as drawing:
        grid = drawing.subplots(num_rows, num_columns, squeeze=False).flatten()
        for axes, panel in zip(grid, panels, strict=False):
            _draw(axes, panel, interval_label, forecast_label)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        # Panels may differ in having a truth or an interval: the legend has all labels.
        named = {
            label: handle
            for axes in grid
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        drawing.legend(named.values(), named.keys(), loc="outside upper center", ncols=len(named))
    return Path(path)


def _draw(axes: Axes, panel: ForecastPanel, interval_label: str, forecast_label: str) -> None:
    num_steps = len(panel.forecast_P)
    num_history = max(_HISTORY_PER_HORIZON * num_steps, _MIN_HISTORY)
    time_T, history_T = panel.history_time_T[-num_history:], panel.history_T[-num_history:]
    # A line or an area of one point is invisible.
    marker = "o" if num_steps == 1 else ""
    axes.plot(time_T, history_T, color=GREY, lw=1.2, label="history")
    if panel.truth_P is not None:
        # From the last observation on, so that the line is continuous.
        time = np.concatenate([time_T[-1:], panel.forecast_time_P])
        truth = np.concatenate([history_T[-1:], panel.truth_P])
        points = slice(1, None)
        axes.plot(
            time, truth, color=ORANGE, lw=1.2, marker=marker, ms=4, markevery=points, label="truth"
        )
    time_P = panel.forecast_time_P
    axes.plot(
        time_P, panel.forecast_P, color=BLUE, lw=1.8, marker=marker, ms=4, label=forecast_label
    )
    if panel.lower_P is not None and panel.upper_P is not None:
        style: dict[str, Any] = {"color": BLUE, "alpha": 0.22, "zorder": 1, "label": interval_label}
        if num_steps == 1:
            axes.vlines(time_P, panel.lower_P, panel.upper_P, lw=6, **style)
        else:
            axes.fill_between(time_P, panel.lower_P, panel.upper_P, lw=0, **style)
    axes.axvline(time_T[-1], color=GREY, lw=0.7, ls=":")
    axes.set_title(panel.title, loc="left")
    axes.margins(x=0.015)
    _label_time(axes, time_T)


def _label_time(axes: Axes, time_T: NDArray[Any]) -> None:
    if not np.issubdtype(time_T.dtype, np.datetime64):
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        return
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    # Formats from years down to seconds; the offset shows what the ticks leave out.
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(
            locator,
            formats=["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
            zero_formats=["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
            offset_formats=["", "%Y", "%Y", "%Y", "%d %b %Y", "%d %b %Y %H:%M"],
        )
    )


def plot_panels(path: Path, panels: list[ForecastPanel], levels: Sequence[float]) -> Path:
    """Plot panels, labelled by the quantile levels."""
    if len(levels) == 1:
        return plot_forecasts(path, panels, forecast_label="forecast")
    percent = 100 * (levels[-1] - levels[0])
    return plot_forecasts(path, panels, interval_label=f"{percent:.3g} % interval")
