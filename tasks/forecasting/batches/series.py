"""Series as flat arrays, encoded from a table by its schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.errors import UserError

from ..reading.frequency import Int64
from ..reading.tables import check_columns, numeric_column, table_name
from ..reading.time_grid import TimeGrid, align_table
from ..reading.timestamps import drop_bad_times
from ..reading.zone import Zone, zone_of
from .calendar_features import calendar_features
from .covariates import encode, first_row_of_series
from .scaling import scale_arrays
from .schema import ROLES, schema_frequency

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One series of a :class:`SeriesSet`, views of T steps."""

    name: str
    time: NDArray[np.datetime64] | None
    target: Float64
    past: Float32
    future: Float32
    static: Float32


@dataclass(frozen=True)
class SeriesSet:
    """Encoded series on a time grid, concatenated in flat arrays.

    Attributes:
        grid: names, offsets, times and table rows of the steps.
        target: target values in their own unit, NaN where missing: (steps, targets).
        scaled: the same as z-scores.
        past: past features, including the past of the future ones: (steps, past features).
        future: future features: (steps, future features).
        static: static features: (series, static features).
        mean: of each series and target, in the target's own unit: (series, targets).
        std: standard deviation, the same way.
        naive: mean absolute seasonal difference, the same way.
        number_S: index of each series in the schema's ``target_scale``; -1, -2, ... for those that
            it does not know.
    """

    grid: TimeGrid
    target: Float64
    scaled: Float32
    past: Float32
    future: Float32
    static: Float32
    mean: Float64
    std: Float64
    naive: Float64
    number_S: Int64

    @property
    def names(self) -> list[str]:
        """Names of the series."""
        return self.grid.names

    @property
    def offsets(self) -> Int64:
        """First flat step of each series, and the end."""
        return self.grid.offsets

    @property
    def time(self) -> NDArray[np.datetime64] | None:
        """Time of every flat step, None without a time column."""
        return self.grid.time

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.grid.names)

    def __getitem__(self, index: int) -> Series:
        """Return one series."""
        steps = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        time = None if self.time is None else self.time[steps]
        static = self.static[index]
        return Series(
            self.names[index],
            time,
            self.target[steps],
            self.past[steps],
            self.future[steps],
            static,
        )


def encode_series(
    table: pd.DataFrame,
    schema: dict[str, Any],
    grid: TimeGrid | None = None,
    train_ends_S: Int64 | None = None,
) -> SeriesSet:
    """Encode the series of a table by a schema.

    Args:
        table: table from ``read_table``.
        schema: from ``fit_schema``; nothing is learned from ``table``, except the scale of a series
            that the schema does not know.
        grid: time grid of the table; None aligns the table first.
        train_ends_S: end of the steps of each series that give the scale of an unknown one; None
            takes all.

    Raises:
        UserError: a column is missing or holds text or infinite values, or the times are not
            regular.
    """
    check_schema_columns(table, schema)
    if grid is None:
        table, grid = align_by_schema(table, schema)
    target = target_values(table, schema)[grid.rows]
    ends_S = grid.lengths if train_ends_S is None else train_ends_S
    statistics = scale_arrays(schema, grid, target, ends_S)
    return encode_on_grid(table, grid, schema, target, statistics, first_row_of_series(grid))


def encode_on_grid(
    table: pd.DataFrame,
    grid: TimeGrid,
    schema: dict[str, Any],
    target: Float64,
    statistics: tuple[Float64, Float64, Float64],
    static_rows_S: Int64,
) -> SeriesSet:
    """Encode the steps of a time grid, given target values and their statistics."""
    mean, std, naive = statistics
    scaled = target - np.repeat(mean, grid.lengths, axis=0)
    scaled /= np.repeat(std, grid.lengths, axis=0)
    future = encode(table, grid.rows, schema["future_covariates"], schema)
    if schema["calendar"] and grid.time is not None:
        zone = zone_of(schema)
        clock = grid.time if zone is None else zone.local(grid.time)
        future = np.concatenate((future, calendar_features(clock, schema["calendar"])), axis=1)
    past = future
    if schema["past_covariates"]:
        past = np.concatenate(
            (encode(table, grid.rows, schema["past_covariates"], schema), future), axis=1
        )
    static = encode(table, static_rows_S, schema["static_covariates"], schema)
    number_S = series_numbers(schema, grid.names)
    return SeriesSet(
        grid, target, scaled.astype(np.float32), past, future, static, mean, std, naive, number_S
    )


def series_numbers(schema: dict[str, Any], names: Sequence[str]) -> Int64:
    """Return the index of series in ``target_scale``; -1, -2, ... for those not in it."""
    known = {name: number for number, name in enumerate(schema["target_scale"])}
    return np.array([known.get(name, -1 - i) for i, name in enumerate(names)], np.int64)


def align_by_schema(table: pd.DataFrame, schema: dict[str, Any]) -> tuple[pd.DataFrame, TimeGrid]:
    """Align a table to the time grid of a schema's frequency."""
    table = drop_bad_times(table, schema["time_column"], schema.get("max_bad_fraction", 0.0))
    table, grid = align_table(
        table,
        schema["time_column"],
        schema["id_column"],
        schema_frequency(schema),
        schema["on_duplicates"],
        schema["sort"],
        given=zone_of(schema),
    )
    check_zone(schema, grid.zone, table)
    return table, grid


def check_zone(schema: dict[str, Any], zone: Zone | None, table: pd.DataFrame) -> None:
    """Raise UserError if times have a zone and those of the training data had none."""
    # Schemas of before do not say.
    if zone is not None and "zone" in schema and schema["zone"] is None:
        raise UserError(
            f"{table_name(table)}: the times state a zone ({zone.name}), those of the training "
            "data none: give them without, as those"
        )


def target_values(table: pd.DataFrame, schema: dict[str, Any]) -> Float64:
    """Return the target columns, (rows + 1, targets), NaN in the last row for row -1."""
    columns = [numeric_column(table, name) for name in schema["targets"]]
    return np.concatenate((np.stack(columns, axis=1), np.full((1, len(columns)), np.nan)))


def check_schema_columns(table: pd.DataFrame, schema: dict[str, Any]) -> None:
    """Raise UserError, with the nearest name, if the table lacks a column of the schema."""
    times = schema["time_column"] or []
    check_columns(table, [times] if isinstance(times, str) else times, "the model's time column")
    check_columns(table, [schema["id_column"]] if schema["id_column"] else [], "the model's id")
    check_columns(table, schema["targets"], "the model's target")
    for role in ROLES:
        check_columns(table, schema[role], f"the model's {role.replace('_', ' ')}")
