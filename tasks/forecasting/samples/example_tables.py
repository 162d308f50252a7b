"""From windows of a data set back to the tables that a person would give for them."""

from typing import Any

import numpy as np
import pandas as pd

from ..batches.windows import WindowSet
from ..reading.time_grid import TimeGrid


def example_tables(
    table: pd.DataFrame, grid: TimeGrid, schema: dict[str, Any], windows: WindowSet, count: int
) -> list[pd.DataFrame]:
    """Return tables that forecasts of some windows can be made from.

    Args:
        table: the data, on the grid.
        grid: its steps.
        schema: of the data.
        windows: some of them are chosen, spread over all whose last past value was observed.
        count: tables at most.

    Returns:
        One table a window: the series up to it, of different lengths, each at least a lookback
        where the data has no gap; rows of the horizon, without targets, where covariates are known
        in advance.
    """
    flat_W = grid.offsets[windows.series_W.numpy()] + windows.origins_W.numpy()
    observed_W = ~np.isnan(windows.series.target[flat_W - 1]).all(axis=1)
    numbers = np.flatnonzero(observed_W)
    if not len(numbers):
        return []
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(int)
    ahead = windows.horizon if schema["future_covariates"] else 0
    tables = []
    for more, number in enumerate(numbers[places]):
        flat, origin = int(flat_W[number]), int(windows.origins_W[number])
        steps = min(origin, windows.lookback + more * (windows.lookback // 2))
        past, future = grid.rows[flat - steps : flat], grid.rows[flat : flat + ahead]
        known, later = table.iloc[past[past >= 0]], table.iloc[future[future >= 0]]
        if len(later):
            known = pd.concat([known, later.assign(**dict.fromkeys(schema["targets"], np.nan))])
        tables.append(known.reset_index(drop=True))
    return tables
