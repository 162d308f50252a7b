"""Time zones of a table: what its times state, and clock times in a zone."""

import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.errors import UserError, nearest

from .frequency import DAY_NS, Int64
from .zone import Zone

# The end of a time, not of a date such as 2024-01-31.
_OFFSET = re.compile(
    r"\d\s*(?P<zone>Z|UTC|GMT)$|:\d\d(?:[.,]\d+)?\s*(?P<offset>[+-]\d\d(?::?\d\d)?)$"
)
# Steps of at least this length are days, also on the day with 23 hours.
_SHORTEST_DAY_NS = 22 * DAY_NS // 24
# Tried first, since many zones share their rules.
_USUAL = (
    "Europe/Berlin Europe/London Europe/Helsinki America/New_York America/Chicago America/Denver "
    "America/Los_Angeles America/Halifax America/St_Johns America/Anchorage Australia/Sydney "
    "Australia/Adelaide Pacific/Auckland Asia/Jerusalem America/Santiago Africa/Cairo Asia/Beirut"
).split()


def check_timezone(name: str | None) -> None:
    """Raise UserError, with the nearest name, for the name of no time zone."""
    if name is None:
        return
    try:
        ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(str(name), sorted(available_timezones()))
        raise UserError(f"data.timezone={name}: no such time zone{hint}") from None


def stated_offsets(values: "pd.Series[Any]") -> list[str | None]:
    """Return the zone or offset that each time states, None for none, by distinct value."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return [str(values.dtype.tz)]
    found: set[str | None] = set()
    for value in values.dropna():
        if isinstance(value, str):
            match = _OFFSET.search(value.strip())
            found.add(match["zone"] or match["offset"] if match else None)
        else:
            zone = getattr(value, "tzinfo", None)
            found.add(None if zone is None else str(zone))
    return sorted(found, key=str)


def zone_by_offsets(
    times: NDArray[np.datetime64], offset_ns: Int64, preferred: str | None
) -> str | None:
    """Return a zone that had these offsets from UTC at these times; None if there is none.

    Args:
        times: UTC.
        offset_ns: of each.
        preferred: name of the zone to try first.
    """
    utc = pd.DatetimeIndex(times)
    for name in _candidates(preferred):
        local = utc.tz_localize("UTC").tz_convert(name).tz_localize(None)
        if ((local - utc).as_unit("ns").asi8 == offset_ns).all():
            return name
    return None


def _candidates(preferred: str | None) -> Iterator[str]:
    if preferred is not None:
        yield preferred
    yield from _USUAL
    # Deprecated names and those without a place come last.
    names = available_timezones() - set(_USUAL)
    yield from sorted(name for name in names if "/" in name and not name.startswith("Etc/"))


def clock_to_utc(
    local: NDArray[np.datetime64], zone: str, series: NDArray[np.int64]
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Return clock times as UTC, and which of them the clock never showed.

    Of an hour that is shown twice, the first row of a series with a time is before the change, the
    second after it.

    Args:
        local: clock times, in the order of their rows.
        zone: a name of the tz database.
        series: number of each row's series.
    """
    index = pd.DatetimeIndex(local)
    repeats = pd.DataFrame({"series": series, "time": index}).groupby(["series", "time"])
    first = repeats.cumcount().to_numpy() == 0
    aware = index.tz_localize(zone, ambiguous=first, nonexistent="NaT")
    skipped = np.asarray(aware.isna()) & ~np.asarray(index.isna())
    return aware.tz_convert("UTC").tz_localize(None).as_unit("ns").to_numpy(), skipped


def on_calendar(zone: Zone, times: NDArray[np.datetime64]) -> bool:
    """Return whether the steps are days or longer, all at the same time of the local day."""
    distinct = np.unique(times.view(np.int64))
    if len(distinct) < 2 or np.diff(distinct).min() < _SHORTEST_DAY_NS:
        return False
    clock_ns = zone.local(times).view(np.int64) % DAY_NS
    return bool((clock_ns == clock_ns[0]).all())
