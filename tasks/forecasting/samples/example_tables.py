"""Example tables of a data set, as ``predict`` takes them."""

from typing import Any

import numpy as np
import pandas as pd

from ..batches.windows import WindowSet
from ..reading.stored.columns import StoredColumns
from ..reading.time_grid import TimeGrid


def example_tables(
    table: pd.DataFrame, grid: TimeGrid, schema: dict[str, Any], windows: WindowSet, count: int
) -> list[pd.DataFrame]:
    """Return the tables of some windows, to forecast from.

    Args:
        table: the data, on the grid.
        grid: its steps.
        schema: of the data.
        windows: evenly spaced ones are chosen, of those whose last past value is observed.
        count: most tables.

    Returns:
        One table for each window: its series up to the horizon, of different lengths, each at least
        a lookback where the data have no gap; with rows of the horizon, without targets, where
        there are future covariates.
    """
    flat_W = grid.offsets[windows.series_W.numpy()] + windows.origins_W.numpy()
    observed_W = ~np.isnan(windows.series.target[flat_W - 1]).all(axis=1)
    numbers = np.flatnonzero(observed_W)
    if not len(numbers):
        return []
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(int)
    ahead = windows.horizon if schema["future_covariates"] else 0
    tables = []
    for index, number in enumerate(numbers[places]):
        flat, origin = int(flat_W[number]), int(windows.origins_W[number])
        steps = min(origin, windows.lookback + index * (windows.lookback // 2))
        past, future = grid.rows[flat - steps : flat], grid.rows[flat : flat + ahead]
        known, later = table.iloc[past[past >= 0]], table.iloc[future[future >= 0]]
        if len(later):
            known = pd.concat([known, later.assign(**dict.fromkeys(schema["targets"], np.nan))])
        tables.append(known.reset_index(drop=True))
    return tables


def stored_examples(
    columns: StoredColumns, schema: dict[str, Any], windows: WindowSet, count: int
) -> list[pd.DataFrame]:
    """Return the tables of evenly spaced windows of stored series; see :func:`example_tables`."""
    ahead = windows.horizon if schema["future_covariates"] else 0
    places = np.linspace(0, len(windows) - 1, min(count, len(windows))).astype(int)
    chosen, tables = windows.select(np.unique(places)), []
    for series, origin in zip(chosen.series_W.tolist(), chosen.origins_W.tolist(), strict=True):
        table = columns.table(schema, series, origin - windows.lookback, origin + ahead)
        table.loc[windows.lookback :, schema["targets"]] = np.nan
        tables.append(table)
    return tables
