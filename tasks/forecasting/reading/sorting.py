"""Rows of a table sorted by series and time, without duplicates.

Duplicate or unsorted times are errors unless the user chooses how to treat them: an automatic
choice would hide a faulty export.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from gru_suite.errors import UserError, nearest

from .frequency import Int64
from .tables import category_column, check_columns, describe_row
from .timestamps import time_column_values
from .zone import Zone

_CLOCKS = (
    "; or, if these are clock times that an hour of autumn shows twice, data.timezone, such as "
    "Europe/Berlin"
)
ON_DUPLICATES = ("error", "first", "mean", "last")
SINGLE_SERIES = "series"
"""Name of the only series of a table without an id column."""


@dataclass(frozen=True)
class SortedRows:
    """Rows of a table, sorted by series and time.

    Attributes:
        table: the table.
        names: one name a series.
        rows: index of each row in the table.
        codes: index of its series.
        times_ns: its time, rising within a series; None without a time column.
        zone: of the times; None if they have none.
    """

    table: pd.DataFrame
    names: list[str]
    rows: Int64
    codes: Int64
    times_ns: Int64 | None
    zone: Zone | None = None

    @property
    def same_series(self) -> NDArray[np.bool_]:
        """Whether each row and the next belong to the same series."""
        same: NDArray[np.bool_] = self.codes[1:] == self.codes[:-1]
        return same

    def describe_row(self, index: int) -> str:
        """Return number and time of a row for a message."""
        when = "" if self.times_ns is None else f" ({self.format_time(index)})"
        return f"{describe_row(self.table, int(self.rows[index]))}{when}"

    def format_time(self, index: int) -> str:
        """Return the time of a row as text."""
        assert self.times_ns is not None
        return format_time(int(self.times_ns[index]), self.zone)


def format_time(time_ns: int, zone: Zone | None = None) -> str:
    """Return a time of a grid as text, in its zone."""
    if zone is None:
        return str(pd.Timestamp(int(time_ns)))
    return str(zone.aware(np.array([time_ns], "datetime64[ns]"))[0])


def sort_rows(
    table: pd.DataFrame,
    time_column: str | list[str] | None,
    id_column: str | None,
    on_duplicates: str = "error",
    sort: bool = False,
    timezone: str | None = None,
    given: Zone | None = None,
) -> SortedRows:
    """Sort the rows by series and time; for arguments and errors see ``align_table``."""
    if on_duplicates not in ON_DUPLICATES:
        hint = nearest(str(on_duplicates), ON_DUPLICATES)
        raise UserError(f"data.on_duplicates={on_duplicates!r} is unknown{hint}")
    codes, names = _series_codes(table, id_column)
    if time_column is None:
        rows = np.argsort(codes, kind="stable")
        return SortedRows(table, names, rows, codes[rows], None)
    columns = [time_column] if isinstance(time_column, str) else list(time_column)
    check_columns(table, columns, "data.time_column")
    times, zone = time_column_values(table, time_column, codes, timezone, given)
    times_ns = times.view(np.int64)
    rows = np.lexsort((times_ns, codes)) if sort else np.argsort(codes, kind="stable")
    sorted_rows = SortedRows(table, names, rows, codes[rows], times_ns[rows], zone)
    steps_ns = np.diff(times_ns[rows])
    _check_sorted(sorted_rows, steps_ns)
    return _drop_duplicates(sorted_rows, sorted_rows.same_series & (steps_ns == 0), on_duplicates)


def _series_codes(table: pd.DataFrame, id_column: str | None) -> tuple[Int64, list[str]]:
    if id_column is None:
        return np.zeros(len(table), dtype=np.int64), [SINGLE_SERIES]
    check_columns(table, [id_column], "data.id_column")
    ids = table[id_column]
    codes, uniques = pd.factorize(ids)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        raise UserError(
            f"{describe_row(table, row)}, column {id_column!r}: a series name is missing"
        )
    levels: NDArray[Any] = np.asarray(uniques)
    if types.is_numeric_dtype(ids.dtype):
        # The ids 7 and 7.0 are the same series.
        levels = category_column(pd.DataFrame({"id": levels}), "id")
    return codes.astype(np.int64), [str(level) for level in levels]


def _check_sorted(sorted_rows: SortedRows, steps_ns: Int64) -> None:
    backwards = sorted_rows.same_series & (steps_ns < 0)
    if backwards.any():
        at = int(backwards.argmax())
        raise UserError(
            f"{sorted_rows.describe_row(at + 1)} comes after "
            f"{sorted_rows.format_time(at)}: time runs backwards ({int(backwards.sum())} "
            "such rows)\n"
            "sort the file, or set data.sort=true"
        )


def _drop_duplicates(
    sorted_rows: SortedRows, repeats: NDArray[np.bool_], on_duplicates: str
) -> SortedRows:
    """Remove all but one row of each series and time."""
    if not repeats.any():
        return sorted_rows
    table, rows, times_ns = sorted_rows.table, sorted_rows.rows, _times(sorted_rows)
    if on_duplicates == "error":
        at = int(repeats.argmax())
        raise UserError(
            f"{sorted_rows.describe_row(at + 1)} repeats the time of row "
            f"{int(table.index[rows[at]]) + 1} ({int(repeats.sum())} such rows)\n"
            "set data.on_duplicates=first, mean or last; data.id_column if the rows belong to "
            f"different series{_CLOCKS if sorted_rows.zone is None else ''}"
        )
    first = np.concatenate(([True], ~repeats))
    keep = np.concatenate((~repeats, [True])) if on_duplicates == "last" else first
    kept, codes, times_ns = rows[keep], sorted_rows.codes[keep], times_ns[keep]
    if on_duplicates == "mean":
        means = table.select_dtypes("number").iloc[rows].groupby(np.cumsum(first)).mean()
        attrs = dict(table.attrs)
        table = table.iloc[kept].assign(**{name: means[name].to_numpy() for name in means.columns})
        table.attrs.update(attrs)
        kept = np.arange(len(kept))
    return SortedRows(table, sorted_rows.names, kept, codes, times_ns, sorted_rows.zone)


def _times(sorted_rows: SortedRows) -> Int64:
    assert sorted_rows.times_ns is not None
    return sorted_rows.times_ns
