"""The task on rows that come as they are measured.

The network reads the last ``lookback`` steps anew for every forecast, level and all, so what a
stream carries is those steps: its memory does not grow, and every forecast is the one that
``predict`` gives of the whole table so far.

Shapes: N rows of a table, C targets; T lookback steps, P horizon steps, Q quantiles of forecasts.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.streaming import Row, Stream

from .forecasts import Forecasts
from .frequency import Frequency, Int64
from .panel import require_schema_columns
from .rows import OrderedRows, order_rows, time_text
from .running import RunningScale
from .schema import schema_frequency
from .table import category_column, numeric_column, read_table
from .windows import ForecastBatch, InferenceWindow, inference_windows

if TYPE_CHECKING:
    from .task import ForecastingTask

Table = dict[str, Any]
"""Columns of a table: float64 tensors, or lists of words; under ``_TIME`` nanoseconds, int64."""

_TIME = "time_ns"


class ForecastingStream(Stream[Forecasts]):
    """Follows series while they are measured: rows in, forecasts of the next steps out.

    A stream is one series. While it has fewer rows than the lookback, its forecasts are NaN, and
    :attr:`missing_steps` and :attr:`waiting` say what is still needed.
    """

    def __init__(self, task: "ForecastingTask", batch_size: int = 1) -> None:
        """Begin streams.

        Args:
            task: a trained task.
            batch_size: series at once.

        Raises:
            UserError: the data have future covariates but no times, by which a row that was known
                in advance could be recognised when it is measured.
        """
        self.task, self.schema = task, task.schema
        self.frequency: Frequency | None = schema_frequency(self.schema)
        if self.schema["future_covariates"] and self.frequency is None:
            raise UserError(
                "data.future_covariates without data.time_column cannot follow a stream: rows "
                "known in advance are recognised by their times"
            )
        super().__init__(task.name, batch_size)

    def _new_row(self) -> Row:
        return {"series": None, "table": {}, "dropped": 0, "scale": RunningScale.nothing()}

    @property
    def missing_steps(self) -> list[int]:
        """Steps that each series still needs until it has a lookback; 0 where it has one."""
        lookback = int(self.schema["lookback"])
        return [max(0, lookback - self._last_observed(row["table"]) - 1) for row in self._rows]

    @property
    def waiting(self) -> list[str]:
        """What each series still needs for a forecast; empty where it has one."""
        return [self._needs(row["table"]) for row in self._rows]

    def _needs(self, table: Table) -> str:
        last = self._last_observed(table)
        lookback, horizon = int(self.schema["lookback"]), int(self.schema["horizon"])
        if last + 1 < lookback:
            return (
                f"has {last + 1} steps, needs {lookback} (the lookback): {lookback - last - 1} more"
            )
        if self.schema["future_covariates"]:
            position_N = self._positions(table)
            known = int(((position_N > last) & (position_N <= last + horizon)).sum())
            if known < horizon:
                return (
                    f"knows {', '.join(self.schema['future_covariates'])} for {known} steps after "
                    f"the last target, needs {horizon} (the horizon)"
                )
        return ""

    # Rows in

    def _push(self, chunks: list[Any]) -> Forecasts:
        changed = any(chunk is not None for chunk in chunks)
        if self._answer is not None and not changed:
            return self._answer
        rows = [
            row if chunk is None else self._taken(row, chunk)
            for row, chunk in zip(self._rows, chunks, strict=True)
        ]
        # Before anything is kept: what a forecast refuses was never pushed.
        answer = self._forecasts(rows)
        self._rows, self._answer = rows, answer
        return answer

    def _taken(self, row: Row, chunk: Any) -> Row:
        """Return what a series keeps after further rows."""
        if isinstance(chunk, pd.DataFrame):
            if chunk.empty:
                return row
            series, new = self._table(chunk)
            if row["series"] not in (None, series):
                raise UserError(
                    f"rows of series {series!r} pushed to the stream of {row['series']!r}: needs a "
                    "stream for each"
                )
        else:
            series, new = row["series"], self._continued(row, chunk)
        if not len(_any_column(new)):
            return row
        targets = [new[name] for name in self.schema["targets"]]
        table = self._joined(row["table"], new)
        table, dropped = self._trimmed(table)
        scale = RunningScale(row["scale"]).add(torch.stack(targets, 1))
        return {
            "series": series,
            "table": table,
            "dropped": row["dropped"] + dropped,
            "scale": scale,
        }

    def _table(self, chunk: pd.DataFrame) -> tuple[str, Table]:
        """Read the columns that the schema knows, each by its kind; return the series' name too."""
        schema = self.schema
        frame = read_table(chunk)
        require_schema_columns(frame, schema)
        ordered = order_rows(
            frame,
            schema["time_column"],
            schema["id_column"],
            schema["on_duplicates"],
            schema["sort"],
        )
        if len(ordered.names) > 1:
            raise UserError(
                f"rows of {len(ordered.names)} series ({', '.join(ordered.names[:3])}, ...) pushed "
                "to one stream: needs a stream for each, as of task.stream(batch_size=...)"
            )
        return ordered.names[0], self._columns(ordered)

    def _columns(self, ordered: OrderedRows) -> Table:
        schema, table = self.schema, Table()
        covariates = [
            *schema["past_covariates"],
            *schema["future_covariates"],
            *schema["static_covariates"],
        ]
        for name in [*schema["targets"], *covariates]:
            if name in schema["categories"]:
                table[name] = category_column(ordered.frame, name)[ordered.rows].tolist()
            else:
                table[name] = torch.from_numpy(numeric_column(ordered.frame, name)[ordered.rows])
        if ordered.times_ns is not None:
            table[_TIME] = torch.from_numpy(ordered.times_ns.copy())
        return table

    def _continued(self, row: Row, chunk: Any) -> Table:
        """Read targets alone, (N, C), as the steps that follow what was pushed."""
        schema, before = self.schema, row["table"]
        named = [*schema["past_covariates"], *schema["future_covariates"]]
        if named:
            raise UserError(f"an array has no {', '.join(named)}: push a DataFrame with columns")
        if not before and (self.frequency or schema["id_column"] or schema["static_covariates"]):
            raise UserError(
                "the first rows of a stream must be a DataFrame, which says when they are and of "
                "which series; arrays of targets can follow"
            )
        target_NC = _as_targets(chunk, len(schema["targets"]))
        count = len(target_NC)
        table: Table = dict(zip(schema["targets"], target_NC.unbind(1), strict=True))
        for name in schema["static_covariates"]:
            value = before[name][-1]
            same = [value] * count
            table[name] = torch.stack(same) if isinstance(value, Tensor) and count else same
        if self.frequency is not None:
            last_ns = before[_TIME][-1:].numpy()
            times_ns = self.frequency.times(last_ns, np.arange(1, count + 1))
            table[_TIME] = torch.from_numpy(times_ns)
        return table

    def _joined(self, before: Table, new: Table) -> Table:
        """Put new rows after those before; rows known in advance are replaced by those measured."""
        if not before:
            return new
        kept = np.arange(len(_any_column(before)))
        if self.frequency is not None:
            observed_N = self._observed(before)
            first_ns = int(new[_TIME][0])
            seen_ns = before[_TIME].numpy()
            if observed_N.any() and first_ns <= int(seen_ns[observed_N][-1]):
                raise UserError(
                    f"a row of {time_text(first_ns)} pushed after one of "
                    f"{time_text(int(seen_ns[observed_N][-1]))}: rows must come in order of time, "
                    "each once"
                )
            kept = kept[~np.isin(seen_ns, new[_TIME].numpy())]
        joined = {k: _join(_pick(before[k], kept), new[k]) for k in new}
        if self.frequency is None or len(kept) == 0:
            return joined
        order = np.argsort(joined[_TIME].numpy(), kind="stable")
        return {k: _pick(column, order) for k, column in joined.items()}

    def _trimmed(self, table: Table) -> tuple[Table, int]:
        """Drop what no later forecast can see; return how many steps at the start went."""
        lookback, horizon = int(self.schema["lookback"]), int(self.schema["horizon"])
        position_N, last = self._positions(table), self._last_observed(table)
        # The row at the window's start or before it: the steps are counted from a row.
        before = np.flatnonzero(position_N <= last + 1 - lookback)
        first = int(before[-1]) if len(before) else 0
        near = position_N <= max(last + horizon, 0)
        recent = position_N > position_N[-1] - lookback
        kept = np.flatnonzero((near | recent) & (np.arange(len(position_N)) >= first))
        return {k: _pick(column, kept) for k, column in table.items()}, int(position_N[kept[0]])

    def _positions(self, table: Table) -> Int64:
        """Return the step of each row, counted from the first."""
        if self.frequency is None or not table:
            return np.arange(len(_any_column(table)) if table else 0)
        times_ns = table[_TIME].numpy()
        return self.frequency.ordinals(times_ns, times_ns[:1])[0]

    def _observed(self, table: Table) -> NDArray[np.bool_]:
        columns = [~torch.isnan(table[name]) for name in self.schema["targets"]]
        observed: NDArray[np.bool_] = torch.stack(columns).any(0).numpy()
        return observed

    def _last_observed(self, table: Table) -> int:
        """Return the step of the last row with a target, -1 where there is none."""
        if not table:
            return -1
        found = np.flatnonzero(self._observed(table))
        return int(self._positions(table)[found[-1]]) if len(found) else -1

    # Forecasts out

    def _forecasts(self, rows: list[Row]) -> Forecasts:
        schema = self.schema
        lookback, horizon = int(schema["lookback"]), int(schema["horizon"])
        ready = [number for number, row in enumerate(rows) if not self._needs(row["table"])]
        found = [self._window(rows[number]) for number in ready]
        windows = [self._no_window(number, row) for number, row in enumerate(rows)]
        num_targets, num_levels = len(schema["targets"]), len(self.task.levels)
        values_BPCQ = np.full((len(rows), horizon, num_targets, num_levels), np.nan, np.float32)
        history_BTC = np.full((len(rows), lookback, num_targets), np.nan, np.float32)
        if found:
            together = (torch.cat(parts) for parts in zip(*(b for b, _ in found), strict=True))
            forecasts = self.task.forecast_windows(ForecastBatch(*together), [w for _, w in found])
            values_BPCQ[ready], history_BTC[ready] = forecasts.values_BPCQ, forecasts.history_BTC
            for number, window in zip(ready, forecasts.windows, strict=True):
                windows[number] = window
        times = schema["time_column"]
        return Forecasts(
            targets=list(schema["targets"]),
            quantiles=list(self.task.levels),
            windows=windows,
            id_column=schema["id_column"],
            time_column=times[0] if isinstance(times, list) else times,
            values_BPCQ=values_BPCQ,
            history_BTC=history_BTC,
        )

    def _window(self, row: Row) -> tuple[ForecastBatch, InferenceWindow]:
        schema = {**self.schema, "layout": "table"}
        if row["series"] not in self.schema["target_scale"]:
            # As of a series that training did not have: scaled by all of its own values.
            scale = RunningScale(row["scale"]).schema_entry()
            schema["target_scale"] = {row["series"]: scale}
        batch, windows = inference_windows(self._frame(row), schema)
        window = windows[0]
        if self.frequency is None:
            shift = row["dropped"]
            past, future = window.past_time + shift, window.future_time + shift
            window = window._replace(past_time=past, future_time=future)
        return batch, window

    def _frame(self, row: Row) -> pd.DataFrame:
        schema, table = self.schema, row["table"]
        columns: dict[str, Any] = {
            name: column.numpy() if isinstance(column, Tensor) else column
            for name, column in table.items()
            if name != _TIME
        }
        if self.frequency is not None:
            times = table[_TIME].numpy().view("datetime64[ns]")
            if isinstance(schema["time_column"], str):
                columns[schema["time_column"]] = times
            else:
                date, hour = schema["time_column"]
                days = times.astype("datetime64[D]")
                columns[date] = days.astype("datetime64[ns]")
                columns[hour] = (times - days) / np.timedelta64(1, "h")
        if schema["id_column"]:
            columns[schema["id_column"]] = [row["series"]] * len(_any_column(table))
        return pd.DataFrame(columns)

    def _no_window(self, number: int, row: Row) -> InferenceWindow:
        lookback, horizon = int(self.schema["lookback"]), int(self.schema["horizon"])
        unknown = np.datetime64("NaT", "ns") if self.frequency is not None else -1
        name = row["series"] or f"stream {number}"
        return InferenceWindow(name, np.full(lookback, unknown), np.full(horizon, unknown))


def _as_targets(chunk: Any, num_targets: int) -> Tensor:
    """Return steps of targets, float64, shape (N, C); NaN is a missing value."""
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


def _any_column(table: Table) -> Any:
    return next(iter(table.values()))


def _pick(column: Any, index: Int64) -> Any:
    if isinstance(column, Tensor):
        return column[torch.from_numpy(index)]
    return [column[place] for place in index]


def _join(before: Any, new: Any) -> Any:
    return torch.cat([before, new]) if isinstance(new, Tensor) else [*before, *new]
