"""Timestamps of a table.

Times with a zone are converted to UTC, others are kept. ``3/4/2011`` is read month first unless
some row contradicts that, and ``3.4.2011`` day first.
"""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from pandas.tseries.api import guess_datetime_format

from gru_suite.errors import UserError

from .tables import check_values, numeric_column, table_name

_EXAMPLE = "2024-01-31 18:00"
NUMERIC_DATE = re.compile(
    r"\d{1,2}(?P<mark>[/.-])\d{1,2}(?P=mark)(?P<year>\d{4}|\d\d)"
    r"((?P<gap>[ T])\d{1,2}:(?P<minute>\d\d)(?P<second>:\d\d)?(?P<half>\s?[AaPp][Mm])?)?"
)


def time_column_values(table: pd.DataFrame, time_column: str | list[str]) -> NDArray[np.datetime64]:
    """Return the rows' times as datetime64[ns].

    Args:
        table: the table.
        time_column: one column of timestamps, or two: a date and the hour of the day as a number,
            0..23.

    Raises:
        UserError: a time is missing or not readable; its row is named.
    """
    if isinstance(time_column, str):
        return _timestamps(table, time_column)
    date, hour = time_column
    hours = numeric_column(table, hour)
    check_values(table, hour, ~((hours >= 0) & (hours < 24)), "an hour from 0 to 23")
    offset_ns = np.rint(hours * 3.6e12).astype("timedelta64[ns]")
    days = _timestamps(table, date).astype("datetime64[D]")
    times: NDArray[np.datetime64] = days.astype("datetime64[ns]") + offset_ns
    return times


def _timestamps(table: pd.DataFrame, column: str) -> NDArray[np.datetime64]:
    values = table[column]
    if types.is_numeric_dtype(values.dtype):
        raise UserError(
            f"{table_name(table)}: time column {column!r} holds numbers, expected timestamps such "
            f"as {_EXAMPLE}\n"
            "without a time column (data.time_column=null) rows count as evenly spaced"
        )
    try:
        times = _parse_times(values)
    except pd.errors.OutOfBoundsDatetime as error:
        raise UserError(
            f"{table_name(table)}, column {column!r}: a time is outside 1678 to 2261 ({error})"
        ) from None
    check_values(table, column, np.isnat(times), f"a timestamp such as {_EXAMPLE}")
    return times


def _parse_times(values: "pd.Series[Any]") -> NDArray[np.datetime64]:
    """Parse text as ISO 8601 or in a format of the first value; keep the most complete result."""
    if types.is_datetime64_any_dtype(values.dtype):
        return _to_ns(values)
    first = next((value for value in values if not pd.isna(value)), "")
    if not isinstance(first, str):
        return _to_ns(pd.to_datetime(values.astype(object), errors="coerce", utc=True))
    # Dates beside an hour column, and the times of many series, repeat: each is parsed once.
    codes, levels = pd.factorize(values)
    if 2 * len(levels) < len(values):
        distinct = _parse_times(pd.Series(levels, dtype=object))
        return np.append(distinct, np.datetime64("NaT", "ns"))[codes]
    best: NDArray[np.datetime64] = np.full(len(values), np.datetime64("NaT", "ns"))
    # Guessing a format takes longer than parsing, and most tables are ISO 8601.
    for pattern in _candidate_formats(first):
        times = _to_ns(pd.to_datetime(values, format=pattern, errors="coerce", utc=True))
        if np.isnat(times).sum() < np.isnat(best).sum():
            best = times
        if not np.isnat(best).any():
            break
    return best


def _to_ns(times: "pd.Series[pd.Timestamp]") -> NDArray[np.datetime64]:
    # as_unit raises where numpy would wrap around.
    return times.dt.as_unit("ns").to_numpy(dtype="datetime64[ns]")


def _candidate_formats(example: str) -> Iterator[str]:
    """Yield formats that a time such as ``example`` may have, likelier ones first."""
    yield "ISO8601"
    match = NUMERIC_DATE.fullmatch(example.strip())
    if match is None:
        with warnings.catch_warnings():
            # About month or day first, which is settled by trying.
            warnings.simplefilter("ignore", UserWarning)
            guess = guess_datetime_format(example)
        if guess is not None:
            yield guess
        return
    mark = match["mark"]
    year = "%Y" if len(match["year"]) == 4 else "%y"
    clock = ""
    if match["minute"]:
        half_day = match["half"] or ""
        clock = (
            match["gap"] + ("%I" if half_day else "%H") + ":%M" + (":%S" if match["second"] else "")
        )
        clock += half_day[:-2] + "%p" if half_day else ""
    orders = (f"%m{mark}%d{mark}{year}{clock}", f"%d{mark}%m{mark}{year}{clock}")
    yield from reversed(orders) if mark == "." else orders
