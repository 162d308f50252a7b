"""Regular time steps of the series of a table.

All series are concatenated in flat arrays, with ``offsets`` where each begins, so that windows are
cut by index arithmetic without a loop over series. A step without a row is a gap: it is kept as
missing and never filled in.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.errors import UserError

from .frequency import Frequency, Int64, find_frequency_change, infer_frequency
from .sorting import SortedRows, sort_rows
from .tables import table_name
from .zone import Zone

# A grid with more steps than this, for each row and in addition, has a wrong time in it.
MAX_STEPS_PER_ROW, MAX_SPARE_STEPS = 10, 100_000


@dataclass(frozen=True)
class TimeGrid:
    """The regular time steps of series, and the table's row of each.

    Attributes:
        names: names of the series.
        offsets: first flat step of each series, and the end: (series + 1,).
        rows: table row of every flat step, -1 where there is none.
        time: datetime64[ns] of every flat step; None without a time column.
        frequency: distance between steps; None without a time column.
        num_gaps: number of runs of steps without a row.
        num_missing_steps: steps without a row.
        first_gap: series and time of the first gap, for messages; empty without gaps.
        first_step_S: step of each series that its first flat step is; other than 0 in a cut.
        zone: of the times; None if they have none.
    """

    names: list[str]
    offsets: Int64
    rows: Int64
    time: NDArray[np.datetime64] | None = None
    frequency: Frequency | None = None
    num_gaps: int = 0
    num_missing_steps: int = 0
    first_gap: str = ""
    first_step_S: Int64 | None = None
    zone: Zone | None = None

    @property
    def first_steps(self) -> Int64:
        """Step of each series that its first flat step is."""
        if self.first_step_S is None:
            return np.zeros(len(self.names), np.int64)
        return self.first_step_S

    @property
    def lengths(self) -> Int64:
        """Steps of each series."""
        return np.diff(self.offsets)

    @property
    def series_of_step(self) -> Int64:
        """Index of the series of every flat step."""
        return np.repeat(np.arange(len(self.names)), self.lengths)

    @property
    def position(self) -> Int64:
        """Index within its series of every flat step."""
        return np.arange(len(self.rows)) - np.repeat(self.offsets[:-1], self.lengths)

    def cut(self, starts_S: Int64, length: int) -> "TimeGrid":
        """Return ``length`` steps of each series from ``starts_S``, beyond its rows too."""
        position_SL = starts_S[:, None] + np.arange(length)
        inside_SL = (position_SL >= 0) & (position_SL < self.lengths[:, None])
        flat_SL = np.where(inside_SL, self.offsets[:-1, None] + position_SL, 0)
        rows = np.where(inside_SL, self.rows[flat_SL], -1).ravel()
        offsets = np.arange(len(self.names) + 1, dtype=np.int64) * length
        if self.time is None or self.frequency is None:
            return TimeGrid(self.names, offsets, rows, first_step_S=self.first_steps + starts_S)
        first_S1 = self.time.view(np.int64)[self.offsets[:-1], None]
        time = self.frequency.times(first_S1, position_SL).ravel().view("datetime64[ns]")
        first_step_S = self.first_steps + starts_S
        return TimeGrid(
            self.names,
            offsets,
            rows,
            time,
            self.frequency,
            first_step_S=first_step_S,
            zone=self.zone,
        )

    def pad(self, front_S: Int64) -> "TimeGrid":
        """Return the grid with steps without a row before the first of each series."""
        lengths = self.lengths + front_S
        offsets = _offsets(lengths)
        series = np.repeat(np.arange(len(lengths)), lengths)
        position = np.arange(offsets[-1]) - offsets[series] - front_S[series]
        inside = position >= 0
        rows = np.where(inside, self.rows[np.where(inside, self.offsets[series] + position, 0)], -1)
        time = None
        if self.time is not None and self.frequency is not None:
            first = self.time.view(np.int64)[self.offsets[:-1]][series]
            time = self.frequency.times(first, position).view("datetime64[ns]")
        first_step_S = self.first_steps - front_S
        return replace(self, offsets=offsets, rows=rows, time=time, first_step_S=first_step_S)

    def select(self, index_S: Int64) -> "TimeGrid":
        """Return the grid of some series."""
        lengths = self.lengths[index_S]
        offsets = _offsets(lengths)
        flat = np.arange(offsets[-1]) + np.repeat(self.offsets[index_S] - offsets[:-1], lengths)
        return replace(
            self,
            names=[self.names[index] for index in index_S],
            offsets=offsets,
            rows=self.rows[flat],
            time=None if self.time is None else self.time[flat],
            first_step_S=self.first_steps[index_S],
        )


def align_table(
    table: pd.DataFrame,
    time_column: str | list[str] | None,
    id_column: str | None,
    frequency: Frequency | None = None,
    on_duplicates: str = "error",
    sort: bool = False,
    timezone: str | None = None,
    given: Zone | None = None,
) -> tuple[pd.DataFrame, TimeGrid]:
    """Place the rows of a table on the time grid of their series.

    Args:
        table: table from ``read_table``.
        time_column: column(s) of the time, or None for evenly spaced rows in the given order.
        id_column: column with the name of each row's series; None for one series.
        frequency: distance between steps; None infers it from the times.
        on_duplicates: for rows of one series and one time: ``error``, or keep ``first``, ``mean``
            or ``last``.
        sort: sort rows by time instead of refusing unsorted ones.
        timezone: zone of times without one, and of local times.
        given: zone of the training data.

    Returns:
        The table (changed only by ``on_duplicates="mean"``) and its grid.

    Raises:
        UserError: times are unsorted, repeated, of mixed frequency, or not on the steps of
            ``frequency``.
    """
    sorted_rows = sort_rows(table, time_column, id_column, on_duplicates, sort, timezone, given)
    if sorted_rows.times_ns is None:
        lengths = np.bincount(sorted_rows.codes, minlength=len(sorted_rows.names))
        return sorted_rows.table, TimeGrid(sorted_rows.names, _offsets(lengths), sorted_rows.rows)
    return sorted_rows.table, _regular(sorted_rows, sorted_rows.times_ns, frequency)


def _offsets(lengths: Int64) -> Int64:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def _regular(sorted_rows: SortedRows, times_ns: Int64, frequency: Frequency | None) -> TimeGrid:
    """Place sorted rows on the steps of ``frequency``; None infers it."""
    same_series = sorted_rows.same_series
    inferred = frequency is None
    if frequency is None:
        frequency = _infer(sorted_rows, times_ns)
    starts = np.flatnonzero(np.concatenate(([True], ~same_series)))
    counts = np.diff(np.append(starts, len(times_ns)))
    position, exact = frequency.ordinals(times_ns, np.repeat(times_ns[starts], counts))
    jumps = np.where(same_series, np.diff(position), 0)
    _check_on_steps(sorted_rows, times_ns, exact, same_series & (jumps < 1), frequency)
    if inferred:
        _check_change(sorted_rows, jumps, frequency)
    elif same_series.any() and int(jumps[same_series].min()) > 1:
        raise UserError(
            f"{table_name(sorted_rows.table)}: rows lie at least {int(jumps[same_series].min())} "
            f"steps of frequency {frequency.alias!r} apart; rows one step apart are needed"
        )
    offsets = _offsets(position[starts + counts - 1] + 1)
    num_steps = int(offsets[-1])
    _check_sparse(sorted_rows, jumps, num_steps)
    rows = np.full(num_steps, -1, dtype=np.int64)
    rows[np.repeat(offsets[:-1], counts) + position] = sorted_rows.rows
    lengths = np.diff(offsets)
    steps = np.arange(num_steps) - np.repeat(offsets[:-1], lengths)
    time = frequency.times(np.repeat(times_ns[starts], lengths), steps).view("datetime64[ns]")
    gaps = np.flatnonzero(jumps > 1)
    first_gap = ""
    if len(gaps):
        name = sorted_rows.names[sorted_rows.codes[gaps[0]]]
        first_gap = f"{name!r} after {sorted_rows.format_time(gaps[0])}"
    return TimeGrid(
        sorted_rows.names,
        offsets,
        rows,
        time,
        frequency,
        num_gaps=len(gaps),
        num_missing_steps=num_steps - len(times_ns),
        first_gap=first_gap,
        zone=sorted_rows.zone,
    )


def _infer(sorted_rows: SortedRows, times_ns: Int64) -> Frequency:
    same_series = sorted_rows.same_series
    steps_ns = np.diff(times_ns)
    if not same_series.any():
        raise UserError(
            f"{table_name(sorted_rows.table)}: no series has two rows, so the frequency is "
            "unknown; set data.frequency"
        )
    frequency = infer_frequency(times_ns, steps_ns[same_series])
    if frequency is not None:
        return frequency
    levels, counts = np.unique(steps_ns[same_series], return_counts=True)
    usual = int(levels[counts.argmax()])
    at = int((same_series & (steps_ns != usual)).argmax())
    raise UserError(
        f"{sorted_rows.describe_row(at + 1)} comes {pd.Timedelta(int(steps_ns[at]))} after the row "
        f"before it: the frequency is mixed (the most frequent distance, {pd.Timedelta(usual)}, is "
        f"that of {counts.max()} of {counts.sum()} rows)\n"
        "resample the file to regular steps, or set data.frequency"
    )


def _check_on_steps(
    sorted_rows: SortedRows,
    times_ns: Int64,
    exact: NDArray[np.bool_],
    collide: NDArray[np.bool_],
    frequency: Frequency,
) -> None:
    """Raise UserError for times between two steps, and for two times on one step."""
    off = ~exact
    off[1:] |= collide
    if off.any():
        at = int(off.argmax())
        raise UserError(
            f"{sorted_rows.describe_row(at)} after {sorted_rows.format_time(max(at - 1, 0))} is "
            f"not on the steps of frequency {frequency.alias!r}: the frequency is mixed "
            f"({int(off.sum())} such rows)\n"
            "resample the file to regular steps, or set data.frequency to the finest step"
        )


def _check_change(sorted_rows: SortedRows, jumps: Int64, frequency: Frequency) -> None:
    at = find_frequency_change(jumps)
    if at is not None:
        raise UserError(
            f"{sorted_rows.describe_row(at)}: from here on, many rows lie {int(jumps[at])} steps "
            f"of the usual {frequency.alias!r} apart: the frequency is mixed\n"
            f"resample the file, or set data.frequency={frequency.alias} to read them as gaps"
        )


def _check_sparse(sorted_rows: SortedRows, jumps: Int64, num_steps: int) -> None:
    """Raise UserError if nearly all steps are gaps: one wrong time would fill the memory."""
    num_rows = len(sorted_rows.rows)
    if num_steps > MAX_STEPS_PER_ROW * num_rows + MAX_SPARE_STEPS:
        at = int(jumps.argmax())
        raise UserError(
            f"{sorted_rows.describe_row(at + 1)} comes {int(jumps[at])} steps after the row before "
            f"it, so {num_rows} rows would fill {num_steps} steps; check this time"
        )
