"""Series of Parquet files as memory-mapped columns, from the cache or converted.

Shapes: S series, N flat steps of all series.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.data.cache import build_once, cache_folder, content_key
from gru_suite.errors import UserError
from gru_suite.files import atomic_path

from ..frequency import Frequency, parse_frequency
from ..sorting import SINGLE_SERIES
from ..time_grid import TimeGrid
from ..zone import Zone
from .conversion import SeriesIndex, column_path, value_columns, write_columns
from .grid_times import GridTimes
from .mapped_columns import map_column, release
from .parquet_files import read_blocks

# To be increased when the same files are converted to other columns.
_FORMAT = 1
# Steps of the series that are in memory at once.
BLOCK_STEPS = 1 << 18


@dataclass(frozen=True)
class StoredColumns:
    """Columns of all series on their time grid.

    Attributes:
        grid: of the series; its rows are empty.
        values: float32 column of each target and covariate by name, NaN where missing, (N,).
        present_N: whether a step has a row.
        static: static covariates, a row each series.
    """

    grid: TimeGrid
    values: dict[str, NDArray[np.float32]]
    present_N: NDArray[np.uint8]
    static: pd.DataFrame

    def blocks(self) -> Iterator[tuple[slice, TimeGrid]]:
        """Yield blocks of neighbouring series and the grid of each, of about equal sizes."""
        grid, first = self.grid, 0
        while first < len(grid.names):
            limit = grid.offsets[first] + BLOCK_STEPS
            last = max(int(np.searchsorted(grid.offsets, limit, side="right")) - 1, first + 1)
            offsets = grid.offsets[first : last + 1] - grid.offsets[first]
            rows = np.zeros(int(offsets[-1]), np.int64)
            yield slice(first, last), TimeGrid(grid.names[first:last], offsets, rows)
            first = last

    def read(self, names: Sequence[str], series: slice) -> NDArray[np.float64]:
        """Return columns of neighbouring series, shape (steps, columns)."""
        start, end = self.grid.offsets[series.start], self.grid.offsets[series.stop]
        found = np.empty((end - start, len(names)))
        for index, name in enumerate(names):
            found[:, index] = self.values[name][start:end]
            release(self.values[name])
        return found

    def present(self, series: slice) -> NDArray[np.bool_]:
        """Return whether the steps of neighbouring series have rows."""
        start, end = self.grid.offsets[series.start], self.grid.offsets[series.stop]
        found: NDArray[np.bool_] = np.asarray(self.present_N[start:end]) != 0
        release(self.present_N)
        return found

    def table(self, columns: Mapping[str, Any], series: int, start: int, end: int) -> pd.DataFrame:
        """Return the rows of some steps of one series, as a table of the user's columns."""
        first = int(self.grid.offsets[series])
        steps = slice(first + start, first + end)
        content: dict[str, Any] = {}
        if columns["id_column"]:
            content[columns["id_column"]] = self.grid.names[series]
        time = columns["time_column"]
        if time is not None and self.grid.time is not None:
            times, zone = self.grid.time[steps], self.grid.zone
            index = pd.DatetimeIndex(times)
            if zone is not None:
                index = pd.DatetimeIndex(zone.local(times)) if zone.clock else zone.aware(times)
            if isinstance(time, str):
                content[time] = index
            else:
                content |= {time[0]: index.normalize(), time[1]: index.hour + index.minute / 60}
        content |= {name: np.asarray(column[steps]) for name, column in self.values.items()}
        content |= {name: self.static[name].iloc[series] for name in self.static.columns}
        table = pd.DataFrame(content, index=range(end - start))
        found: pd.DataFrame = table[np.asarray(self.present_N[steps]) != 0].reset_index(drop=True)
        return found


def open_columns(
    files: Sequence[Path],
    columns: Mapping[str, Any],
    frequency: Frequency | None,
    timezone: str | None,
    max_bad_fraction: float,
    given: Zone | None = None,
) -> StoredColumns:
    """Convert Parquet files, or open their columns in the cache.

    Args:
        files: of one long table.
        columns: roles from ``resolve_columns``.
        frequency: distance between steps; None infers it.
        timezone: zone of clock times.
        max_bad_fraction: largest share of rows without a time in a block, which are left out.
        given: zone of the training data.

    Raises:
        UserError: rows cannot be placed on a time grid, or the cache cannot be written.
    """
    roles = {name: columns[name] for name in sorted(columns) if name in _ROLES}
    alias = frequency.alias if frequency else None
    settings = json.dumps([_FORMAT, roles, alias, timezone, max_bad_fraction, given])
    folder = cache_folder("tables") / f"series-{content_key(files, settings)}"

    def build() -> StoredColumns:
        print(f"converting {len(files):,} Parquet files into {folder}", flush=True)
        index = SeriesIndex(roles, timezone, max_bad_fraction, given)
        wanted = [*index.read_columns, *columns["static_covariates"]]
        # Rows of one series without times are counted by any column.
        for block in read_blocks(files, wanted or value_columns(columns), columns["id_column"]):
            index.add(block)
        timed = columns["time_column"] is not None
        step = (frequency or index.frequency()) if timed else None
        try:
            facts = write_columns(files, folder, index, step)
            np.savez(folder / "spans.npz", first=index.first_S, last=index.last_S)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise UserError(
                f"cannot write the cache {folder}: {error.strerror or error}"
            ) from error
        facts |= {"names": list(index.numbers), "static": index.static, "zone": index.zone}
        facts["frequency"] = step.alias if step else None
        # Written last: with it all is complete.
        with atomic_path(folder / "index.json") as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
        built = _open(folder, columns)
        assert built is not None
        return built

    return build_once(folder, lambda: _open(folder, columns), build)


_ROLES = (
    *("time_column", "id_column", "targets"),
    *("past_covariates", "future_covariates", "static_covariates"),
)


def _open(folder: Path, columns: Mapping[str, Any]) -> StoredColumns | None:
    try:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    with np.load(folder / "spans.npz") as spans:
        first_S, last_S = spans["first"], spans["last"]
    zone = None if facts["zone"] is None else Zone(*facts["zone"])
    frequency = None if facts["frequency"] is None else parse_frequency(facts["frequency"])
    lengths = (last_S if frequency is None else frequency.ordinals(last_S, first_S)[0]) + 1
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    time: Any = None if frequency is None else GridTimes(first_S, offsets, frequency)
    grid = TimeGrid(
        facts["names"] if columns["id_column"] else [SINGLE_SERIES],
        offsets,
        np.zeros(0, np.int64),
        time,
        frequency,
        facts["num_gaps"],
        facts["num_missing_steps"],
        "the Parquet files",
        zone=zone,
    )
    size = int(offsets[-1])
    values = {
        name: map_column(column_path(folder, number), size, "<f4")
        for number, name in enumerate(value_columns(columns))
    }
    static = pd.DataFrame(facts["static"], dtype=object, index=range(len(lengths)))
    present_N = map_column(folder / "present.bin", size, "u1")
    return StoredColumns(grid, values, present_N, static)
