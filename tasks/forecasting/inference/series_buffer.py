"""Recent rows of a streamed series.

Shapes: N rows, C targets, F past and G future features other than the calendar, S static features;
    T lookback steps, P horizon steps.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.errors import UserError

from ..batches.calendar_features import calendar_features
from ..batches.covariates import features_size
from ..batches.forecast_batch import ForecastBatch, InferenceWindow
from ..reading.frequency import Frequency, Int64
from ..reading.sorting import format_time

BufferedRows = dict[str, Tensor]
"""``time_ns`` (N,), zeros without times; ``target`` (N, C), NaN where missing; ``past`` (N, F) and
``future`` (N, G), encoded; ``known`` (N,): whether the future covariates have values."""


class SeriesBuffer:
    """Appends and trims the rows of series, and cuts windows from them, by a schema."""

    def __init__(self, schema: dict[str, Any], frequency: Frequency | None) -> None:
        """Set the schema.

        Args:
            schema: from training.
            frequency: distance between steps; None without times.
        """
        self.schema, self.frequency = schema, frequency
        self.lookback, self.horizon = int(schema["lookback"]), int(schema["horizon"])

    def empty(self) -> BufferedRows:
        """Return no rows."""
        sizes = {
            name: features_size(self.schema[f"{name}_covariates"], self.schema)
            for name in ("past", "future")
        }
        return {
            "time_ns": torch.empty(0, dtype=torch.int64),
            "target": torch.empty(0, len(self.schema["targets"]), dtype=torch.float64),
            **{name: torch.empty(0, size) for name, size in sizes.items()},
            "known": torch.empty(0, dtype=torch.bool),
        }

    def steps(self, rows: BufferedRows) -> Int64:
        """Return the step of each row, 0 for the first."""
        times_ns = rows["time_ns"].numpy()
        if self.frequency is None:
            return np.arange(len(times_ns))
        return self.frequency.ordinals(times_ns, times_ns[:1])[0]

    def last_observed(self, rows: BufferedRows) -> int:
        """Return the step of the last row with an observed target, -1 without one."""
        found = np.flatnonzero(_observed(rows))
        return int(self.steps(rows)[found[-1]]) if len(found) else -1

    def num_known(self, rows: BufferedRows) -> int:
        """Return the number of steps of the horizon with future covariates."""
        position_N, last = self.steps(rows), self.last_observed(rows)
        ahead_N = (position_N > last) & (position_N <= last + self.horizon)
        return int((ahead_N & rows["known"].numpy()).sum())

    def append(self, before: BufferedRows, new: BufferedRows) -> BufferedRows:
        """Append rows; those known in advance are replaced by those measured.

        Raises:
            UserError: a row is not later than the last with a target, or not on the time grid.
        """
        kept = np.arange(len(before["time_ns"]))
        if self.frequency is not None:
            seen_ns, new_ns = before["time_ns"].numpy(), new["time_ns"].numpy()
            observed_ns = seen_ns[_observed(before)]
            if len(observed_ns) and new_ns[0] <= observed_ns[-1]:
                raise UserError(
                    f"a row of {format_time(new_ns[0])} pushed after one of "
                    f"{format_time(observed_ns[-1])}: rows must come in order of time, each once"
                )
            kept = kept[~np.isin(seen_ns, new_ns)]
        joined = {k: torch.cat([before[k][torch.from_numpy(kept)], new[k]]) for k in new}
        if self.frequency is None:
            return joined
        order = torch.argsort(joined["time_ns"], stable=True)
        joined = {k: column[order] for k, column in joined.items()}
        self._check_steps(joined, self.frequency)
        return joined

    def _check_steps(self, rows: BufferedRows, frequency: Frequency) -> None:
        times_ns = rows["time_ns"].numpy()
        position_N, exact_N = frequency.ordinals(times_ns, times_ns[:1])
        wrong_N = ~exact_N | (np.diff(position_N, prepend=-1) < 1)
        if wrong_N.any():
            raise UserError(
                f"a row of {format_time(times_ns[wrong_N.argmax()])} is not on the steps of "
                f"frequency {frequency.alias!r} from {format_time(times_ns[0])}"
            )

    def trim(self, rows: BufferedRows) -> tuple[BufferedRows, int]:
        """Drop rows that no later forecast needs; return the rows and the steps dropped before."""
        position_N, last = self.steps(rows), self.last_observed(rows)
        # The last row up to the window's start: steps are counted from a row.
        before = np.flatnonzero(position_N <= last + 1 - self.lookback)
        first = int(before[-1]) if len(before) else 0
        near = position_N <= max(last + self.horizon, 0)
        recent = position_N > position_N[-1] - self.lookback
        kept = np.flatnonzero((near | recent) & (np.arange(len(position_N)) >= first))
        index = torch.from_numpy(kept)
        return {k: column[index] for k, column in rows.items()}, int(position_N[kept[0]])

    def cut_window(
        self, rows: BufferedRows, static_S: Tensor, scale: dict[str, Any], series: str, dropped: int
    ) -> tuple[ForecastBatch, InferenceWindow]:
        """Return the window whose lookback ends with the last observed target, as a batch of 1.

        Args:
            rows: at least a lookback up to that target.
            static_S: encoded static covariates.
            scale: the series' entry in ``target_scale``.
            series: its name.
            dropped: steps before the first row.
        """
        schema, lookback = self.schema, self.lookback
        position_N = self.steps(rows)
        end = self.last_observed(rows) + 1
        steps_L = np.arange(end - lookback, end + self.horizon)
        place_L = np.searchsorted(position_N, steps_L).clip(max=len(position_N) - 1)
        present_L1 = torch.from_numpy(position_N[place_L] == steps_L).unsqueeze(1)
        place = torch.from_numpy(place_L)
        target_LC = torch.where(present_L1, rows["target"][place], torch.nan)
        past_LF, future_LG = (
            torch.where(present_L1, rows[name][place], self._missing(name))
            for name in ("past", "future")
        )
        times: NDArray[Any] = steps_L + dropped
        if self.frequency is not None:
            first_ns = rows["time_ns"].numpy()[:1]
            times = self.frequency.times(first_ns, steps_L).view("datetime64[ns]")
            calendar = torch.from_numpy(calendar_features(times, schema["calendar"]))
            future_LG = torch.cat([future_LG, calendar], dim=1)
        past_LF = torch.cat([past_LF, future_LG], dim=1)
        mean_C, std_C, naive_C = (
            torch.tensor(scale[key], dtype=torch.float64) for key in ("mean", "std", "naive")
        )
        scaled_LC = ((target_LC - mean_C) / std_C).float()
        parts = (
            scaled_LC[:lookback], past_LF[:lookback], future_LG[lookback:], static_S,
            scaled_LC[lookback:], mean_C.float(), std_C.float(), naive_C.float(),
            torch.tensor(0), torch.tensor(end + dropped),
        )  # fmt: skip
        window = InferenceWindow(series, times[:lookback], times[lookback:])
        return ForecastBatch(*(part.unsqueeze(0) for part in parts)), window

    def _missing(self, role: str) -> Tensor:
        """Return the covariates that :func:`encode` gives a step without a row."""
        features: list[float] = []
        for column in self.schema[f"{role}_covariates"]:
            features += [0.0] * len(self.schema["categories"].get(column, [0]))
            features += [1.0] * (column in self.schema["missing_flags"])
        return torch.tensor(features)


def _observed(rows: BufferedRows) -> NDArray[np.bool_]:
    observed: NDArray[np.bool_] = (~torch.isnan(rows["target"])).any(1).numpy()
    return observed
