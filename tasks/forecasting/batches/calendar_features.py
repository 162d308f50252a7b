"""Calendar features: sine and cosine of the position in daily, weekly and yearly cycles.

By default a cycle is used only if it has at least two time steps (with fewer, it cannot be told
from a slower one) and the training part spans it at least once: a day of the year that training
never saw would mislead.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError, nearest

from ..reading.frequency import DAY_NS, Frequency, Int64

CYCLE_DAYS = {
    "hour": 1.0,
    "halfday": 0.5,
    "weekday": 7.0,
    "monthday": 30.5,
    "yearday": 365.25,
    "month": 365.25,
}
"""Length in days of each cycle that ``data.calendar`` may name."""
# Of the longest month and year, so that no day has the angle of another.
CYCLE_STEPS = {"monthday": 31, "yearday": 366}
# A daily cycle is seldom one sine wave; ``halfday`` is its second harmonic.
AUTO_CYCLES = ("hour", "halfday", "weekday", "yearday")


def choose_calendar(
    calendar: str | Sequence[str], frequency: Frequency | None, span_days: float
) -> list[str]:
    """Return the cycles of ``data.calendar``, the short ones first.

    Args:
        calendar: ``auto``, ``none``, or names of cycles.
        frequency: distance between steps; None without times.
        span_days: length of the training part.

    Raises:
        UserError: an unknown cycle, or cycles for data without times.
    """
    if calendar == "none" or (calendar == "auto" and frequency is None):
        return []
    if calendar == "auto":
        assert frequency is not None
        if frequency.unit == "month":
            return ["month"] if frequency.count < 12 and span_days >= CYCLE_DAYS["month"] else []
        # 1.99: two steps, with room for rounding.
        return [
            name for name in AUTO_CYCLES if 1.99 * frequency.days < CYCLE_DAYS[name] <= span_days
        ]
    names = [calendar] if isinstance(calendar, str) else list(calendar)
    for name in names:
        if name not in CYCLE_DAYS:
            raise UserError(
                f"data.calendar={name!r} is unknown{nearest(name, ['auto', 'none', *CYCLE_DAYS])}"
            )
    if names and frequency is None:
        raise UserError(
            f"data.calendar={names} needs timestamps; set data.time_column or data.calendar=none"
        )
    return sorted(names, key=CYCLE_DAYS.__getitem__)


def num_slow_cycles(names: Sequence[str], span_days: float) -> int:
    """Return the number of cycles longer than ``span_days``, the last ones of the calendar."""
    return sum(CYCLE_DAYS[name] > span_days for name in names)


def calendar_features(time: NDArray[np.datetime64], names: Sequence[str]) -> NDArray[np.float32]:
    """Return the sine and cosine of each cycle, shape (steps, 2 * cycles), values in -1..1."""
    times_ns = time.view(np.int64)
    features = np.empty((len(times_ns), 2 * len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        angle = 2 * np.pi * _phase(times_ns, name)
        features[:, 2 * i], features[:, 2 * i + 1] = np.sin(angle), np.cos(angle)
    return features


def _phase(times_ns: Int64, name: str) -> NDArray[np.float64]:
    """Return the position in the cycle, 0 to below 1."""
    if name == "hour":
        return (times_ns % DAY_NS) / DAY_NS
    if name == "halfday":
        return (times_ns % (DAY_NS // 2)) / (DAY_NS // 2)
    days = times_ns // DAY_NS
    if name == "weekday":
        return ((days + 3) % 7) / 7
    dates = days.astype("datetime64[D]")
    if name == "month":
        return (dates.astype("datetime64[M]").astype(np.int64) % 12) / 12
    start = dates.astype(f"datetime64[{'M' if name == 'monthday' else 'Y'}]").astype(dates.dtype)
    phase: NDArray[np.float64] = (dates - start).astype(np.int64) / CYCLE_STEPS[name]
    return phase
