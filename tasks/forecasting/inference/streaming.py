"""Streaming forecasts from rows as they are measured.

The network reads the last ``lookback`` steps anew for every forecast, since their level changes, so
a stream keeps those steps: its memory does not grow, and every forecast equals that of ``predict``
for the table so far.

Shapes: N rows of a table, C targets; T lookback steps, P horizon steps, Q quantiles of forecasts.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.streaming.stream import Row, Stream

from ..batches.covariates import encode
from ..batches.forecast_batch import ForecastBatch, InferenceWindow
from ..batches.schema import schema_frequency
from ..batches.series import check_schema_columns, check_zone, target_values
from ..batches.windows import WindowSet
from ..reading.frequency import Frequency
from ..reading.sorting import SINGLE_SERIES, sort_rows
from ..reading.tables import numeric_column, read_table
from ..reading.zone import Zone, zone_of
from .adaptive_intervals import grid_spacing, memory_steps
from .forecasts import Forecasts, WindowForecaster
from .running_statistics import RunningStatistics
from .series_buffer import BufferedRows, SeriesBuffer


class ForecastingStream(Stream[Forecasts]):
    """Streams of rows in, forecasts of the next steps out.

    A stream is one series. While it is too short (``data.min_lookback``), its forecasts are NaN;
    :attr:`missing_steps` and :attr:`waiting` tell what it still needs.
    """

    def __init__(self, model: WindowForecaster, batch_size: int = 1) -> None:
        """Start streams.

        Args:
            model: a trained model.
            batch_size: series at once.

        Raises:
            UserError: the data have future covariates but no times, by which rows known in advance
                are matched to those measured.
        """
        self.model, self.schema = model, model.schema
        self.frequency: Frequency | None = schema_frequency(self.schema)
        memory = memory_steps(self.schema["horizon"]) if model.adaptive else 0
        self.buffer = SeriesBuffer(self.schema, self.frequency, memory)
        if self.schema["future_covariates"] and self.frequency is None:
            raise UserError(
                "data.future_covariates without data.time_column cannot follow a stream: rows "
                "known in advance are recognised by their times"
            )
        super().__init__(model.name, batch_size)

    def _new_row(self) -> Row:
        return {
            "series": None,
            "rows": self.buffer.empty(),
            "static": torch.zeros(int(self.schema["static_size"])),
            "dropped": 0,
            "scale": RunningStatistics.initial(),
            # Factors of adaptive intervals, and the origin of the grid that they are of.
            "factors": torch.ones(len(self.schema["targets"]), len(self.model.levels)),
            "anchor": -1,
            "zone": None,
        }

    @property
    def missing_steps(self) -> list[int]:
        """Steps that each series still needs for a forecast; 0 if it has them."""
        steps = [self.buffer.last_observed(row["rows"]) + 1 for row in self._rows]
        return [max(0, self.buffer.min_lookback - number) for number in steps]

    @property
    def waiting(self) -> list[str]:
        """Data that each series needs before its next forecast; empty for none."""
        return [self._needs(row["rows"]) for row in self._rows]

    def _needs(self, rows: BufferedRows) -> str:
        steps, need = self.buffer.last_observed(rows) + 1, self.buffer.min_lookback
        if steps < need:
            return f"has {steps} steps, needs {need}: {need - steps} more"
        if self.schema["future_covariates"]:
            known, horizon = self.buffer.num_known(rows), self.buffer.horizon
            if known < horizon:
                return (
                    f"knows {', '.join(self.schema['future_covariates'])} for {known} steps after "
                    f"the last target, needs {horizon} (the horizon)"
                )
        return ""

    def _push(self, chunks: list[Any]) -> Forecasts:
        changed = any(chunk is not None for chunk in chunks)
        if self._prediction is not None and not changed:
            return self._prediction
        rows = [
            row if chunk is None else self._extended(row, chunk)
            for row, chunk in zip(self._rows, chunks, strict=True)
        ]
        # Before the rows are kept: an error leaves the streams unchanged.
        forecasts = self._forecasts(rows)
        self._rows, self._prediction = rows, forecasts
        return forecasts

    def _extended(self, row: Row, chunk: Any) -> Row:
        """Return the state of a series after further rows."""
        if isinstance(chunk, pd.DataFrame):
            if chunk.empty:
                return row
            series, new, static_S, zone = self._read(chunk)
            if row["series"] not in (None, series):
                raise UserError(
                    f"rows of series {series!r} pushed to the stream of {row['series']!r}: needs a "
                    "stream for each"
                )
        else:
            series, new, static_S = row["series"], self._read_targets(row, chunk), row["static"]
            zone = row["zone"]
        if not len(new["time_ns"]):
            return row
        rows, dropped = self.buffer.trim(self.buffer.append(row["rows"], new))
        return {
            "series": series or SINGLE_SERIES,
            "rows": rows,
            # As of a table: those of the first row.
            "static": static_S if row["series"] is None else row["static"],
            "dropped": row["dropped"] + dropped,
            "scale": RunningStatistics(row["scale"]).add(new["target"]),
            "factors": row["factors"],
            "anchor": row["anchor"],
            "zone": zone,
        }

    def _read(self, chunk: pd.DataFrame) -> tuple[str, BufferedRows, Tensor, dict[str, Any] | None]:
        """Return a series' name, its rows, its static covariates and its zone."""
        schema = self.schema
        table = read_table(chunk)
        check_schema_columns(table, schema)
        ordered = sort_rows(
            table,
            schema["time_column"],
            schema["id_column"],
            schema["on_duplicates"],
            schema["sort"],
            given=zone_of(schema),
        )
        check_zone(schema, ordered.zone, table)
        if len(ordered.names) > 1:
            raise UserError(
                f"rows of {len(ordered.names)} series ({', '.join(ordered.names[:3])}, ...) pushed "
                "to one stream: needs a stream for each, as of model.stream(batch_size=...)"
            )
        table, index = ordered.table, ordered.rows
        times_ns = np.zeros(len(index), np.int64) if ordered.times_ns is None else ordered.times_ns
        known = np.ones(len(index), np.bool_)
        for name in schema["future_covariates"]:
            if name not in schema["categories"] and name not in schema["missing_flags"]:
                known &= ~np.isnan(numeric_column(table, name)[index])
        past, future = (
            encode(table, index, schema[f"{role}_covariates"], schema)
            for role in ("past", "future")
        )
        rows: dict[str, NDArray[Any]] = {
            "time_ns": times_ns,
            "target": target_values(table, schema)[index],
            "past": past,
            "future": future,
            "known": known,
        }
        static_S = torch.from_numpy(
            encode(table, index[:1], schema["static_covariates"], schema)[0]
        )
        tensors = {k: torch.from_numpy(v.copy()) for k, v in rows.items()}
        zone = None if ordered.zone is None else ordered.zone._asdict()
        return ordered.names[0], tensors, static_S, zone

    def _read_targets(self, row: Row, chunk: Any) -> BufferedRows:
        """Return targets alone, (N, C), as rows of the next steps."""
        schema, before = self.schema, row["rows"]
        named = [*schema["past_covariates"], *schema["future_covariates"]]
        target_NC = _as_targets(chunk, len(schema["targets"]))
        if named:
            raise UserError(f"an array has no {', '.join(named)}: push a DataFrame with columns")
        needs_table = self.frequency or schema["id_column"] or schema["static_covariates"]
        if row["series"] is None and needs_table:
            raise UserError(
                "the first rows of a stream must be a DataFrame, with their times and the name of "
                "the series; arrays of targets can follow"
            )
        count = len(target_NC)
        times_ns = np.zeros(count, np.int64)
        if self.frequency is not None:
            last_ns = before["time_ns"][-1:].numpy()
            times_ns = self.frequency.times(last_ns, np.arange(1, count + 1))
        return {
            "time_ns": torch.from_numpy(times_ns),
            "target": target_NC,
            "past": torch.empty(count, 0),
            "future": torch.empty(count, 0),
            "known": torch.ones(count, dtype=torch.bool),
        }

    def _forecasts(self, rows: list[Row]) -> Forecasts:
        schema = self.schema
        lookback, horizon = int(schema["lookback"]), int(schema["horizon"])
        ready = [number for number, row in enumerate(rows) if not self._needs(row["rows"])]
        found = [self._window(rows[number]) for number in ready]
        windows = [self._no_window(number, row) for number, row in enumerate(rows)]
        num_targets, num_levels = len(schema["targets"]), len(self.model.levels)
        values_BPCQ = np.full((len(rows), horizon, num_targets, num_levels), np.nan, np.float32)
        history_BTC = np.full((len(rows), lookback, num_targets), np.nan, np.float32)
        if found:
            batches = (each.batch([0]) for each, _ in found)
            together = (torch.cat(parts) for parts in zip(*batches, strict=True))
            ready_windows = [window for _, window in found]
            factor_BCQ = torch.stack([rows[number]["factors"] for number in ready])
            forecasts = self.model.forecast_windows(
                ForecastBatch(*together), ready_windows, factor_BCQ
            )
            values_BPCQ[ready], history_BTC[ready] = forecasts.values_BPCQ, forecasts.history_BTC
            for number, window in zip(ready, forecasts.windows, strict=True):
                windows[number] = window
        return Forecasts.of(schema, self.model.levels, windows, values_BPCQ, history_BTC)

    def _window(self, row: Row) -> tuple[WindowSet, InferenceWindow]:
        """Return the last window of a series, and update the factors of its interval."""
        known = self.schema["target_scale"].get(row["series"])
        # A series unknown in training is scaled by all of its own values.
        scale = RunningStatistics(row["scale"]).scale() if known is None else known
        series, dropped = row["series"], row["dropped"]
        windows, names = self.buffer.last_window(row["rows"], row["static"], scale, series, dropped)
        origin = int(windows.series.grid.first_steps[0] + windows.origins_W[0])
        anchor = origin // grid_spacing(windows.horizon)
        # They change from one origin of the grid to the next, and with the scale.
        if anchor != row["anchor"] or known is None:
            factor_1CQ = self.model.interval_factors(windows)
            if factor_1CQ is not None:
                row["factors"], row["anchor"] = factor_1CQ[0].float(), anchor
        zone = None if row["zone"] is None else Zone(**row["zone"])
        return windows, names._replace(zone=zone)

    def _no_window(self, number: int, row: Row) -> InferenceWindow:
        lookback, horizon = int(self.schema["lookback"]), int(self.schema["horizon"])
        unknown = np.datetime64("NaT", "ns") if self.frequency is not None else -1
        name = row["series"] or f"stream {number}"
        return InferenceWindow(name, np.full(lookback, unknown), np.full(horizon, unknown))


def _as_targets(chunk: Any, num_targets: int) -> Tensor:
    """Return targets as float64, shape (N, C), NaN where missing."""
    try:
        values = np.asarray(chunk.detach().cpu() if isinstance(chunk, Tensor) else chunk)
    except ValueError:
        values = np.array(None)
    if values.ndim == 1 and num_targets == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != num_targets or values.dtype.kind not in "fiu":
        raise UserError(
            f"a chunk of shape {values.shape} and {values.dtype}: needs a DataFrame, or numbers of "
            f"shape (steps, {num_targets})"
        )
    if np.isinf(values).any():
        raise UserError("a chunk holds infinity: needs finite numbers, or NaN where one is missing")
    return torch.from_numpy(values.astype(np.float64))
