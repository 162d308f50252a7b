"""Many Parquet files to windows: reading, split, schema."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gru_suite.errors import UserError

from ...reading.stored.columns import StoredColumns, open_columns
from ...reading.stored.parquet_files import read_head
from ...reading.zone import zone_of
from ..schema import resolve_columns, schema_frequency
from ..series import check_schema_columns
from ..splits import SplitBorders, split_series
from ..table_data import WindowOptions
from .building import encode_stored, fit_stored, stored_ends, stored_windows
from .windows import StoredSeries, StoredWindowSet


class StoredData(NamedTuple):
    """Series of many Parquet files, and their windows.

    Attributes:
        columns: values of the series.
        schema: learned or given.
        series: encoded by the schema.
        borders: of the parts.
        windows: of each part.
        dropped: windows of each part without an observed past or future.
    """

    columns: StoredColumns
    schema: dict[str, Any]
    series: StoredSeries
    borders: SplitBorders
    windows: dict[str, StoredWindowSet]
    dropped: dict[str, int]


def read_stored(
    files: Sequence[Path], schema: dict[str, Any] | None, options: WindowOptions
) -> StoredData:
    """Read Parquet files in memory that does not grow with their rows.

    Args:
        files: of one long table.
        schema: of a checkpoint; None learns one.
        options: of the windows.

    Raises:
        UserError: the files cannot be read as regular series, or an option needs all rows.
    """
    lookback, horizon, reading = options.lookback, options.horizon, options.reading
    if options.min_lookback not in (None, lookback) or reading["on_duplicates"] != "error":
        raise UserError(
            "data.min_lookback and data.on_duplicates are for a table in one file: they cannot be "
            "used with many Parquet files"
        )
    head = read_head(files)
    if schema is None:
        roles, step = resolve_columns(head, options.columns), options.step
    else:
        check_schema_columns(head, schema)
        roles, step = schema, schema_frequency(schema)
    varying = [*roles["past_covariates"], *roles["future_covariates"]]
    coded = set(roles.get("categorical", ())) & set(varying)
    if coded:
        raise UserError(
            f"data.categorical: {min(coded)!r} varies in time; from many Parquet files only "
            "data.static_covariates may be categorical"
        )
    bad_fraction, zone = reading["max_bad_fraction"], zone_of(schema or {})
    stored = open_columns(files, roles, step, options.timezone, bad_fraction, zone)
    ends_S = stored_ends(stored, roles["targets"])
    borders = split_series(stored.grid, options.split, horizon, ends_S)
    if schema is None:
        chosen = (lookback, horizon, options.season, options.calendar, options.non_negative)
        schema = fit_stored(stored, roles, borders.train_ends_S, *chosen) | reading
    series = encode_stored(stored, schema, borders.train_ends_S)
    windows, dropped = stored_windows(series, borders, lookback, horizon, options.strides)
    return StoredData(stored, schema, series, borders, windows, dropped)
