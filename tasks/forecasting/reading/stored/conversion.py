"""Conversion of Parquet files to memory-mapped columns on the time grid of their series.

Two passes in blocks of rows: the first finds the series and their spans, the second writes each
value to its step. Memory grows with the number of series, not with that of rows.

Shapes: S series, N flat steps of all series, R rows of a block.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gru_suite.errors import UserError

from ..frequency import Frequency, Int64, infer_frequency
from ..sorting import SINGLE_SERIES
from ..tables import category_column, check_columns, describe_row, numeric_column, table_name
from ..time_grid import MAX_SPARE_STEPS, MAX_STEPS_PER_ROW
from ..timestamps import drop_bad_times, time_column_values
from ..zone import Zone
from .mapped_columns import create_column, release
from .parquet_files import read_blocks

# Rows of the first series that the frequency is inferred from.
_FREQUENCY_ROWS = 200_000


class SeriesIndex:
    """Series of the files: their names, spans of time, and static covariates.

    Attributes:
        numbers: number of each series by its name.
        first_S: first time in ns, or 0 without times.
        last_S: last time in ns, or the last step without times.
        static: values of each static covariate by series.
        zone: of the times.
        num_rows: rows of all files.
    """

    def __init__(
        self, columns: Mapping[str, Any], timezone: str | None, max_bad: float, given: Zone | None
    ) -> None:
        """Set the roles of the columns and how times are read."""
        self.columns, self._timezone, self._max_bad = columns, timezone, max_bad
        self.numbers: dict[str, int] = {}
        self.first_S, self.last_S = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.static: dict[str, list[str | None]] = {n: [] for n in columns["static_covariates"]}
        self.zone: Zone | None = given
        self.num_rows, self._given = 0, given
        self._sample: list[tuple[Int64, Int64]] = []

    @property
    def read_columns(self) -> list[str]:
        """Columns of names and times."""
        times = self.columns["time_column"] or []
        ids = [self.columns["id_column"]] if self.columns["id_column"] else []
        return [*ids, *([times] if isinstance(times, str) else times)]

    def locate(self, block: pd.DataFrame) -> tuple[pd.DataFrame, Int64, Int64 | None]:
        """Return the rows that have a time, the number of each one's series, and times in ns."""
        time_column = self.columns["time_column"]
        block = drop_bad_times(block, time_column, self._max_bad)
        series_R = self._series(block)
        if time_column is None:
            return block, series_R, None
        times_R, zone = time_column_values(
            block, time_column, series_R, self._timezone, self._given or self.zone
        )
        if zone != self.zone and self.num_rows:
            raise UserError(
                f"{table_name(block)}: its times are not of the zone of the rows before"
            )
        self.zone = zone
        return block, series_R, times_R.view(np.int64)

    def add(self, block: pd.DataFrame) -> None:
        """Add the rows of a block."""
        block, series_R, times_R = self.locate(block)
        known, count = len(self.first_S), len(self.numbers)
        largest = np.iinfo(np.int64).max
        if times_R is None:
            self.first_S = np.zeros(count, np.int64)
            self.last_S = np.append(self.last_S, np.full(count - known, -1))
            self.last_S += np.bincount(series_R, minlength=count)
        else:
            self.first_S = np.append(self.first_S, np.full(count - known, largest))
            self.last_S = np.append(self.last_S, np.full(count - known, -largest))
            np.minimum.at(self.first_S, series_R, times_R)
            np.maximum.at(self.last_S, series_R, times_R)
            if sum(len(times) for _, times in self._sample) < _FREQUENCY_ROWS:
                self._sample.append((series_R, times_R))
        self.num_rows += len(block)
        self._add_static(block, series_R)

    def frequency(self) -> Frequency:
        """Return the frequency of the first rows.

        Raises:
            UserError: it cannot be inferred.
        """
        series_R = np.concatenate([each for each, _ in self._sample])
        times_R = np.concatenate([times for _, times in self._sample])
        order = np.lexsort((times_R, series_R))
        steps = np.diff(times_R[order])[np.diff(series_R[order]) == 0]
        steps = steps[steps > 0]
        found = infer_frequency(times_R, steps) if len(steps) else None
        if found is None:
            raise UserError("the frequency of the Parquet files is mixed; set data.frequency")
        return found

    def _series(self, block: pd.DataFrame) -> Int64:
        ids = self.columns["id_column"]
        if ids is None:
            self.numbers.setdefault(SINGLE_SERIES, 0)
            return np.zeros(len(block), np.int64)
        check_columns(block, [ids], "data.id_column")
        codes, uniques = pd.factorize(block[ids])
        if (codes < 0).any():
            row = describe_row(block, int((codes < 0).argmax()))
            raise UserError(f"{row}, column {ids!r}: a series name is missing")
        levels = pd.DataFrame({"id": np.asarray(uniques)})
        names = [str(name) for name in category_column(levels, "id")]
        numbers = [self.numbers.setdefault(name, len(self.numbers)) for name in names]
        return np.array(numbers, np.int64)[codes]

    def _add_static(self, block: pd.DataFrame, series_R: Int64) -> None:
        for column, values in self.static.items():
            found = category_column(block, column)
            _, first_R = np.unique(series_R, return_index=True)
            values += [None] * (len(self.numbers) - len(values))
            for row in first_R:
                if values[series_R[row]] is None:
                    values[series_R[row]] = found[row]
            changed = found != np.array(values, dtype=object)[series_R]
            if changed.any():
                row = int(changed.argmax())
                raise UserError(
                    f"{describe_row(block, row)}, column {column!r}: found {found[row]!r} in a "
                    f"series that began with {values[series_R[row]]!r}; a static covariate has one "
                    "value a series"
                )


def write_columns(
    files: Sequence[Path], folder: Path, index: SeriesIndex, frequency: Frequency | None
) -> dict[str, Any]:
    """Write the values of all rows to their steps.

    Args:
        files: the Parquet files.
        folder: existing folder of the columns.
        index: of all rows.
        frequency: distance between steps; None counts rows.

    Returns:
        ``num_gaps`` and ``num_missing_steps``.

    Raises:
        UserError: a time is not on the steps, comes twice, or leaves nearly all steps empty.
    """
    if frequency is None:
        lengths = index.last_S + 1
    else:
        lengths = frequency.ordinals(index.last_S, index.first_S)[0] + 1
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    size = int(offsets[-1])
    if size > MAX_STEPS_PER_ROW * index.num_rows + MAX_SPARE_STEPS:
        raise UserError(
            f"{index.num_rows} rows would fill {size} steps of frequency "
            f"{frequency.alias if frequency else ''!r}; check the times"
        )
    names = value_columns(index.columns)
    stored = {
        name: create_column(column_path(folder, i), size, "<f4", np.nan)
        for i, name in enumerate(names)
    }
    present = create_column(folder / "present.bin", size, "u1", 0)
    counted = np.zeros(len(lengths), np.int64)
    for block in read_blocks(files, [*index.read_columns, *names], index.columns["id_column"]):
        block, series_R, times_R = index.locate(block)
        if frequency is None or times_R is None:
            group = pd.Series(series_R).groupby(series_R)
            position_R = counted[series_R] + group.cumcount().to_numpy()
            counted += np.bincount(series_R, minlength=len(counted))
        else:
            position_R, exact_R = frequency.ordinals(times_R, index.first_S[series_R])
            _check(
                block,
                ~exact_R,
                f"not on the steps of frequency {frequency.alias!r}; set "
                "data.frequency to the finest step",
            )
        flat_R = offsets[series_R] + position_R
        again_R = present[flat_R] != 0
        if (np.diff(flat_R) <= 0).any():
            first_R = np.unique(flat_R, return_index=True)[1]
            again_R |= ~np.isin(np.arange(len(flat_R)), first_R)
        _check(block, again_R, "a series and time that came before; each may come once")
        present[flat_R] = 1
        for name, column in stored.items():
            column[flat_R] = numeric_column(block, name)
            release(column)
        release(present)
    starts = _starts_of_gaps(present, offsets)
    for column in (*stored.values(), present):
        column.flush()  # type: ignore[attr-defined]
    return {"num_gaps": starts, "num_missing_steps": size - index.num_rows}


def value_columns(columns: Mapping[str, Any]) -> list[str]:
    """Return the columns with a value at each step."""
    return [*columns["targets"], *columns["past_covariates"], *columns["future_covariates"]]


def column_path(folder: Path, number: int) -> Path:
    """Return the file of a column."""
    return folder / f"column-{number}.bin"


def _check(block: pd.DataFrame, bad_R: Any, reason: str) -> None:
    if bad_R.any():
        raise UserError(
            f"{describe_row(block, int(bad_R.argmax()))}: {reason} ({int(bad_R.sum())} such rows)"
        )


def _starts_of_gaps(present: Any, offsets: Int64) -> int:
    """Return the number of runs of absent steps; each series begins with a present one."""
    count, size = 0, 1 << 24
    for start in range(0, int(offsets[-1]), size):
        chunk = present[max(start - 1, 0) : start + size]
        count += int(((chunk[1:] == 0) & (chunk[:-1] != 0)).sum())
        release(present)
    return count
