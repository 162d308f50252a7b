"""Schema, statistics and windows of stored series, computed in blocks of series.

Shapes: S series, U runs of windows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.errors import UserError

from ...reading.frequency import DAY_NS, Int64, infer_season_length
from ...reading.stored.columns import StoredColumns
from ...reading.stored.grid_times import GridTimes
from ...reading.time_grid import TimeGrid
from ..covariates import encode, fit_covariates
from ..scaling import Float64, scale_arrays, target_statistics
from ..schema import assemble_schema
from ..series import series_numbers
from ..splits import SplitBorders
from ..windows import find_windows, observed_ends
from .windows import Runs, StoredSeries, StoredWindowSet


def stored_ends(columns: StoredColumns, targets: Sequence[str]) -> Int64:
    """Return the step after the last observed target of each series.

    Raises:
        UserError: a target of a series has no value.
    """
    ends = []
    for series, grid in columns.blocks():
        target = columns.read(targets, series)
        observed = np.logical_or.reduceat(~np.isnan(target), grid.offsets[:-1], axis=0)
        if not observed.all():
            number, channel = np.argwhere(~observed)[0]
            raise UserError(
                f"target {targets[channel]!r} of series {grid.names[number]!r} has no value in any "
                f"of {grid.lengths[number]} steps; remove it, or check what marks missing values"
            )
        ends.append(observed_ends(grid, target))
    return np.concatenate(ends)


def fit_stored(
    columns: StoredColumns,
    roles: dict[str, Any],
    train_ends_S: Int64,
    lookback: int,
    horizon: int,
    season_length: int | None,
    calendar: str | Sequence[str],
    non_negative: bool | str,
) -> dict[str, Any]:
    """Learn a schema from the training part; as ``fit_schema`` of a table.

    Args:
        columns: the series.
        roles: from ``resolve_columns``.
        train_ends_S: end of the training part of each series.
        lookback: past steps.
        horizon: future steps.
        season_length: steps in a season; None infers it.
        calendar: option of the calendar.
        non_negative: option of the bounds.
    """
    grid, targets = columns.grid, roles["targets"]
    if season_length is None:
        season_length = infer_season_length(grid.frequency)
    varying = [*roles["past_covariates"], *roles["future_covariates"]]
    moments = {name: _Moments() for name in varying}
    parts: list[tuple[Float64, Float64, Float64]] = []
    missing, negative = False, np.zeros(len(targets), np.bool_)
    for series, block in columns.blocks():
        target, ends_S = columns.read(targets, series), train_ends_S[series]
        parts.append(target_statistics(target, block, ends_S, season_length, lookback))
        train_N = block.position < np.repeat(ends_S, block.lengths)
        missing |= bool(np.isnan(target[train_N]).any())
        negative |= (target[train_N] < 0).any(axis=0)
        train_N &= columns.present(series)
        for name in varying:
            moments[name].add(columns.read([name], series)[train_N, 0])
    bounds: list[float | None] = [0.0 if non_negative else None] * len(targets)
    if non_negative == "auto":
        bounds = [None if each else 0.0 for each in negative]
    mean, std, naive = (np.concatenate(each) for each in zip(*parts, strict=True))
    return assemble_schema(
        grid,
        roles,
        _encoding(columns, roles, train_ends_S, moments),
        (mean, std, naive),
        train_ends_S,
        lookback,
        horizon,
        season_length,
        lookback,
        calendar,
        _span_days(grid, train_ends_S),
        bounds,
        missing,
    )


def _encoding(
    columns: StoredColumns,
    roles: Mapping[str, Any],
    train_ends_S: Int64,
    moments: "Mapping[str, _Moments]",
) -> dict[str, Any]:
    static = roles["static_covariates"]
    trained = np.flatnonzero(train_ends_S > 0)
    numeric = _as_table(columns.static)
    by_series = fit_covariates(numeric, trained, static, roles["categorical"])
    return {
        "categories": by_series[0],
        "covariate_scale": {n: each.scale() for n, each in moments.items()} | by_series[1],
        "missing_flags": [n for n, each in moments.items() if each.num_missing] + by_series[2],
    }


def encode_stored(
    columns: StoredColumns, schema: dict[str, Any], train_ends_S: Int64
) -> StoredSeries:
    """Return the series by a schema; scales of series that it does not know are their own."""
    parts = []
    for series, block in columns.blocks():
        known = all(name in schema["target_scale"] for name in block.names)
        size = len(schema["targets"])
        target = np.empty((0, size)) if known else columns.read(schema["targets"], series)
        parts.append(scale_arrays(schema, block, target, train_ends_S[series]))
    mean, std, naive = (np.concatenate(each) for each in zip(*parts, strict=True))
    rows = np.arange(len(columns.grid.names))
    static = encode(_as_table(columns.static), rows, schema["static_covariates"], schema)
    numbers = series_numbers(schema, columns.grid.names)
    return StoredSeries(columns, schema, static, mean, std, naive, numbers)


def stored_windows(
    series: StoredSeries,
    borders: SplitBorders,
    lookback: int,
    horizon: int,
    strides: Mapping[str, int],
) -> tuple[dict[str, StoredWindowSet], dict[str, int]]:
    """Return the windows of each part and the number of those dropped.

    Args:
        series: the series.
        borders: of the parts.
        lookback: past steps.
        horizon: future steps.
        strides: steps between the windows of each part.
    """
    found: dict[str, list[Runs]] = {part: [] for part in strides}
    dropped = dict.fromkeys(strides, 0)
    for chosen, block in series.columns.blocks():
        target = series.columns.read(series.schema["targets"], chosen)
        missing = np.asarray(np.isnan(target).all(axis=1))
        for part, stride in strides.items():
            starts_S, ends_S = (each[chosen] for each in borders.part(part))
            sizes = (lookback, horizon, stride)
            series_W, origins_W, count = find_windows(
                block.offsets, missing, starts_S, ends_S, *sizes
            )
            dropped[part] += count
            found[part].append(_runs(series_W + chosen.start, origins_W, stride))
    windows = {}
    for part, stride in strides.items():
        joined = [np.concatenate([runs[i] for runs in found[part]]) for i in range(3)]
        runs = Runs(joined[0], joined[1], joined[2], stride)
        windows[part] = StoredWindowSet(series, runs, lookback, horizon)
    return windows, dropped


def _runs(series_W: Int64, origins_W: Int64, stride: int) -> Runs:
    """Return windows in order as runs."""
    starts = np.ones(len(series_W), np.bool_)
    starts[1:] = (np.diff(series_W) != 0) | (np.diff(origins_W) != stride)
    first = np.flatnonzero(starts)
    count = np.diff(np.append(first, len(series_W)))
    return Runs(series_W[first], origins_W[first], count, stride)


def _as_table(static: pd.DataFrame) -> pd.DataFrame:
    """Return static covariates, those that are numbers as such."""
    table = static.copy()
    for name in table.columns:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if (numbers.isna() == table[name].isna()).all():
            table[name] = numbers
    return table


def _span_days(grid: TimeGrid, train_ends_S: Int64) -> float:
    time: object = grid.time
    trained = np.flatnonzero(train_ends_S > 0)
    if not isinstance(time, GridTimes) or not len(trained):
        return 0.0
    last = time.at(trained, train_ends_S[trained] - 1).max()
    return float(last.astype(np.int64) - time.first_ns_S[trained].min()) / DAY_NS


class _Moments:
    """Mean and standard deviation of blocks (Chan et al. 1979)."""

    def __init__(self) -> None:
        self.count, self.num_missing = 0, 0
        self.mean = self.squares = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        observed = values[~np.isnan(values)]
        self.num_missing += len(values) - len(observed)
        if not len(observed):
            return
        mean, total = float(observed.mean()), self.count + len(observed)
        change = mean - self.mean
        self.squares += float(np.square(observed - mean).sum())
        self.squares += change**2 * self.count * len(observed) / total
        self.mean += change * len(observed) / total
        self.count = total

    def scale(self) -> list[float]:
        if not self.count:
            return [0.0, 1.0]
        std = float(np.sqrt(self.squares / self.count))
        return [self.mean, std if std > 1e-10 * abs(self.mean) else 1.0]
