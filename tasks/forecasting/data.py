"""The forecasting data module: from a table to batches of windows.

Scales, categories, calendar and frequency are learned from the training part and kept in
``schema()``, plain data in every checkpoint. Given a schema, nothing is learned: other data are
encoded as the training data were.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch.utils.data import DataLoader

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.errors import UserError
from gru_suite.options import check_count

from .batches.forecast_batch import ForecastBatch
from .batches.loaders import EpochShuffle, make_loader
from .batches.schema import fit_schema, resolve_columns
from .batches.series import (
    SeriesSet,
    align_by_schema,
    check_schema_columns,
    encode_series,
    target_values,
)
from .batches.splits import SplitBorders, split_series
from .batches.windows import WindowSet, make_windows, observed_ends
from .reading.frequency import infer_season_length, parse_frequency
from .reading.layouts import M4_ID, M4_VALUE
from .reading.tables import table_name
from .reading.time_grid import TimeGrid, align_table
from .samples.example_tables import example_tables
from .samples.sources import load_source
from .training.baselines import baseline_scores

PARTS = ("train", "val", "test")


class ForecastingDataModule(SequenceDataModule):
    """Windows of the time series in a table.

    Attributes:
        windows: a :class:`WindowSet` for each of train, val and test; set by ``setup``.
        series: the encoded series; set by ``setup``.
    """

    def __init__(
        self,
        lookback: int,
        horizon: int,
        source: str = "csv",
        path: str | None = None,
        time_column: str | list[str] | None = None,
        id_column: str | None = None,
        target: str | Sequence[str] | None = None,
        past_covariates: str | Sequence[str] = (),
        future_covariates: str | Sequence[str] = (),
        static_covariates: str | Sequence[str] = (),
        categorical: str | Sequence[str] = (),
        calendar: str | Sequence[str] = "auto",
        frequency: str | None = None,
        season_length: int | None = None,
        split: str | Sequence[Any] = (0.7, 0.1, 0.2),
        stride: int = 1,
        eval_stride: int = 1,
        batch_size: int = 64,
        num_workers: int = 0,
        on_duplicates: str = "error",
        sort: bool = False,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Check the options; data are read in :meth:`setup`.

        Args:
            lookback: past steps the model sees, at least 1.
            horizon: steps to forecast, at least 1.
            source: csv (also Parquet), m4, sine or weather.
            path: the file of csv and m4.
            time_column: column of timestamps; or a date column and an hour column; None for evenly
                spaced rows.
            id_column: column that names each row's series; None for one series.
            target: column(s) to forecast; None takes every column without another role.
            past_covariates: columns known up to the present.
            future_covariates: columns known over the horizon too.
            static_covariates: columns with one value a series.
            categorical: numeric covariates that are categorical.
            calendar: auto, none, or a list of halfday, hour, weekday, monthday, yearday, month.
            frequency: pandas offset alias; None infers it from the times.
            season_length: steps in a season, for the seasonal baseline and MASE; None infers it
                from the frequency.
            split: three fractions, two dates, ``informer`` or ``last``; see splits.py.
            stride: steps between the training windows of an epoch, 1 takes every window; each epoch
                has a random offset, and the baselines see every window.
            eval_stride: steps between validation and test windows; 1 scores every window.
            batch_size: windows in a batch.
            num_workers: processes that make batches; batches cost little, so 0 is usually fastest.
            on_duplicates: error, first, mean or last, for rows of one series and time.
            sort: sort rows by time instead of refusing unsorted ones.
            seed: of the training order; each epoch has its own.
            schema: of a checkpoint; then columns, frequency, season, lookback and horizon are taken
                from it, and all scales and categories.

        Raises:
            UserError: an option has an impossible value.
        """
        super().__init__()
        counts = {"stride": stride, "eval_stride": eval_stride, "batch_size": batch_size}
        counts |= {} if schema else {"lookback": lookback, "horizon": horizon}
        counts |= {} if season_length is None else {"season_length": season_length}
        for name, value in counts.items():
            check_count(f"data.{name}", value, 1)
        check_count("data.num_workers", num_workers, 0)
        self.lookback = int(schema["lookback"]) if schema else lookback
        self.horizon = int(schema["horizon"]) if schema else horizon
        self.source, self.path, self.split = source, path, split
        self.name = Path(path).name.split(".")[0] if path and source in {"csv", "m4"} else source
        self.stride, self.eval_stride = stride, eval_stride
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self._columns = {
            "time_column": time_column,
            "id_column": id_column,
            "target": target,
            "past_covariates": past_covariates,
            "future_covariates": future_covariates,
            "static_covariates": static_covariates,
            "categorical": categorical,
        }
        self._calendar, self._frequency, self._season_length = calendar, frequency, season_length
        self._on_duplicates, self._sort = on_duplicates, sort
        self._schema = schema
        self.windows: dict[str, WindowSet] = {}
        self.dropped: dict[str, int] = {}
        self.series: SeriesSet | None = None
        self.borders: SplitBorders

    def setup(self, stage: str | None = None) -> None:
        """Read the table, learn the schema unless it was given, and cut the windows; once.

        Raises:
            UserError: the data cannot be used, or a part that ``stage`` (fit, validate, test) needs
                has no window.
        """
        if self.series is None:
            self._build()
        needed = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}.get(
            stage or "", PARTS
        )
        for part in needed:
            self._check_part(part)

    def _build(self) -> None:
        table = load_source(self.source, self.path)
        self._label = table_name(table)
        if self._schema is None:
            columns = resolve_columns(table, self._columns | self._fixed_columns())
            frequency = None if self._frequency is None else parse_frequency(self._frequency)
            times, ids = columns["time_column"], columns["id_column"]
            table, grid = align_table(table, times, ids, frequency, self._on_duplicates, self._sort)
        else:
            columns = self._schema
            check_schema_columns(table, columns)
            table, grid = align_by_schema(table, columns)
        ends_S = observed_ends(grid, target_values(table, columns)[grid.rows])
        self.borders = split_series(grid, self.split, self.horizon, ends_S)
        schema = self._schema or self._fit(table, grid, columns)
        self.series = encode_series(table, schema, grid, self.borders.train_ends_S)
        self._schema = schema
        for part in PARTS:
            stride = 1 if part == "train" else self.eval_stride
            self.windows[part], self.dropped[part] = make_windows(
                self.series, *self.borders.part(part), self.lookback, self.horizon, stride
            )

    def _fit(self, table: pd.DataFrame, grid: TimeGrid, columns: dict[str, Any]) -> dict[str, Any]:
        season_length = self._season_length
        if season_length is None and self._frequency is not None:
            # Data without times may still have a frequency to infer the season from.
            season_length = infer_season_length(parse_frequency(self._frequency))
        schema = fit_schema(
            table,
            grid,
            columns,
            self.borders.train_ends_S,
            self.lookback,
            self.horizon,
            season_length=season_length,
            calendar=self._calendar,
        )
        layout = "m4" if self.source == "m4" else "table"
        reading = {"layout": layout, "on_duplicates": self._on_duplicates, "sort": self._sort}
        return schema | reading

    def _fixed_columns(self) -> dict[str, Any]:
        """Return the columns of tables in M4's layout."""
        if self.source != "m4":
            return {}
        return {"id_column": M4_ID, "target": M4_VALUE, "time_column": None}

    def _check_part(self, part: str) -> None:
        """Raise UserError if a part has no window, unless the split leaves validation out."""
        assert self.series is not None
        starts_S, ends_S = self.borders.part(part)
        if len(self.windows[part]) or (part == "val" and (ends_S <= starts_S).all()):
            return
        if self.dropped[part]:
            raise UserError(
                f"{self._label}: none of the {self.dropped[part]} {part} windows has an observed"
                f" target both in its {self.lookback} past and its {self.horizon} future steps"
            )
        need, reason = self.horizon, "horizon"
        if part == "train":
            need, reason = self.lookback + self.horizon, "lookback + horizon"
        longest = max(int((ends_S - starts_S).max()), 0)
        raise UserError(
            f"{self._label}: too few rows: the {part} part has {longest} of the"
            f" {int(self.series.grid.lengths.max())} steps of the longest series, needs {need}"
            f" ({reason}, of {self.lookback} and {self.horizon})\n"
            "shorten data.lookback or data.horizon, or change data.split"
        )

    def schema(self) -> dict[str, Any]:
        """Return the schema, plain data: the given one, or the one learned by ``setup``."""
        if self._schema is None:
            raise RuntimeError("schema() is known after setup()")
        return self._schema

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[ForecastBatch]:
        """Return every window of a part in time order, or shuffled by seed and epoch alone."""
        windows = self.windows[part]
        if part == "val" and not len(windows):
            # Lightning skips validation without a loader, and warns of an empty one.
            return []  # type: ignore[return-value]
        sampler = EpochShuffle(windows, self.stride, self.seed) if shuffle else None
        return make_loader(windows, self.batch_size, self.num_workers, sampler)

    def raw_examples(self, count: int) -> list[Any]:
        """Return tables of one series each, which end in its test part."""
        table, grid = align_by_schema(load_source(self.source, self.path), self.schema())
        return example_tables(table, grid, self.schema(), self.windows["test"], count)

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Fit the baselines on the training windows and score them on every window of ``stage``.

        ``scoring`` may name the ``quantiles`` to score, empty for points only. Without a training
        window there are no baselines.
        """
        if not len(self.windows["train"]):
            return {}
        quantiles = list((scoring or {}).get("quantiles", (0.1, 0.5, 0.9)))
        return baseline_scores(self.windows, self.schema(), quantiles, stage)

    def summary(self) -> list[str]:
        """Return what was read, how it was split, and what was left out."""
        assert self.series is not None
        grid, schema = self.series.grid, self.schema()
        steps = "-".join(dict.fromkeys(str(n) for n in (grid.lengths.min(), grid.lengths.max())))
        times = f"frequency {schema['frequency']}" if schema["frequency"] else "no times"
        count = ", ".join(f"{part} {len(self.windows[part])}" for part in PARTS)
        lines = [
            f"{self.name}: {len(grid.names)} series of {steps} steps,"
            f" {schema['num_targets']} target(s), {times}, season {schema['season_length']}",
            f"windows of {self.lookback} + {self.horizon} steps: {count}",
        ]
        if self.stride > 1:
            size = len(EpochShuffle(self.windows["train"], self.stride, self.seed))
            lines.append(
                f"windows in a training epoch: {size}, one in {self.stride}, others each time"
            )
        if schema["calendar"]:
            lines.append(f"calendar: {', '.join(schema['calendar'])}")
        if grid.num_gaps:
            lines.append(
                f"gaps: {grid.num_missing_steps} steps without a row in {grid.num_gaps} places,"
                f" the first in {grid.first_gap}; left missing"
            )
        if any(self.dropped.values()):
            dropped = ", ".join(f"{part} {count}" for part, count in self.dropped.items() if count)
            lines.append(f"windows without an observed past or future, left out: {dropped}")
        need = self.lookback + self.horizon
        short = int((self.borders.test_ends_S < need).sum())
        if short:
            lines.append(f"series shorter than {need} steps, in no test window: {short}")
        return lines
