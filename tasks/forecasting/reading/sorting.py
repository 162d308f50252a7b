"""Bring the rows of a table into order: by series, then by time, each time once.

Duplicate or unsorted times are errors unless the user says what to do with them, since every
automatic choice would hide a broken export.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from gru_suite.errors import UserError, nearest

from .frequency import Int64
from .tables import category_column, check_columns, place
from .timestamps import time_column_values

ON_DUPLICATES = ("error", "first", "mean", "last")
SINGLE_SERIES = "series"  # the name of the only series of a wide table: the same for every file


@dataclass(frozen=True)
class SortedRows:
    """Rows of a table, series after series.

    Attributes:
        table: the table.
        names: one name a series.
        rows: row of the table at each place of the order.
        codes: index of its series.
        times_ns: its time, rising within a series; None without a time column.
    """

    table: pd.DataFrame
    names: list[str]
    rows: Int64
    codes: Int64
    times_ns: Int64 | None

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether each place and the next belong to one series."""
        together: NDArray[np.bool_] = self.codes[1:] == self.codes[:-1]
        return together

    def place(self, index: int) -> str:
        """Name the row at a place of the order, and its time."""
        when = "" if self.times_ns is None else f" ({format_time(self.times_ns[index])})"
        return f"{place(self.table, int(self.rows[index]))}{when}"


def format_time(time_ns: int) -> str:
    """Write a time for a message."""
    return str(pd.Timestamp(int(time_ns)))


def sort_rows(
    table: pd.DataFrame,
    time_column: str | list[str] | None,
    id_column: str | None,
    on_duplicates: str = "error",
    sort: bool = False,
) -> SortedRows:
    """Order the rows by series and time; see ``align`` for the arguments and errors."""
    if on_duplicates not in ON_DUPLICATES:
        hint = nearest(str(on_duplicates), ON_DUPLICATES)
        raise UserError(f"data.on_duplicates={on_duplicates!r} is unknown{hint}")
    codes, names = _series_codes(table, id_column)
    if time_column is None:
        rows = np.argsort(codes, kind="stable")
        return SortedRows(table, names, rows, codes[rows], None)
    columns = [time_column] if isinstance(time_column, str) else list(time_column)
    check_columns(table, columns, "data.time_column")
    times_ns = time_column_values(table, time_column).view(np.int64)
    rows = np.lexsort((times_ns, codes)) if sort else np.argsort(codes, kind="stable")
    ordered = SortedRows(table, names, rows, codes[rows], times_ns[rows])
    steps_ns = np.diff(times_ns[rows])
    _check_sorted(ordered, steps_ns)
    return _drop_duplicates(ordered, ordered.inside & (steps_ns == 0), on_duplicates)


def _series_codes(table: pd.DataFrame, id_column: str | None) -> tuple[Int64, list[str]]:
    if id_column is None:
        return np.zeros(len(table), dtype=np.int64), [SINGLE_SERIES]
    check_columns(table, [id_column], "data.id_column")
    ids = table[id_column]
    codes, found = pd.factorize(ids)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        raise UserError(f"{place(table, row)}, column {id_column!r}: a series name is missing")
    levels: NDArray[Any] = np.asarray(found)
    if types.is_numeric_dtype(ids.dtype):
        # 7 and 7.0 are the same series, whichever a file has.
        levels = category_column(pd.DataFrame({"id": levels}), "id")
    return codes.astype(np.int64), [str(level) for level in levels]


def _check_sorted(ordered: SortedRows, steps_ns: Int64) -> None:
    back = ordered.inside & (steps_ns < 0)
    if back.any():
        at = int(back.argmax())
        raise UserError(
            f"{ordered.place(at + 1)} comes after {format_time(_times(ordered)[at])}: time runs"
            f" backwards ({int(back.sum())} such rows)\nsort the file, or set data.sort=true"
        )


def _drop_duplicates(
    ordered: SortedRows, repeats: NDArray[np.bool_], on_duplicates: str
) -> SortedRows:
    """Keep one row a series and time."""
    if not repeats.any():
        return ordered
    table, rows, times_ns = ordered.table, ordered.rows, _times(ordered)
    if on_duplicates == "error":
        at = int(repeats.argmax())
        raise UserError(
            f"{ordered.place(at + 1)} repeats the time of row {int(table.index[rows[at]]) + 1}"
            f" ({int(repeats.sum())} such rows)\nset data.on_duplicates=first, mean or last,"
            " or data.id_column if the rows belong to different series"
        )
    first = np.concatenate(([True], ~repeats))
    keep = np.concatenate((~repeats, [True])) if on_duplicates == "last" else first
    kept, codes, times_ns = rows[keep], ordered.codes[keep], times_ns[keep]
    if on_duplicates == "mean":
        means = table.select_dtypes("number").iloc[rows].groupby(np.cumsum(first)).mean()
        attrs = dict(table.attrs)
        table = table.iloc[kept].assign(**{name: means[name].to_numpy() for name in means.columns})
        table.attrs.update(attrs)
        kept = np.arange(len(kept))
    return SortedRows(table, ordered.names, kept, codes, times_ns)


def _times(ordered: SortedRows) -> Int64:
    assert ordered.times_ns is not None
    return ordered.times_ns
