"""Factors of adaptive intervals, from forecasts of the rows before each window.

Shapes: W windows, B windows of a batch, S series, G earlier origins, P horizon steps, C targets, Q
quantiles.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

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
# Factors at once, to bound the memory of many windows.
_MAX_ANCHORS = 4096


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


class _Origins(NamedTuple):
    """Earlier origins of a set of windows, series after series.

    Attributes:
        earlier: their windows, G.
        span_S: first origin of each series that has windows, and its number of origins, by series.
        anchor_W: number of the origin of the grid that each window stands at.
        series_W: series of each window.
    """

    earlier: WindowSet
    span_S: dict[int, tuple[int, int]]
    anchor_W: NDArray[np.int64]
    series_W: NDArray[np.int64]


def rolling_factors(
    forecast: Forecast,
    sets: Sequence[WindowSet],
    levels: Sequence[float],
    untrained: Sequence[NDArray[np.int64]],
) -> list[Float64]:
    """Return the factors of windows from the rows before them, shape (W, C, Q) for each set.

    Args:
        forecast: of the model.
        sets: sets of windows, such as the tables of several requests.
        levels: of the quantiles.
        untrained: :func:`untrained_steps` of each set, from which on forecasts count.
    """
    origins = [_origins(*each) for each in zip(sets, untrained, strict=True)]
    factors = [
        np.ones((len(each.series_W), windows.series.mean.shape[1], len(levels)))
        for each, windows in zip(origins, sets, strict=True)
    ]
    ratio_GPCQ = _ratios(forecast, origins, factors)
    # Anchors of as many series at once as fit, each with the windows that stand at it.
    pending: list[_Anchors] = []
    first = 0
    for each, factor_WCQ in zip(origins, factors, strict=True):
        for series, (begin, count) in each.span_S.items():
            windows_N = np.flatnonzero(each.series_W == series)
            anchors_A, index_N = np.unique(each.anchor_W[windows_N], return_inverse=True)
            # Before the first forecast that counts, nothing is known.
            number_A = np.maximum(anchors_A - begin, 0)
            pending.append(_Anchors(factor_WCQ, windows_N, index_N, number_A, first))
            first += count
            if sum(len(other.number_A) for other in pending) >= _MAX_ANCHORS:
                _set_factors(ratio_GPCQ, pending, levels)
                pending = []
    _set_factors(ratio_GPCQ, pending, levels)
    return factors


def adapted(
    forecast: Forecast, windows: WindowSet, levels: Sequence[float], schema: Mapping[str, Any]
) -> Tensor:
    """Return the factors of a set of windows, given the schema of the training data."""
    return adapted_sets(forecast, [windows], levels, schema)[0]


def adapted_sets(
    forecast: Forecast,
    sets: Sequence[WindowSet],
    levels: Sequence[float],
    schema: Mapping[str, Any],
) -> list[Tensor]:
    """Return :func:`rolling_factors` of sets, given the schema of the training data."""
    untrained = [untrained_steps(schema, each.series.grid) for each in sets]
    return [torch.from_numpy(each) for each in rolling_factors(forecast, sets, levels, untrained)]


class _Anchors(NamedTuple):
    """Origins of the grid of one series that factors are wanted for.

    Attributes:
        factor_WCQ: factors of a set, to be filled.
        windows_N: its windows of this series.
        index_N: the anchor of each of them.
        number_A: numbers of the anchors, from the first origin of the series.
        first: row of the first origin of the series among the ratios.
    """

    factor_WCQ: Float64
    windows_N: NDArray[np.int64]
    index_N: NDArray[np.int64]
    number_A: NDArray[np.int64]
    first: int


def _set_factors(ratio_GPCQ: Float64, pending: Sequence[_Anchors], levels: Sequence[float]) -> None:
    if not pending or not len(ratio_GPCQ):
        return
    sizes = [len(each.number_A) for each in pending]
    number_A = np.concatenate([each.number_A for each in pending])
    first_A = np.repeat([each.first for each in pending], sizes)
    factor_ACQ = adapted_factors(ratio_GPCQ, number_A, levels, first_A)
    for each, found_ACQ in zip(pending, np.split(factor_ACQ, np.cumsum(sizes)[:-1]), strict=True):
        each.factor_WCQ[each.windows_N] = found_ACQ[each.index_N]


def _origins(windows: WindowSet, untrained_S: NDArray[np.int64]) -> _Origins:
    lookback, spacing = windows.lookback, grid_spacing(windows.horizon)
    series_W, origin_W = windows.series_W.numpy(), windows.origins_W.numpy()
    first_S = windows.series.grid.first_steps
    anchor_W = (origin_W + first_S[series_W]) // spacing
    earliest_S = -(-(np.maximum(untrained_S, lookback) + first_S) // spacing)
    span_S: dict[int, tuple[int, int]] = {}
    for series in np.unique(series_W):
        own = anchor_W[series_W == series]
        # Forecasts of a horizon before the memory still have steps that arrive within it.
        oldest = own.min() - MEMORY - -(-windows.horizon // spacing)
        begin = max(int(earliest_S[series]), int(oldest))
        span_S[int(series)] = begin, max(0, int(own.max()) - begin)
    steps = [
        (begin + np.arange(count)) * spacing - first_S[s] for s, (begin, count) in span_S.items()
    ]
    number_G = np.repeat(list(span_S), [len(each) for each in steps]).astype(np.int64)
    earlier = windows.at(number_G, np.concatenate([*steps, np.empty(0, np.int64)]))
    return _Origins(earlier, span_S, anchor_W, series_W)


def _ratios(forecast: Forecast, origins: Sequence[_Origins], factors: Sequence[Float64]) -> Float64:
    """Return the miss ratios from all earlier origins, NaN where a forecast does not count."""
    num_targets, num_levels = factors[0].shape[1:]
    total = sum(len(each.earlier) for each in origins)
    shape = (total, origins[0].earlier.horizon, num_targets, num_levels)
    ratio_GPCQ = np.full(shape, np.nan)
    pending: list[tuple[NDArray[np.int64], ForecastBatch]] = []

    def set_ratios() -> None:
        if pending:
            rows, batches = zip(*pending, strict=True)
            batch = ForecastBatch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
            found = miss_ratios(forecast(batch).cpu().numpy(), batch.truth_BPC.numpy())
            ratio_GPCQ[np.concatenate(rows)] = found
            pending.clear()

    first = 0
    for each in origins:
        for start in range(0, len(each.earlier), _BATCH_SIZE):
            index_B = np.arange(start, min(start + _BATCH_SIZE, len(each.earlier)))
            batch = each.earlier.batch(index_B)
            counts_B = _has_early_past(batch)
            if not bool(counts_B.all()):
                batch = ForecastBatch(*(part[counts_B] for part in batch))
                index_B = index_B[counts_B.numpy()]
            if sum(len(rows) for rows, _ in pending) + len(index_B) > _BATCH_SIZE:
                set_ratios()
            if len(index_B):
                pending.append((first + index_B, batch))
        first += len(each.earlier)
    set_ratios()
    return ratio_GPCQ


def _has_early_past(batch: ForecastBatch) -> Tensor:
    """Return whether each window has an observed target in the first quarter of its lookback.

    Forecasts from less are not those that a lookback of the same length gives.
    """
    early_BTC = batch.target_BTC[:, : max(1, batch.target_BTC.size(1) // 4)]
    return ~early_BTC.isnan().flatten(1).all(1)
