"""The forecasting data module: from a table to batches of windows.

Scales, categories, calendar and frequency are learned from the training part and kept in
``schema()``, plain data in every checkpoint. Given a schema, nothing is learned: other data are
encoded as the training data were.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from gru_suite.data.data_module import SequenceDataModule
from gru_suite.options import check_choice, check_count, check_number

from .batches.forecast_batch import ForecastBatch
from .batches.loaders import EpochShuffle, make_loader
from .batches.series import SeriesSet, align_by_schema
from .batches.splits import SplitBorders, no_windows
from .batches.stored.reading import StoredData, read_stored
from .batches.stored.windows import StoredSeries
from .batches.table_data import TableData, WindowOptions, read_table_data
from .batches.windows import WindowSet, most_recent
from .inference.rolling_forecasts import adapted
from .reading.layouts import M4_ID, M4_VALUE
from .reading.stored.columns import StoredColumns
from .reading.stored.parquet_files import find_parquet
from .reading.tables import table_name
from .reading.time_zones import check_timezone
from .results.data_summary import (
    describe_details,
    describe_series,
    describe_windows,
    describe_young,
)
from .samples.example_tables import example_tables, stored_examples
from .samples.sources import load_source
from .training.baselines import baseline_scores

PARTS = ("train", "val", "test")
FIXED_COLUMNS = {"m4": {"id_column": M4_ID, "target": M4_VALUE, "time_column": None}}


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
        timezone: str | None = None,
        frequency: str | None = None,
        season_length: int | None = None,
        split: str | Sequence[Any] = (0.7, 0.1, 0.2),
        stride: int = 1,
        eval_stride: int = 1,
        batch_size: int = 64,
        num_workers: int = 0,
        min_lookback: int | None = None,
        max_bad_fraction: float = 0.0,
        non_negative: bool | str = "auto",
        integers: bool = False,
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
            timezone: zone of clock times, such as Europe/Berlin; None takes what the times state.
            frequency: pandas offset alias; None infers it from the times.
            season_length: steps in a season; None infers it from the frequency.
            split: three fractions, two dates, ``informer`` or ``last``; see splits.py.
            stride: steps between the training windows of an epoch, 1 takes every window; each epoch
                has a random offset, and the baselines see every window.
            eval_stride: steps between validation and test windows; 1 scores every window.
            batch_size: windows in a batch.
            num_workers: processes that make batches; batches cost little, so 0 is usually fastest.
            min_lookback: past steps that a forecast needs; shorter pasts are padded as missing.
                None: a season, or a quarter of the lookback.
            max_bad_fraction: largest share of rows without a time, as totals, that are left out.
            non_negative: never forecast below 0; auto: targets that never are in training.
            integers: whether forecasts are rounded to whole numbers, as of counts.
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
        optional = {"season_length": season_length, "min_lookback": min_lookback}
        counts |= {name: value for name, value in optional.items() if value is not None}
        for name, value in counts.items():
            check_count(f"data.{name}", value, 1)
        check_count("data.num_workers", num_workers, 0)
        self.lookback = int(schema["lookback"]) if schema else lookback
        self.horizon = int(schema["horizon"]) if schema else horizon
        self.source, self.path = source, path
        self.name = Path(path).name.split(".")[0] if path and source in {"csv", "m4"} else source
        self.stride, self.eval_stride = stride, eval_stride
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        columns = {
            "time_column": time_column,
            "id_column": id_column,
            "target": target,
            "past_covariates": past_covariates,
            "future_covariates": future_covariates,
            "static_covariates": static_covariates,
            "categorical": categorical,
        }
        check_timezone(timezone)
        check_number("data.max_bad_fraction", max_bad_fraction, 0, 1)
        check_choice("data.non_negative", str(non_negative).lower(), ("auto", "true", "false"))
        reading = {
            "layout": "m4" if source == "m4" else "table",
            "on_duplicates": on_duplicates,
            "sort": sort,
            "max_bad_fraction": float(max_bad_fraction),
            "integers": bool(integers),
        }
        self._options = WindowOptions(
            self.lookback,
            self.horizon,
            columns | FIXED_COLUMNS.get(source, {}),
            {part: 1 if part == "train" else eval_stride for part in PARTS},
            split,
            reading,
            calendar,
            frequency,
            season_length,
            timezone,
            min_lookback,
            non_negative,
        )
        self._schema = schema
        self.windows: dict[str, WindowSet] = {}
        self.dropped: dict[str, int] = {}
        self.series: SeriesSet | StoredSeries | None = None
        self.borders: SplitBorders
        self._stored: StoredColumns | None = None

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
        assert self.series is not None
        padded_S = -self.series.grid.first_steps
        total = int((self.series.grid.lengths - padded_S).max())
        for part in needed:
            starts_S, ends_S = self.borders.part(part)
            # The split may leave validation out.
            if not len(self.windows[part]) and not (part == "val" and (ends_S <= starts_S).all()):
                starts_S = np.maximum(starts_S, padded_S)
                longest = max(int((ends_S - starts_S).max()), 0)
                least = self.schema().get("min_lookback", self.lookback)
                sizes = (longest, total, self.dropped[part], least, self.horizon)
                raise no_windows(self._label, part, *sizes)

    def _build(self) -> None:
        files = find_parquet(self.path) if self.source == "csv" else None
        data: TableData | StoredData
        if files is not None:
            self._label = f"{self.name} ({len(files)} Parquet files)"
            data = read_stored(files, self._schema, self._options)
            self._stored, notes = data.columns, ["values: memory-mapped, from the cache of tables"]
            padded_S = np.zeros(len(data.series), np.int64)
        else:
            table = load_source(self.source, self.path)
            self._label = table_name(table)
            data = read_table_data(table, self._schema, self._options)
            notes, padded_S = data.notes, data.padded_S
        self._schema, self.borders, self.series = data.schema, data.borders, data.series
        self.windows, self.dropped = dict(data.windows), data.dropped
        self.windows["train"] = most_recent(self.windows["train"], self.training_share())
        ends_S, least = (
            data.borders.test_ends_S - padded_S,
            data.schema.get("min_lookback", self.lookback),
        )
        names = data.series.grid.names
        self._notes = notes + describe_young(names, ends_S, padded_S, self.horizon, least)

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
        if self._stored is not None:
            return stored_examples(self._stored, self.schema(), self.windows["test"], count)
        table, grid = align_by_schema(load_source(self.source, self.path), self.schema())
        return example_tables(table, grid, self.schema(), self.windows["test"], count)

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Fit the baselines on the training windows and score them on windows of ``stage``.

        ``scoring`` may name the ``quantiles`` to score, empty for points only, and whether their
        intervals are ``adaptive``. Without a training window there are no baselines.
        """
        if not len(self.windows["train"]):
            return {}
        chosen = scoring or {}
        quantiles = list(chosen.get("quantiles", (0.1, 0.5, 0.9)))
        scored = self.windows[stage].select(self.scored_items(stage))
        windows = {**self.windows, stage: scored}
        adapt = partial(adapted, windows=scored, levels=quantiles, schema=self.schema())
        adaptive = adapt if stage == "test" and chosen.get("adaptive") else None
        return baseline_scores(windows, self.schema(), quantiles, stage, adaptive)

    def summary(self) -> list[str]:
        """Return what was read, how it was split, and what was left out."""
        assert self.series is not None
        grid, schema = self.series.grid, self.schema()
        return [
            describe_series(self.name, grid, schema),
            *describe_windows(self.windows, self.lookback, self.horizon, self.stride),
            *self._notes,
            *describe_details(grid, schema, self.dropped),
        ]
