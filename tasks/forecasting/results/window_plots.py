"""Figures of forecasts beside the truth.

Shapes: B windows, P horizon steps, C targets.
"""

from pathlib import Path

import numpy as np

from ..batches.forecast_batch import InferenceWindow
from ..batches.windows import WindowSet
from ..inference.forecasts import MAX_PANELS, WindowForecaster
from .forecast_plots import plot_panels


def plot_windows(model: WindowForecaster, windows: WindowSet, path: Path) -> Path:
    """Plot evenly spaced windows: history, forecast, interval and truth."""
    chosen = np.unique(np.linspace(0, len(windows) - 1, MAX_PANELS).astype(int))
    batch = windows.batch(chosen)
    names = [window_times(windows, i) for i in chosen]
    factors = model.interval_factors(windows.select(chosen))
    forecasts = model.forecast_windows(batch, names, factors)
    truth_BPC = (batch.truth_BPC * batch.std_BC[:, None] + batch.mean_BC[:, None]).numpy()
    num_targets = truth_BPC.shape[-1]
    pairs = [(index, index % num_targets) for index in range(len(chosen))]
    panels = [forecasts.panel(b, c, truth_BPC[b, :, c]) for b, c in pairs]
    return plot_panels(path, panels, model.levels)


def window_times(windows: WindowSet, index: int) -> InferenceWindow:
    """Return the name and times of one window of a data set."""
    number, origin = int(windows.series_W[index]), int(windows.origins_W[index])
    series = windows.series[number]
    first, last = origin - windows.lookback, origin + windows.horizon
    times = np.arange(first, last) if series.time is None else series.time[first:last]
    zone = windows.series.grid.zone
    return InferenceWindow(series.name, times[: windows.lookback], times[windows.lookback :], zone)
