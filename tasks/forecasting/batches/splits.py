"""Splits of series in time into training, validation and test part.

Every window's horizon lies within one part. The lookback of a validation or test window may begin
in the part before, whose values are known when such a forecast is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.errors import UserError, nearest

from ..reading.frequency import DAY_NS, Int64
from ..reading.time_grid import TimeGrid

PRESETS = ("informer", "last")
INFORMER_DAYS = (360, 480, 600)  # 12, 4 and 4 months of 30 days, as in the published ETT tables


@dataclass(frozen=True)
class SplitBorders:
    """Ends of the training, validation and test part of each series."""

    train_ends_S: Int64
    val_ends_S: Int64
    test_ends_S: Int64

    def shifted(self, steps_S: Int64) -> "SplitBorders":
        """Return the borders after steps were added before each series."""
        return SplitBorders(
            self.train_ends_S + steps_S, self.val_ends_S + steps_S, self.test_ends_S + steps_S
        )

    def part(self, name: str) -> tuple[Int64, Int64]:
        """Return first steps and ends of the part called train, val or test."""
        zeros = np.zeros_like(self.train_ends_S)
        return {
            "train": (zeros, self.train_ends_S),
            "val": (self.train_ends_S, self.val_ends_S),
            "test": (self.val_ends_S, self.test_ends_S),
        }[name]


def split_series(
    grid: TimeGrid, split: str | Sequence[Any], horizon: int, observed_ends_S: Int64
) -> SplitBorders:
    """Split each series in time.

    Args:
        grid: steps of the series.
        split: three fractions of the time; two dates (start of validation and of test);
            ``informer`` (12, 4 and 4 months of 30 days); or ``last`` (test is the last horizon of
            each series, validation the one before).
        horizon: steps to forecast.
        observed_ends_S: step after the last observed target of each series.

    Raises:
        UserError: the split is unknown, or impossible with these series.
    """
    if isinstance(split, str):
        if split == "last":
            return _last(horizon, observed_ends_S)
        if split == "informer":
            return _informer(grid)
        raise UserError(f"data.split={split!r} is unknown{nearest(split, PRESETS)}")
    values = list(split)
    if len(values) == 3 and all(isinstance(value, int | float) for value in values):
        return _fractions(grid, [float(value) for value in values])
    if len(values) == 2:
        return _dates(grid, values)
    raise UserError(
        f"data.split={values}: give three fractions such as [0.7,0.1,0.2], two dates (start of"
        f" validation, start of test), or one of {', '.join(PRESETS)}"
    )


def _last(horizon: int, observed_ends_S: Int64) -> SplitBorders:
    before = np.maximum(observed_ends_S - horizon, 0)
    return SplitBorders(np.maximum(before - horizon, 0), before, observed_ends_S)


def _informer(grid: TimeGrid) -> SplitBorders:
    frequency = grid.frequency
    if frequency is None or frequency.unit != "ns" or DAY_NS % frequency.count:
        found = "no time column" if frequency is None else f"frequency {frequency.alias!r}"
        raise UserError(f"data.split='informer' needs hourly or finer regular times; found {found}")
    ends = np.array(INFORMER_DAYS) * (DAY_NS // frequency.count)
    if int(grid.lengths.min()) < ends[2]:
        raise UserError(
            f"data.split='informer' needs {ends[2]} steps (20 months of 30 days); found"
            f" {int(grid.lengths.min())}\n"
            "use fractions, such as data.split=[0.7,0.1,0.2]"
        )
    ones = np.ones(len(grid.names), dtype=np.int64)
    return SplitBorders(ends[0] * ones, ends[1] * ones, ends[2] * ones)


def _fractions(grid: TimeGrid, fractions: list[float]) -> SplitBorders:
    if min(fractions) < 0 or not abs(sum(fractions) - 1) < 1e-6:
        raise UserError(
            f"data.split={fractions}: three fractions of at least 0 that add up to 1 are needed"
        )
    if grid.time is None or grid.frequency is None or len(grid.names) == 1:
        train, val = _fraction_steps(grid.lengths, fractions)
        return SplitBorders(train, val, grid.lengths)
    # The same time for all series: none may train on days on which another is tested.
    first, last = np.array([grid.time.min(), grid.time.max()]).view(np.int64)[:, None]
    number, _ = grid.frequency.ordinals(last, first)
    train, val = _fraction_steps(number + 1, fractions)
    borders = grid.frequency.times(np.repeat(first, 2), np.concatenate((train, val)))
    return _at_times(grid, borders.view("datetime64[ns]"))


def _fraction_steps(lengths: Int64, fractions: list[float]) -> tuple[Int64, Int64]:
    """Round training and test down, as published benchmarks do; validation is the rest."""
    train = np.floor(lengths * fractions[0] + 1e-9).astype(np.int64)
    return train, lengths - np.floor(lengths * fractions[2] + 1e-9).astype(np.int64)


def _dates(grid: TimeGrid, values: list[Any]) -> SplitBorders:
    if grid.time is None:
        raise UserError(
            f"data.split={values}: dates need a time column; set data.time_column or use fractions"
        )
    try:
        dates = pd.DatetimeIndex([pd.Timestamp(str(value)) for value in values]).as_unit("ns")
        borders = dates.to_numpy() if grid.zone is None else grid.zone.from_local(dates)
    except ValueError:
        raise UserError(
            f"data.split={values}: not two dates such as [2013-09-01,2013-11-01]"
        ) from None
    first, last = grid.time.min(), grid.time.max()
    if not first < borders[0] <= borders[1] <= last:
        raise UserError(
            f"data.split={values}: two dates in order are needed, within the data's"
            f" {pd.Timestamp(first)} to {pd.Timestamp(last)}"
        )
    return _at_times(grid, borders)


def _at_times(grid: TimeGrid, borders: NDArray[np.datetime64]) -> SplitBorders:
    assert grid.time is not None
    bounds = zip(grid.offsets[:-1], grid.offsets[1:], strict=True)
    cuts = np.array(
        [np.searchsorted(grid.time[start:end], borders) for start, end in bounds], dtype=np.int64
    )
    return SplitBorders(cuts[:, 0], cuts[:, 1], grid.lengths)


def padding(
    train_ends_S: Int64, ends_S: Int64, lookback: int, horizon: int, min_lookback: int
) -> Int64:
    """Return the missing steps to add before series too young for a whole window, shape (S,).

    Args:
        train_ends_S: end of the training part of each series.
        ends_S: end of each series; one that is too short for any window is left as it is.
        lookback: past steps of a window.
        horizon: future steps.
        min_lookback: past steps that a forecast needs at least.
    """
    young_S = (train_ends_S < lookback + horizon) & (ends_S >= min_lookback + horizon)
    found: Int64 = np.where(young_S, lookback - min_lookback, 0)
    return found


def no_windows(
    label: str, part: str, steps: int, total: int, dropped: int, min_lookback: int, horizon: int
) -> UserError:
    """Return the error for a part without a window.

    Args:
        label: name of the table.
        part: train, val or test.
        steps: of the longest series that are in the part.
        total: steps of the longest series.
        dropped: windows without an observed past or future.
        min_lookback: past steps that a forecast needs at least.
        horizon: future steps.
    """
    if dropped:
        return UserError(
            f"{label}: none of the {dropped} {part} windows has an observed target both in its"
            f" past and its {horizon} future steps"
        )
    need, reason = horizon, "the horizon"
    if part == "train":
        need, reason = min_lookback + horizon, f"{min_lookback} and the horizon of {horizon}"
    return UserError(
        f"{label}: too few rows: the {part} part has {steps} of the {total} steps of the longest"
        f" series, needs {need} ({reason})\n"
        "shorten data.lookback or data.horizon, or change data.split"
    )
