"""The last window of every series of a table, to forecast what follows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from gru_suite.errors import UserError

from ..reading.frequency import Int64
from ..reading.layouts import read_layout
from ..reading.tables import table_name
from ..reading.time_grid import TimeGrid
from .covariates import check_future_covariates, first_row_of_series
from .forecast_batch import ForecastBatch, InferenceWindow
from .scaling import scale_arrays
from .series import align_by_schema, check_schema_columns, encode_on_grid, target_values
from .windows import WindowSet, observed_ends

Table = pd.DataFrame | str | Path
"""A table, or the path of a CSV or Parquet file."""


class InferenceWindows(NamedTuple):
    """The last windows of the series of a table.

    Attributes:
        batch: one window for each series, its truth all NaN.
        names: name and times of each window.
        windows: the same as a set, over the rows that their intervals may depend on.
        left_out: reason of each series that is too short, by its name.
    """

    batch: ForecastBatch
    names: list[InferenceWindow]
    windows: WindowSet
    left_out: dict[str, str]


def inference_tables(
    raw: Table | Sequence[Table], schema: dict[str, Any], memory: int = 0
) -> list[InferenceWindows]:
    """Return the windows of one table or several; see :func:`inference_windows`.

    Raises:
        UserError: something other than tables and paths was given, or a table cannot be used.
    """
    tables: Sequence[Any] = raw if isinstance(raw, list | tuple) else [raw]
    for table in tables:
        if not isinstance(table, Table):
            raise UserError(
                f"input of type {type(table).__name__}: needs a pandas DataFrame with the columns "
                f"of the training data ({', '.join(schema['targets'][:3])}, ...), the path of a "
                "CSV or Parquet file, or a list of these"
            )
    if not tables:
        raise UserError("an empty list: at least one table is needed")
    return [inference_windows(table, schema, memory) for table in tables]


def inference_windows(source: Table, schema: dict[str, Any], memory: int = 0) -> InferenceWindows:
    """Return the window of each series whose horizon follows its last observed target.

    Later rows give future covariates. A series that the schema does not know is scaled by its own
    values. One shorter than the lookback is padded with missing values, down to the schema's
    ``min_lookback``; a shorter one is left out.

    Args:
        source: table or path, in the layout of the training data.
        schema: from training.
        memory: steps before the lookback that the set of windows holds too.

    Returns:
        The windows, in the order of the table.

    Raises:
        UserError: a column is missing, every series is too short, or future covariates are needed
            and not there.
    """
    table = read_layout(source, schema["layout"])
    check_schema_columns(table, schema)
    table, grid = align_by_schema(table, schema)
    lookback, horizon = schema["lookback"], schema["horizon"]
    targets = target_values(table, schema)
    target = targets[grid.rows]
    ends_S = observed_ends(grid, target)
    left_out = _young(table, grid, ends_S, schema)
    if left_out:
        kept_S = np.flatnonzero([name not in left_out for name in grid.names])
        grid, ends_S = grid.select(kept_S), ends_S[kept_S]
        target = targets[grid.rows]
    recent = grid.cut(ends_S - lookback, lookback + horizon)
    check_future_covariates(table, recent, schema["future_covariates"], schema, horizon)
    cut = grid.cut(ends_S - lookback - memory, memory + lookback + horizon)
    statistics = scale_arrays(schema, grid, target, ends_S)
    series = encode_on_grid(
        table, cut, schema, targets[cut.rows], statistics, first_row_of_series(grid)
    )
    every = np.arange(len(series))
    origins = np.full(len(series), memory + lookback)
    windows = WindowSet(series, every, origins, lookback, horizon)
    if recent.time is not None:
        times = recent.time.reshape(len(series), -1)
    else:
        times = (ends_S - lookback)[:, None] + np.arange(lookback + horizon)
    names = [
        InferenceWindow(name, time[:lookback], time[lookback:], grid.zone)
        for name, time in zip(series.names, times, strict=True)
    ]
    batch = windows.batch(every)._replace(origin_B=torch.from_numpy(ends_S))
    return InferenceWindows(batch, names, windows, left_out)


def _young(
    table: pd.DataFrame, grid: TimeGrid, ends_S: Int64, schema: dict[str, Any]
) -> dict[str, str]:
    """Return the reason of each series that is too short to be forecast.

    Raises:
        UserError: all are.
    """
    need = schema.get("min_lookback", schema["lookback"])
    targets = " or ".join(schema["targets"][:3])
    reasons = {
        name: f"{int(end)} steps up to its last observed {targets}, needs {need}"
        for name, end in zip(grid.names, ends_S, strict=True)
        if end < need
    }
    if len(reasons) == len(grid.names):
        name, reason = next(iter(reasons.items()))
        more = f" ({len(reasons)} such series)" if len(reasons) > 1 else ""
        raise UserError(f"{table_name(table)}: series {name!r} has {reason}{more}")
    return reasons
