"""The schema: columns, frequency, encodings and scales, learned from the training part."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from gru_suite.errors import UserError, nearest

from ..reading.frequency import (
    DAY_NS,
    Frequency,
    Int64,
    infer_season_length,
    parse_frequency,
)
from ..reading.tables import check_columns, numeric_column, table_name
from ..reading.time_grid import TimeGrid
from .calendar_features import choose_calendar, num_slow_cycles
from .covariates import check_static_covariates, features_size, fit_covariates, take_rows
from .scaling import Float64, target_statistics
from .splits import padding

ROLES = ("past_covariates", "future_covariates", "static_covariates")


def schema_frequency(schema: dict[str, Any]) -> Frequency | None:
    """Return the frequency of a schema, None without times."""
    return None if schema["frequency"] is None else parse_frequency(schema["frequency"])


def resolve_columns(table: pd.DataFrame, options: dict[str, Any]) -> dict[str, Any]:
    """Check the roles of columns and choose the targets.

    Args:
        table: the table.
        options: time_column, id_column, target, the three lists of covariates, and categorical.

    Returns:
        The same with ``targets``, a list: the given ones, or every column without another role.

    Raises:
        UserError: a column is absent (the nearest is named) or has two roles.
    """
    times = _column_list(options["time_column"], "data.time_column")
    ids = _column_list(options["id_column"], "data.id_column")
    covariates = {role: _column_list(options[role], f"data.{role}") for role in ROLES}
    if len(times) > 2 or len(ids) > 1:
        raise UserError(
            f"data.time_column={times}, data.id_column={ids}: give one column each; the time may"
            " also be a date column and an hour column"
        )
    for option, names in {"time_column": times, "id_column": ids, **covariates}.items():
        check_columns(table, names, f"data.{option}")
    known = [name for names in covariates.values() for name in names]
    targets = _column_list(options["target"], "data.target")
    check_columns(table, targets, "data.target")
    if options["target"] is None:
        targets = [name for name in table.columns if name not in {*times, *ids, *known}]
    if not targets:
        raise UserError(f"{table_name(table)}: no column is left as target; name it in data.target")
    once = [*ids, *targets, *known]
    for name in {*targets, *known}:
        if once.count(name) > 1:
            raise UserError(
                f"column {name!r} has two roles; give it one (the model always sees the past of"
                " data.target, and data.future_covariates are known in the past too)"
            )
    categorical = _column_list(options["categorical"], "data.categorical")
    for name in categorical:
        if name not in known:
            raise UserError(f"data.categorical: {name!r} is no covariate{nearest(name, known)}")
    return {
        "time_column": times[0] if len(times) == 1 else times or None,
        "id_column": ids[0] if ids else None,
        "targets": targets,
        **covariates,
        "categorical": categorical,
    }


def _column_list(value: str | Sequence[str] | None, option: str) -> list[str]:
    names = (
        []
        if value is None
        else [value]
        if isinstance(value, str)
        else [str(name) for name in value]
    )
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{option}={names} names {name!r} twice")
    return names


def fit_schema(
    table: pd.DataFrame,
    grid: TimeGrid,
    columns: dict[str, Any],
    train_ends_S: Int64,
    lookback: int,
    horizon: int,
    season_length: int | None = None,
    calendar: str | Sequence[str] = "auto",
    non_negative: bool | str = "auto",
    min_lookback: int | None = None,
) -> dict[str, Any]:
    """Learn a schema from the training part of a table.

    Args:
        table: table from ``read_table``, aligned.
        grid: its steps.
        columns: roles from ``resolve_columns``.
        train_ends_S: end of the training part of each series; nothing later is used.
        lookback: past steps the model sees.
        horizon: steps it forecasts.
        season_length: steps in a season; None infers it from the frequency.
        calendar: auto, none or a list of cycles.
        non_negative: whether forecasts are never below 0; auto: of the targets that never are.
        min_lookback: past steps that a forecast needs at least; None: a season, or a quarter of
            the lookback where no season fits in it.

    Raises:
        UserError: a target has no value at all, or a column holds text or infinite values.
    """
    check_static_covariates(table, grid, columns["static_covariates"])
    target = np.stack([_target_column(table, grid, name) for name in columns["targets"]], axis=1)
    _check_observed(table, grid, columns["targets"], target)
    if season_length is None:
        season_length = infer_season_length(grid.frequency)
    if min_lookback is None:
        seasonal = 1 < season_length <= lookback
        min_lookback = season_length if seasonal else -(-lookback // 4)
    statistics = target_statistics(target, grid, train_ends_S, season_length, lookback)
    train_N = grid.position < np.repeat(train_ends_S, grid.lengths)
    return assemble_schema(
        grid,
        columns,
        _fit_encoding(table, grid, columns, train_N),
        statistics,
        train_ends_S,
        lookback,
        horizon,
        season_length,
        min_lookback,
        calendar,
        _span_days(grid, train_N),
        _lower_bounds(target[train_N], non_negative),
        # Young series are padded with missing steps.
        bool(
            np.isnan(target[train_N]).any()
            or padding(train_ends_S, grid.lengths, lookback, horizon, min_lookback).any()
        ),
    )


def assemble_schema(
    grid: TimeGrid,
    columns: dict[str, Any],
    encoding: dict[str, Any],
    statistics: tuple[Float64, Float64, Float64],
    train_ends_S: Int64,
    lookback: int,
    horizon: int,
    season_length: int,
    min_lookback: int,
    calendar: str | Sequence[str],
    span_days: float,
    lower_bounds: list[float | None],
    missing_targets: bool,
) -> dict[str, Any]:
    """Return the schema of what was learned; for arguments see :func:`fit_schema`.

    Args:
        grid: names, frequency and zone of the series.
        columns: roles.
        encoding: ``categories``, ``covariate_scale`` and ``missing_flags``.
        statistics: mean, standard deviation and naive error of each series and target.
        train_ends_S: end of the training part of each series.
        lookback: past steps.
        horizon: future steps.
        season_length: steps in a season.
        min_lookback: past steps that a forecast needs.
        calendar: option of the calendar.
        span_days: length of the training part.
        lower_bounds: smallest value of each target's forecasts, None for any.
        missing_targets: whether targets are missing in training.
    """
    mean, std, naive = statistics
    cycles = choose_calendar(calendar, grid.frequency, span_days)
    schema: dict[str, Any] = {
        **{name: value for name, value in columns.items() if name != "categorical"},
        **encoding,
        "calendar": cycles,
        # Only a linear map extrapolates beyond the training part: the backbone does not see these.
        "slow_size": 2 * num_slow_cycles(cycles, span_days),
        "frequency": None if grid.frequency is None else grid.frequency.alias,
        "zone": None if grid.zone is None else grid.zone._asdict(),
        "season_length": season_length,
        "lookback": lookback,
        "horizon": horizon,
        "target_scale": {
            name: {"mean": mean[i].tolist(), "std": std[i].tolist(), "naive": naive[i].tolist()}
            for i, name in enumerate(grid.names)
        },
        "lower_bounds": lower_bounds,
        "train_ends": _train_ends(grid, train_ends_S),
        "min_lookback": min_lookback,
        "missing_targets": missing_targets,
        "num_targets": len(columns["targets"]),
    }
    future_size = features_size(columns["future_covariates"], schema)
    schema["future_size"] = future_size + 2 * len(schema["calendar"])
    past_size = features_size(columns["past_covariates"], schema)
    schema["past_size"] = past_size + schema["future_size"]
    schema["static_size"] = features_size(columns["static_covariates"], schema)
    return schema


def _lower_bounds(target: NDArray[np.float64], non_negative: bool | str) -> list[float | None]:
    """Return the smallest value of each target's forecasts, None for any."""
    if non_negative == "auto":
        return [None if (column < 0).any() else 0.0 for column in target.T]
    return [0.0 if non_negative else None] * target.shape[1]


def _train_ends(grid: TimeGrid, ends_S: Int64) -> dict[str, int]:
    """Return the time in ns, or without times the step, at which each training part ends."""
    ends = ends_S
    if grid.time is not None and grid.frequency is not None:
        first_S = grid.time[grid.offsets[:-1]].view(np.int64)
        ends = grid.frequency.times(first_S, ends_S)
    return dict(zip(grid.names, ends.tolist(), strict=True))


def _fit_encoding(
    table: pd.DataFrame, grid: TimeGrid, columns: dict[str, Any], train_N: NDArray[np.bool_]
) -> dict[str, Any]:
    """Learn categories and scales of the covariates; static ones count once per series."""
    varying = [*columns["past_covariates"], *columns["future_covariates"]]
    by_step = fit_covariates(table, grid.rows[train_N], varying, columns["categorical"])
    starts = grid.offsets[:-1]
    rows_S = grid.rows[starts][train_N[starts]]
    static = columns["static_covariates"]
    by_series = fit_covariates(table, rows_S, static, columns["categorical"])
    return {
        "categories": by_step[0] | by_series[0],
        "covariate_scale": by_step[1] | by_series[1],
        "missing_flags": by_step[2] + by_series[2],
    }


def _target_column(table: pd.DataFrame, grid: TimeGrid, name: str) -> NDArray[np.float64]:
    if types.is_bool_dtype(table[name].dtype):
        raise UserError(
            f"{table_name(table)}: target {name!r} holds true and false, expected numbers"
        )
    return take_rows(numeric_column(table, name), grid.rows)


def _check_observed(
    table: pd.DataFrame, grid: TimeGrid, targets: list[str], target: NDArray[np.float64]
) -> None:
    observed = np.logical_or.reduceat(~np.isnan(target), grid.offsets[:-1], axis=0)
    if not observed.all():
        series, channel = np.argwhere(~observed)[0]
        raise UserError(
            f"{table_name(table)}: target {targets[channel]!r} of series {grid.names[series]!r} has"
            f" no value in any of {grid.lengths[series]} steps; remove it, or check what marks"
            " missing values"
        )


def _span_days(grid: TimeGrid, train_N: NDArray[np.bool_]) -> float:
    if grid.time is None or not train_N.any():
        return 0.0
    times_ns = grid.time[train_N].view(np.int64)
    return float(times_ns.max() - times_ns.min()) / DAY_NS
