"""The last window of every series of a table, to forecast what follows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def inference_batch(
    raw: Table | Sequence[Table], schema: dict[str, Any]
) -> tuple[ForecastBatch, list[InferenceWindow]]:
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
    batches, names = zip(*(inference_windows(table, schema) for table in tables), strict=True)
    together = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return ForecastBatch(*together), [window for some in names for window in some]


def inference_windows(
    source: Table, schema: dict[str, Any]
) -> tuple[ForecastBatch, list[InferenceWindow]]:
    """Return the window of each series whose horizon follows its last observed target.

    Later rows give future covariates. A series that the schema does not know is scaled by its own
    values.

    Args:
        source: table or path, in the layout of the training data.
        schema: from training.

    Returns:
        One window for each series, in the order of the table, its truth all NaN; and their names
        and times.

    Raises:
        UserError: a column is missing, a series is shorter than the lookback, or future covariates
            are needed and not there.
    """
    table = read_layout(source, schema["layout"])
    check_schema_columns(table, schema)
    table, grid = align_by_schema(table, schema)
    lookback, horizon = schema["lookback"], schema["horizon"]
    targets = target_values(table, schema)
    target = targets[grid.rows]
    ends_S = observed_ends(grid, target)
    _check_lookback(table, grid, ends_S, schema)
    cut = grid.cut(ends_S - lookback, lookback + horizon)
    check_future_covariates(table, cut, schema["future_covariates"], schema, horizon)
    statistics = scale_arrays(schema, grid, target, ends_S)
    series = encode_on_grid(
        table, cut, schema, targets[cut.rows], statistics, first_row_of_series(grid)
    )
    every = np.arange(len(series))
    windows = WindowSet(series, every, np.full(len(series), lookback), lookback, horizon)
    if cut.time is not None:
        times = cut.time.reshape(len(series), -1)
    else:
        times = (ends_S - lookback)[:, None] + np.arange(lookback + horizon)
    names = [
        InferenceWindow(name, time[:lookback], time[lookback:])
        for name, time in zip(series.names, times, strict=True)
    ]
    return windows.batch(every)._replace(origin_B=torch.from_numpy(ends_S)), names


def _check_lookback(
    table: pd.DataFrame, grid: TimeGrid, ends_S: Int64, schema: dict[str, Any]
) -> None:
    short = ends_S < schema["lookback"]
    if short.any():
        worst = int(short.argmax())
        more = f" ({int(short.sum())} such series)" if short.sum() > 1 else ""
        raise UserError(
            f"{table_name(table)}: series {grid.names[worst]!r} has {int(ends_S[worst])} steps up "
            f"to its last observed {' or '.join(schema['targets'][:3])}, needs "
            f"{schema['lookback']} (the lookback){more}"
        )
