"""Frequency of time steps.

A frequency numbers the steps of a series by integers, so that no other code depends on months or
weekends. It is a fixed duration (seconds to weeks), a number of months (month, quarter, year), or a
business day. Names are pandas' offset aliases (``15min``, ``h``, ``D``, ``B``, ``W``, ``MS``, ...).

pandas' own ``infer_freq`` fails at the first gap, and its offsets number the times of one series at
a time.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError, nearest

Int64: TypeAlias = NDArray[np.int64]

DAY_NS = 86_400 * 10**9
FIXED_NS = {
    "W": 7 * DAY_NS,
    "D": DAY_NS,
    "h": 3_600 * 10**9,
    "min": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
MONTHS = {"MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12}
# Names that pandas used before 2.2, and its short forms.
OLD_NAMES = {
    "H": "h",
    "T": "min",
    "S": "s",
    "M": "ME",
    "Q": "QE",
    "Y": "YE",
    "A": "YE",
    "AS": "YS",
    "d": "D",
}
# This many equal steps in a row, other than the usual one, are a change of frequency, not gaps: at
# least 8, and 1 % of the rows, since some sensors miss every other hour for a day.
CHANGE_ROWS, CHANGE_SHARE = 8, 0.01


@dataclass(frozen=True)
class Frequency:
    """Distance between two steps: ``count`` times ``unit`` (ns, month, business day)."""

    alias: str
    unit: str
    count: int

    @property
    def days(self) -> float:
        """Length of one step in days, on average."""
        return self.count * {"ns": 1 / DAY_NS, "month": 365.25 / 12, "business": 1.4}[self.unit]

    def ordinals(self, times_ns: Int64, first_ns: Int64) -> tuple[Int64, NDArray[np.bool_]]:
        """Return the steps from ``first_ns`` to each time, and whether it falls on a step."""
        if self.unit == "ns":
            number, rest = np.divmod(times_ns - first_ns, self.count)
        elif self.unit == "month":
            number, rest = np.divmod(_months(times_ns) - _months(first_ns), self.count)
        else:
            number = np.busday_count(_dates(first_ns), _dates(times_ns)).astype(np.int64)
            rest = (~np.is_busday(_dates(times_ns))).astype(np.int64)
        return number, rest == 0

    def times(self, first_ns: Int64, ordinals: Int64) -> Int64:
        """Return the times (ns) of steps counted from ``first_ns``."""
        if self.unit == "ns":
            return first_ns + ordinals * self.count
        time_of_day = first_ns % DAY_NS
        if self.unit == "business":
            return (
                _to_ns(np.busday_offset(_dates(first_ns), ordinals, roll="forward")) + time_of_day
            )
        months = _months(first_ns) + ordinals * self.count
        start = _to_ns(months.astype("datetime64[M]"))
        after = _to_ns((months + 1).astype("datetime64[M]"))
        monthday_ns = first_ns - _to_ns(_months(first_ns).astype("datetime64[M]")) - time_of_day
        last_day_ns = after - start - DAY_NS
        if self.alias.endswith("E"):
            monthday_ns = last_day_ns
        times: Int64 = start + np.minimum(monthday_ns, last_day_ns) + time_of_day
        return times


def parse_frequency(alias: str) -> Frequency:
    """Parse a pandas offset alias such as ``h``, ``15min``, ``W-TUE`` or ``MS``."""
    match = re.fullmatch(r"(\d*)\s*([A-Za-z]+)(-[A-Za-z]+)?", str(alias).strip())
    count = int(match[1] or 1) if match else 0
    name = match[2] if match else str(alias)
    name = OLD_NAMES.get(name, name)
    if count > 0 and name in FIXED_NS:
        return Frequency(_alias(name, count), "ns", count * FIXED_NS[name])
    if count > 0 and name in MONTHS:
        return Frequency(_alias(name, count), "month", count * MONTHS[name])
    if count == 1 and name == "B":
        return Frequency("B", "business", 1)
    raise UserError(
        f"data.frequency={alias!r} is"
        f" unknown{nearest(name, ['s', 'min', 'h', 'D', 'B', 'W', *MONTHS])}"
    )


def infer_frequency(times_ns: Int64, steps_ns: Int64) -> Frequency | None:
    """Infer the frequency from all times and the distances between rows of one series.

    Returns:
        The frequency; None where no distance makes up at least half of all.
    """
    levels, counts = np.unique(steps_ns, return_counts=True)
    step = int(levels[counts.argmax()])
    dates = _dates(times_ns)
    months = dates.astype("datetime64[M]")
    monthdays = (dates - months.astype("datetime64[D]")).astype(np.int64)
    at_end = bool(((dates + 1).astype("datetime64[M]") != months).all())
    if np.median(steps_ns) >= 28 * DAY_NS and (at_end or bool((monthdays == monthdays[0]).all())):
        number = int(np.rint(np.median(steps_ns) / DAY_NS / (365.25 / 12)))
        name = "E" if at_end else "S"
        size = {1: "M", 3: "Q", 12: "Y"}.get(number)
        return Frequency(f"{size}{name}" if size else f"{number}M{name}", "month", number)
    if 2 * counts.max() < len(steps_ns):
        return None
    span_days = (int(times_ns.max()) - int(times_ns.min())) / DAY_NS
    if step == DAY_NS and span_days >= 14 and bool(np.is_busday(dates).all()):
        return Frequency("B", "business", 1)
    name = next(unit for unit, size in FIXED_NS.items() if step % size == 0)
    return Frequency(_alias(name, step // FIXED_NS[name]), "ns", step)


def find_frequency_change(jumps: Int64) -> int | None:
    """Return where a series changes to another frequency.

    Args:
        jumps: steps between neighbouring rows, 1 for the usual distance, 0 where a series ends.

    Returns:
        Index of the first of several equal jumps greater than 1, or None.
    """
    run = max(CHANGE_ROWS, int(CHANGE_SHARE * len(jumps)))
    odd = jumps > 1
    same = odd[1:] & (jumps[1:] == jumps[:-1])
    if same.sum() < run - 1:
        return None
    breaks = np.flatnonzero(np.diff(np.concatenate(([0], same.view(np.int8), [0]))))
    starts, ends = breaks[::2], breaks[1::2]
    lasting = ends - starts >= run - 1
    return int(starts[lasting][0]) if lasting.any() else None


def infer_season_length(frequency: Frequency | None) -> int:
    """Return the steps of the usual season: an hour, a day, a week or a year; 1 without one."""
    if frequency is None:
        return 1
    if frequency.unit == "business":
        return 5
    if frequency.unit == "month":
        return 12 // frequency.count if 12 % frequency.count == 0 else 1
    if frequency.count == FIXED_NS["W"]:
        return 52
    for period_ns in (
        FIXED_NS["h"] if frequency.count < FIXED_NS["min"] else DAY_NS,
        FIXED_NS["W"],
    ):
        if frequency.count < period_ns and period_ns % frequency.count == 0:
            return period_ns // frequency.count
    return 1


def _alias(name: str, count: int) -> str:
    return name if count == 1 else f"{count}{name}"


def _dates(times_ns: Int64) -> NDArray[np.datetime64]:
    return (times_ns // DAY_NS).astype("datetime64[D]")


def _months(times_ns: Int64) -> Int64:
    return _dates(times_ns).astype("datetime64[M]").astype(np.int64)


def _to_ns(dates: NDArray[np.datetime64]) -> Int64:
    return dates.astype("datetime64[ns]").view(np.int64)
