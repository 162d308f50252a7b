"""Timestamps of a table.

``3/4/2011`` is read month first unless some row contradicts that, and ``3.4.2011`` day first. Of
zones see :mod:`.time_zones`.
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
from .time_zones import clock_to_utc, on_calendar, stated_offsets, zone_by_offsets
from .zone import Zone

_EXAMPLE = "2024-01-31 18:00"
_MAX_LISTED = 5
NUMERIC_DATE = re.compile(
    r"\d{1,2}(?P<mark>[/.-])\d{1,2}(?P=mark)(?P<year>\d{4}|\d\d)"
    r"((?P<gap>[ T])\d{1,2}:(?P<minute>\d\d)(?P<second>:\d\d)?(?P<half>\s?[AaPp][Mm])?)?"
)

_MAX_PLAIN = 5000
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")
_EARLIEST, _LATEST = np.datetime64("1678-01-01"), np.datetime64("2261-12-31")


def time_column_values(
    table: pd.DataFrame,
    time_column: str | list[str],
    series: NDArray[np.int64],
    timezone: str | None = None,
    given: Zone | None = None,
) -> tuple[NDArray[np.datetime64], Zone | None]:
    """Return the rows' times as datetime64[ns], and their zone.

    Args:
        table: the table.
        time_column: one column of timestamps, or two: a date and the hour of the day as a number,
            0..23.
        series: number of each row's series.
        timezone: name of the zone that clock times are in, and that local times are told in.
        given: the zone of the training data, whose kind the times must have.

    Raises:
        UserError: a time is missing or not readable; its row is named. Or the zones are not one.
    """
    column = time_column if isinstance(time_column, str) else time_column[0]
    plain = _plain_times(table[column]) if isinstance(time_column, str) else None
    if plain is not None:
        return _clock_times(table, column, plain, series, timezone, given)
    times = _stamps(table, time_column)
    stated = stated_offsets(table[column])
    where = f"{table_name(table)}, column {column!r}"
    if len(stated) > 1 and None in stated:
        raise UserError(f"{where}: some times state a zone or an offset, others none")
    if stated in ([], [None]):
        return _clock_times(table, column, times, series, timezone, given)
    if given is not None and given.clock:
        raise UserError(
            f"{where}: the times state a zone ({stated[0]}), those of the training data were "
            f"clock times in {given.name}: give them as those"
        )
    zone = Zone(_zone_name(table[column], times, stated, where, timezone or (given and given.name)))
    if given.calendar if given is not None else on_calendar(zone, times):
        return zone.local(times), zone._replace(calendar=True)
    return times, zone


def _clock_times(
    table: pd.DataFrame,
    column: str,
    times: NDArray[np.datetime64],
    series: NDArray[np.int64],
    timezone: str | None,
    given: Zone | None,
) -> tuple[NDArray[np.datetime64], Zone | None]:
    """Return times that state no zone, in that of the option or of the training data."""
    where = f"{table_name(table)}, column {column!r}"
    if given is not None and not given.clock:
        raise UserError(
            f"{where}: the times state no zone, those of the training data did ({given.name}); add "
            "the offset, such as 2024-01-31 18:00+01:00"
        )
    name = given.name if given is not None else timezone
    if name is None:
        return times, None
    zone = Zone(name, clock=True)
    if given.calendar if given is not None else on_calendar(zone._replace(calendar=True), times):
        return times, zone._replace(calendar=True)
    utc, skipped = clock_to_utc(times, name, series)
    check_values(table, column, skipped, f"a time that clocks in {name} have shown")
    return utc, zone


def _zone_name(
    values: "pd.Series[Any]",
    times: NDArray[np.datetime64],
    stated: list[str | None],
    where: str,
    preferred: str | None,
) -> str:
    """Return the name of the zone that a column states, or that has all of its offsets."""
    names = [name for name in stated if name is not None]
    if preferred is not None and isinstance(values.dtype, pd.DatetimeTZDtype):
        return preferred
    if isinstance(values.dtype, pd.DatetimeTZDtype) or (len(names) == 1 and "/" in names[0]):
        return names[0]
    if not all(name in ("Z", "UTC", "GMT") or name[:1] in "+-" for name in names):
        raise UserError(f"{where}: the times are of {len(names)} zones: {', '.join(names)}")
    offset_ns = _offsets_ns(values)
    fixed = len(set(offset_ns.tolist())) == 1
    if preferred is not None or not fixed:
        found = zone_by_offsets(times, offset_ns, preferred)
        if found is not None and (found == preferred or not fixed):
            return found
    if not fixed:
        raise UserError(
            f"{where}: the times have the offsets {', '.join(names)}, which no one zone has at "
            "these times; a table is of one zone"
        )
    return "UTC" if not offset_ns[0] else _offset_name(int(offset_ns[0]))


def _offsets_ns(values: "pd.Series[Any]") -> NDArray[np.int64]:
    """Return the offset from UTC that each time states, in ns."""
    codes, levels = pd.factorize(values)
    found = []
    for level in levels:
        if isinstance(level, str):
            text = level.strip().replace(":", "")
            sign = max(text.rfind("+"), text.rfind("-"))
            digits = "" if text.endswith(("Z", "UTC", "GMT")) else text[sign:]
            minutes = int(digits[1:3] or 0) * 60 + int(digits[3:5] or 0) if digits else 0
            found.append((-1 if digits[:1] == "-" else 1) * minutes * 60 * 10**9)
        else:
            offset = pd.Timestamp(level).utcoffset()
            found.append(0 if offset is None else int(offset.total_seconds()) * 10**9)
    return np.array(found, np.int64)[codes]


def _offset_name(offset_ns: int) -> str:
    minutes = abs(offset_ns) // (60 * 10**9)
    return f"{'-' if offset_ns < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def _plain_times(values: "pd.Series[Any]") -> NDArray[np.datetime64] | None:
    """Return the times of a short column that are all ISO 8601 without a zone; else None.

    pandas takes a millisecond for what is needed to read any time, which counts for a server.
    """
    if len(values) > _MAX_PLAIN or types.is_datetime64_any_dtype(values.dtype):
        return None
    texts = values.tolist()
    if not all(isinstance(text, str) and _PLAIN.fullmatch(text) for text in texts):
        return None
    try:
        times = np.array(texts, "datetime64[s]")
    except ValueError:
        # A month or an hour that is none; the usual way says which.
        return None
    if times.min() < _EARLIEST or times.max() > _LATEST:
        return None
    return times.astype("datetime64[ns]")


def _stamps(table: pd.DataFrame, time_column: str | list[str]) -> NDArray[np.datetime64]:
    """Return times that state a zone in UTC, others as they are."""
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
    try:
        check_values(table, column, np.isnat(times), f"a timestamp such as {_EXAMPLE}")
    except UserError as error:
        raise UserError(
            f"{error}\nto leave out such rows, as those of totals: data.max_bad_fraction=0.01"
        ) from None
    return times


def drop_bad_times(
    table: pd.DataFrame, time_column: str | list[str] | None, max_bad_fraction: float
) -> pd.DataFrame:
    """Return a table without the rows whose time cannot be read, such as totals.

    Args:
        table: the table; ``attrs["notes"]`` of the result names the rows.
        time_column: column(s) of the time; None changes nothing.
        max_bad_fraction: largest share of such rows; with more of them all are kept.
    """
    if time_column is None or not max_bad_fraction:
        return table
    column = time_column if isinstance(time_column, str) else time_column[0]
    if types.is_numeric_dtype(table[column].dtype):
        return table
    bad_N = np.isnat(_parse_times(table[column]))
    if not bad_N.any() or bad_N.mean() > max_bad_fraction:
        return table
    rows = ", ".join(str(row + 1) for row in np.flatnonzero(bad_N)[:_MAX_LISTED])
    more = ", ..." if bad_N.sum() > _MAX_LISTED else ""
    kept = table[~bad_N]
    note = f"{table_name(table)}: rows without a time, left out: {rows}{more}"
    kept.attrs = {**table.attrs, "notes": [*table.attrs.get("notes", []), note]}
    return kept


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
