"""Scales of the targets of each series, from the training part only."""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..reading.frequency import Int64
from ..reading.time_grid import TimeGrid
from .covariates import mean_and_std

Float64: TypeAlias = NDArray[np.float64]


def target_statistics(
    target: Float64, grid: TimeGrid, ends_S: Int64, season_length: int, lookback: int
) -> tuple[Float64, Float64, Float64]:
    """Return mean, standard deviation and naive error of each series before its ``ends_S``.

    The naive error is the mean absolute seasonal difference (the denominator of MASE), in the
    target's own unit. Where it is 0, the difference of neighbours replaces it, and where that is 0,
    1. A target without observations in the training part is scaled by its first ``lookback``
    observed values, which are in the past of all its windows.

    Returns:
        Three arrays (series, targets); standard deviation and naive error are positive.
    """
    series = grid.series_of_step
    training = grid.position < ends_S[series]
    by_series = pd.DataFrame(np.where(training[:, None], target, np.nan)).groupby(series)
    mean = by_series.mean().to_numpy(copy=True)
    std = by_series.std(ddof=0).to_numpy(copy=True)
    std[std <= 1e-10 * np.abs(mean)] = 1.0
    for index, channel in np.argwhere(np.isnan(mean)):
        column = target[grid.offsets[index] : grid.offsets[index + 1], channel]
        mean[index, channel], std[index, channel] = mean_and_std(
            column[~np.isnan(column)][:lookback]
        )

    def mean_difference(lag: int) -> Float64:
        differences = by_series.diff(lag).abs()
        return differences.groupby(series).mean().fillna(0.0).to_numpy()

    naive = mean_difference(season_length)
    naive = np.where(naive > 0, naive, mean_difference(1))
    return mean, std, np.where(naive > 0, naive, 1.0)


def scale_arrays(
    schema: dict[str, Any], grid: TimeGrid, target: Float64, ends_S: Int64
) -> tuple[Float64, Float64, Float64]:
    """Return mean, std and naive error: the schema's, or a series' own if it is unknown."""
    known: dict[str, dict[str, list[float]]] = schema["target_scale"]
    if all(name in known for name in grid.names):
        mean, std, naive = (
            np.array([known[name][key] for name in grid.names]) for key in ("mean", "std", "naive")
        )
        return mean, std, naive
    own = target_statistics(target, grid, ends_S, schema["season_length"], schema["lookback"])
    for key, values in zip(("mean", "std", "naive"), own, strict=True):
        for index, name in enumerate(grid.names):
            if name in known:
                values[index] = known[name][key]
    return own
