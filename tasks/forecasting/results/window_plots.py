"""Pictures of forecasts beside what happened.

Shapes: B windows, P horizon steps, C targets.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..batches.windows import WindowSet
from ..inference.forecasts import window_times
from .plots import MAX_PANELS, ForecastPanel, plot_forecasts

if TYPE_CHECKING:
    from ..task import ForecastingTask


def plot_windows(task: "ForecastingTask", windows: WindowSet, path: Path) -> Path:
    """Draw windows spread over a part of the data: history, forecast, interval and truth."""
    chosen = np.unique(np.linspace(0, len(windows) - 1, MAX_PANELS).astype(int))
    batch = windows.batch(chosen)
    forecasts = task.forecast_windows(batch, [window_times(windows, i) for i in chosen])
    truth_BPC = (batch.truth_BPC * batch.std_BC[:, None] + batch.mean_BC[:, None]).numpy()
    num_targets = truth_BPC.shape[-1]
    pairs = [(index, index % num_targets) for index in range(len(chosen))]
    panels = [forecasts.panel(b, c, truth_BPC[b, :, c]) for b, c in pairs]
    return plot_panels(path, panels, task.levels)


def plot_panels(path: Path, panels: list[ForecastPanel], levels: Sequence[float]) -> Path:
    """Draw panels, labelled by what the quantile levels are."""
    if len(levels) == 1:
        return plot_forecasts(path, panels, forecast_label="forecast")
    percent = 100 * (levels[-1] - levels[0])
    return plot_forecasts(path, panels, interval_label=f"{percent:.3g} % interval")
