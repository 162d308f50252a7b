"""The lines that say what a forecasting data module has read.

Shapes: S series.
"""

from collections.abc import Mapping, Sequence, Sized
from typing import Any

from ..batches.loaders import EpochShuffle
from ..reading.frequency import Int64
from ..reading.time_grid import TimeGrid


def describe_series(name: str, grid: TimeGrid, schema: Mapping[str, Any]) -> str:
    """Return the number, lengths, targets, frequency and season of the series."""
    # Without the padding of young series.
    lengths = grid.lengths + grid.first_steps
    steps = "-".join(dict.fromkeys(str(n) for n in (lengths.min(), lengths.max())))
    times = f"frequency {schema['frequency']}" if schema["frequency"] else "no times"
    if grid.zone is not None:
        times += f" in {grid.zone.name}"
    return (
        f"{name}: {len(grid.names)} series of {steps} steps,"
        f" {schema['num_targets']} target(s), {times}, season {schema['season_length']}"
    )


def describe_windows(
    windows: Mapping[str, Sized], lookback: int, horizon: int, stride: int
) -> list[str]:
    """Return the number of windows of each part, and of a training epoch."""
    count = ", ".join(f"{part} {len(each)}" for part, each in windows.items())
    lines = [f"windows of {lookback} + {horizon} steps: {count}"]
    if stride > 1:
        size = len(EpochShuffle(windows["train"], stride, 0))
        lines.append(f"windows in a training epoch: {size}, one in {stride}, others each time")
    return lines


def describe_details(
    grid: TimeGrid, schema: Mapping[str, Any], dropped: Mapping[str, int]
) -> list[str]:
    """Return lines on calendar, bounds, gaps, and windows that were left out.

    Args:
        grid: the time grid.
        schema: of the data.
        dropped: windows of each part without an observed past or future.
    """
    lines = []
    if schema["calendar"]:
        lines.append(f"calendar: {', '.join(schema['calendar'])}")
    bounds = zip(schema["targets"], schema.get("lower_bounds") or [], strict=False)
    bounded = [name for name, bound in bounds if bound is not None]
    if bounded:
        whole = ", in whole numbers" if schema.get("integers") else ""
        names = _first_of(bounded)
        lines.append(f"forecasts never below 0{whole}: {names} (else data.non_negative=false)")
    if grid.num_gaps:
        lines.append(
            f"gaps: {grid.num_missing_steps} steps without a row in {grid.num_gaps} places,"
            f" the first in {grid.first_gap}; left missing"
        )
    if any(dropped.values()):
        parts = ", ".join(f"{part} {count}" for part, count in dropped.items() if count)
        lines.append(f"windows without an observed past or future, left out: {parts}")
    return lines


def describe_young(
    names: Sequence[str], ends_S: Int64, padded_S: Int64, horizon: int, min_lookback: int
) -> list[str]:
    """Return lines on the series that are padded, and on those too short for any window.

    Args:
        names: of the series.
        ends_S: end of each.
        padded_S: missing steps that are added before each.
        horizon: future steps of a window.
        min_lookback: past steps that a forecast needs at least.
    """
    need = min_lookback + horizon
    short = [name for name, end in zip(names, ends_S, strict=True) if end < need]
    young = [name for name, steps in zip(names, padded_S, strict=True) if steps > 0]
    lines = []
    if young:
        lines.append(f"young series, padded with missing values: {len(young)} ({_first_of(young)})")
    if short:
        lines.append(
            f"series shorter than {need} steps, in no window: {len(short)} ({_first_of(short)})"
        )
    return lines


def _first_of(names: Sequence[str], count: int = 5) -> str:
    more = f", and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
