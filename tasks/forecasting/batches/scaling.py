"""Statistics of the targets by series, from the training part only."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..reading.frequency import Int64
from ..reading.time_grid import TimeGrid
from .covariates import mean_and_std

Float64: TypeAlias = NDArray[np.float64]


def target_statistics(
    target: Float64, grid: TimeGrid, ends_S: Int64, season_length: int, lookback: int
) -> tuple[Float64, Float64, Float64]:
    """Compute mean, standard deviation and naive error of each series before its ``ends_S``.

    The naive error is the mean absolute seasonal difference (the denominator of MASE), in the
    target's own unit. It falls back to the difference of neighbours and then to 1, so it is never
    0. A target without observations in the training part is scaled by its first ``lookback``
    observed values, which every window of it sees as its past.

    Returns:
        Three arrays (series, targets); standard deviation and naive error are positive.
    """
    starts = grid.offsets[:-1]
    inside = grid.position < np.repeat(ends_S, grid.lengths)
    seen = ~np.isnan(target) & inside[:, None]
    values = np.where(seen, target, 0.0)
    count = np.add.reduceat(seen.astype(np.int64), starts, axis=0)
    mean = np.add.reduceat(values, starts, axis=0) / np.maximum(count, 1)
    centred = np.where(seen, target - np.repeat(mean, grid.lengths, axis=0), 0.0)
    std = np.sqrt(np.add.reduceat(centred**2, starts, axis=0) / np.maximum(count, 1))
    std[std <= 1e-10 * np.abs(mean)] = 1.0
    for series, channel in np.argwhere(count == 0):
        column = target[grid.offsets[series] : grid.offsets[series + 1], channel]
        mean[series, channel], std[series, channel] = mean_and_std(
            column[~np.isnan(column)][:lookback]
        )
    naive = _naive_error(values, seen, grid, season_length)
    neighbours = _naive_error(values, seen, grid, 1)
    naive = np.where(naive > 0, naive, neighbours)
    return mean, std, np.where(naive > 0, naive, 1.0)


def _naive_error(values: Float64, seen: NDArray[np.bool_], grid: TimeGrid, lag: int) -> Float64:
    if lag >= len(values):
        return np.zeros((len(grid.names), values.shape[1]))
    pairs = np.zeros_like(seen)
    pairs[lag:] = seen[lag:] & seen[:-lag] & (grid.position[lag:] >= lag)[:, None]
    errors = np.zeros_like(values)
    errors[lag:] = np.where(pairs[lag:], np.abs(values[lag:] - values[:-lag]), 0.0)
    starts = grid.offsets[:-1]
    count = np.add.reduceat(pairs.astype(np.int64), starts, axis=0)
    return np.asarray(
        np.add.reduceat(errors, starts, axis=0) / np.maximum(count, 1), dtype=np.float64
    )


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
