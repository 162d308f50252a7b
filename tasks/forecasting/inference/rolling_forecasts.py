"""Factors of adaptive intervals, from forecasts of the rows before each window.

Shapes: W windows, B windows of a batch, S series, G earlier origins, P horizon steps, C targets, Q
quantiles.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..batches.forecast_batch import ForecastBatch
from ..batches.windows import WindowSet
from ..reading.time_grid import TimeGrid
from .adaptive_intervals import MEMORY, Float64, adapted_factors, grid_spacing, miss_ratios

Forecast = Callable[[ForecastBatch], Tensor]
"""Returns z-scored quantiles of a batch, shape (B, P, C, Q)."""

_BATCH_SIZE = 512


def untrained_steps(schema: Mapping[str, Any], grid: TimeGrid) -> NDArray[np.int64]:
    """Return the flat step of each series at which its training part has ended, shape (S,).

    The errors of forecasts within the training part are too small to learn from.
    """
    ends: Mapping[str, int] = schema["train_ends"]
    found = np.zeros(len(grid.names), np.int64)
    for number, name in enumerate(grid.names):
        if name not in ends:
            continue
        if grid.time is None:
            found[number] = ends[name] - grid.first_steps[number]
        else:
            times = grid.time[grid.offsets[number] : grid.offsets[number + 1]]
            found[number] = np.searchsorted(times.view(np.int64), ends[name])
    return found


def rolling_factors(
    forecast: Forecast, windows: WindowSet, levels: Sequence[float], untrained_S: NDArray[np.int64]
) -> Float64:
    """Return the factors of windows from the rows before them, shape (W, C, Q).

    Args:
        forecast: of the model.
        windows: the windows.
        levels: of the quantiles.
        untrained_S: :func:`untrained_steps`, from which on forecasts count.
    """
    lookback, spacing = windows.lookback, grid_spacing(windows.horizon)
    series_W, origin_W = windows.series_W.numpy(), windows.origins_W.numpy()
    first_S = windows.series.grid.first_steps
    anchor_W = (origin_W + first_S[series_W]) // spacing
    earliest_S = -(-(np.maximum(untrained_S, lookback) + first_S) // spacing)
    spans: dict[int, tuple[int, int]] = {}
    for series in np.unique(series_W):
        own = anchor_W[series_W == series]
        # Forecasts of a horizon before the memory still have steps that arrive within it.
        oldest = own.min() - MEMORY - -(-windows.horizon // spacing)
        spans[int(series)] = max(int(earliest_S[series]), int(oldest)), int(own.max())
    origins = {s: np.arange(*span) * spacing - first_S[s] for s, span in spans.items()}
    number_G = np.repeat(list(origins), [len(each) for each in origins.values()]).astype(np.int64)
    earlier = windows.at(number_G, np.concatenate([*origins.values(), np.empty(0, np.int64)]))
    num_targets = windows.series.mean.shape[1]
    factor_WCQ = np.ones((len(series_W), num_targets, len(levels)))
    if not len(earlier):
        return factor_WCQ
    ratio_GPCQ = _ratios(forecast, earlier)
    for series, (begin, _) in spans.items():
        chosen = series_W == series
        anchors, index = np.unique(anchor_W[chosen], return_inverse=True)
        # Before the first forecast that counts, nothing is known.
        number_A = np.maximum(anchors - begin, 0)
        factors = adapted_factors(ratio_GPCQ[number_G == series], number_A, levels)
        factor_WCQ[chosen] = factors[index]
    return factor_WCQ


def adapted(
    forecast: Forecast, windows: WindowSet, levels: Sequence[float], schema: Mapping[str, Any]
) -> Tensor:
    """Return :func:`rolling_factors` of windows, given the schema of the training data."""
    untrained_S = untrained_steps(schema, windows.series.grid)
    return torch.from_numpy(rolling_factors(forecast, windows, levels, untrained_S))


def _ratios(forecast: Forecast, windows: WindowSet) -> Float64:
    parts = []
    for start in range(0, len(windows), _BATCH_SIZE):
        batch = windows.batch(np.arange(start, min(start + _BATCH_SIZE, len(windows))))
        ratio_BPCQ = miss_ratios(forecast(batch).cpu().numpy(), batch.truth_BPC.numpy())
        # Without any past there was no forecast to learn from.
        ratio_BPCQ[batch.target_BTC.isnan().all(1).all(1).numpy()] = np.nan
        parts.append(ratio_BPCQ)
    return np.concatenate(parts)
