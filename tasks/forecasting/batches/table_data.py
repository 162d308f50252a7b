"""A table to windows: time grid, split, schema, series.

Shapes: S series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from ..reading.frequency import Frequency, Int64, infer_season_length, parse_frequency
from ..reading.time_grid import TimeGrid, align_table
from ..reading.timestamps import drop_bad_times
from .schema import fit_schema, resolve_columns
from .series import (
    SeriesSet,
    align_by_schema,
    check_schema_columns,
    encode_series,
    target_values,
)
from .splits import SplitBorders, padding, split_series
from .windows import WindowSet, make_windows, observed_ends


@dataclass(frozen=True)
class WindowOptions:
    """Options by which tables become windows; see ``ForecastingDataModule``.

    Attributes:
        lookback: past steps.
        horizon: steps to forecast.
        columns: columns by role.
        strides: steps between the windows of each part.
        split: fractions, dates, or the name of a split.
        reading: how rows are read, part of a learned schema.
        calendar: cycles.
        frequency: distance between steps; None infers it.
        season_length: steps in a season; None infers it.
        timezone: zone of clock times.
        min_lookback: past steps that a forecast needs; None chooses them.
        non_negative: whether forecasts are never below 0.
    """

    lookback: int
    horizon: int
    columns: dict[str, Any]
    strides: Mapping[str, int]
    split: str | Sequence[Any]
    reading: dict[str, Any]
    calendar: str | Sequence[str] = "auto"
    frequency: str | None = None
    season_length: int | None = None
    timezone: str | None = None
    min_lookback: int | None = None
    non_negative: bool | str = "auto"

    @property
    def step(self) -> Frequency | None:
        """The given frequency."""
        return None if self.frequency is None else parse_frequency(self.frequency)

    @property
    def season(self) -> int | None:
        """Steps in a season, by the given frequency where they are not given."""
        if self.season_length is None and self.frequency is not None:
            # Data without times may still have a frequency to infer the season from.
            return infer_season_length(self.step)
        return self.season_length


class TableData(NamedTuple):
    """Series of a table, and their windows.

    Attributes:
        series: encoded by the schema.
        schema: learned or given.
        borders: of the parts.
        windows: of each part.
        dropped: windows of each part without an observed past or future.
        padded_S: missing steps before each young series.
        notes: on rows that were left out, and on how the table was read.
    """

    series: SeriesSet
    schema: dict[str, Any]
    borders: SplitBorders
    windows: dict[str, WindowSet]
    dropped: dict[str, int]
    padded_S: Int64
    notes: list[str]


def read_table_data(
    table: pd.DataFrame, schema: dict[str, Any] | None, options: WindowOptions
) -> TableData:
    """Align a table, learn the schema unless it is given, and cut the windows.

    Args:
        table: from ``load_source``.
        schema: of a checkpoint; None learns one.
        options: of the windows.

    Raises:
        UserError: the data cannot be used.
    """
    given, lookback, horizon = schema, options.lookback, options.horizon
    if given is None:
        columns, reading = resolve_columns(table, options.columns), options.reading
        times, ids = columns["time_column"], columns["id_column"]
        table = drop_bad_times(table, times, reading["max_bad_fraction"])
        order = (reading["on_duplicates"], reading["sort"], options.timezone)
        table, grid = align_table(table, times, ids, options.step, *order)
    else:
        columns = given
        check_schema_columns(table, columns)
        table, grid = align_by_schema(table, columns)
    ends_S = observed_ends(grid, target_values(table, columns)[grid.rows])
    borders = split_series(grid, options.split, horizon, ends_S)
    schema = given or _fit(table, grid, columns, borders.train_ends_S, options)
    least = schema.get("min_lookback", lookback)
    # Of other data than in training all may be tested.
    trained_S = borders.train_ends_S if given is None else borders.test_ends_S
    young_S = padding(trained_S, borders.test_ends_S, lookback, horizon, least)
    if young_S.any():
        grid, borders = grid.pad(young_S), borders.shifted(young_S)
    series = encode_series(table, schema, grid, borders.train_ends_S)
    windows: dict[str, WindowSet] = {}
    dropped: dict[str, int] = {}
    for part, stride in options.strides.items():
        windows[part], dropped[part] = make_windows(
            series, *borders.part(part), lookback, horizon, stride
        )
    return TableData(
        series, schema, borders, windows, dropped, young_S, list(table.attrs.get("notes", []))
    )


def _fit(
    table: pd.DataFrame,
    grid: TimeGrid,
    columns: dict[str, Any],
    ends_S: Int64,
    options: WindowOptions,
) -> dict[str, Any]:
    schema = fit_schema(
        table,
        grid,
        columns,
        ends_S,
        options.lookback,
        options.horizon,
        season_length=options.season,
        calendar=options.calendar,
        non_negative=options.non_negative,
        min_lookback=options.min_lookback,
    )
    return schema | options.reading
