"""Recent rows of a streamed series.

Shapes: N rows, C targets, F past and G future features other than the calendar, S static features;
    T lookback steps, P horizon steps.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.errors import UserError

from ..batches.calendar_features import calendar_features
from ..batches.covariates import features_size
from ..batches.forecast_batch import InferenceWindow
from ..batches.series import SeriesSet, series_numbers
from ..batches.windows import WindowSet
from ..reading.frequency import Frequency, Int64
from ..reading.sorting import format_time
from ..reading.time_grid import TimeGrid
from ..reading.zone import zone_of

BufferedRows = dict[str, Tensor]
"""``time_ns`` (N,), zeros without times; ``target`` (N, C), NaN where missing; ``past`` (N, F) and
``future`` (N, G), encoded; ``known`` (N,): whether the future covariates have values."""


class SeriesBuffer:
    """Appends and trims the rows of series, and cuts windows from them, by a schema."""

    def __init__(
        self, schema: dict[str, Any], frequency: Frequency | None, memory: int = 0
    ) -> None:
        """Set the schema.

        Args:
            schema: from training.
            frequency: distance between steps; None without times.
            memory: steps before a lookback that are kept.
        """
        self.memory = memory
        self.schema, self.frequency = schema, frequency
        self.lookback, self.horizon = int(schema["lookback"]), int(schema["horizon"])
        self.min_lookback = int(schema.get("min_lookback", self.lookback))

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
        kept_steps = self.lookback + self.memory
        before = np.flatnonzero(position_N <= last + 1 - kept_steps)
        first = int(before[-1]) if len(before) else 0
        near = position_N <= max(last + self.horizon, 0)
        recent = position_N > position_N[-1] - kept_steps
        kept = np.flatnonzero((near | recent) & (np.arange(len(position_N)) >= first))
        index = torch.from_numpy(kept)
        return {k: column[index] for k, column in rows.items()}, int(position_N[kept[0]])

    def last_window(
        self, rows: BufferedRows, static_S: Tensor, scale: dict[str, Any], series: str, dropped: int
    ) -> tuple[WindowSet, InferenceWindow]:
        """Return the window whose lookback ends with the last observed target, as a set of one.

        Args:
            rows: at least a lookback up to that target.
            static_S: encoded static covariates.
            scale: the series' entry in ``target_scale``.
            series: its name.
            dropped: steps before the first row.

        Returns:
            The window over the rows that its interval may depend on, and its name and times.
        """
        schema, lookback = self.schema, self.lookback
        position_N = self.steps(rows)
        origin = self.memory + lookback
        first = self.last_observed(rows) + 1 - origin
        steps_L = np.arange(first, first + origin + self.horizon)
        place_L = np.searchsorted(position_N, steps_L).clip(max=len(position_N) - 1)
        present_L1 = torch.from_numpy(position_N[place_L] == steps_L).unsqueeze(1)
        place = torch.from_numpy(place_L)
        target_LC = torch.where(present_L1, rows["target"][place], torch.nan).numpy()
        past_LF, future_LG = (
            torch.where(present_L1, rows[name][place], self._missing(name)).numpy()
            for name in ("past", "future")
        )
        grid = TimeGrid(
            [series],
            np.array([0, len(steps_L)]),
            np.where(present_L1[:, 0], place_L, -1),
            first_step_S=np.array([first + dropped]),
        )
        times: NDArray[Any] = steps_L + dropped
        if self.frequency is not None:
            first_ns = rows["time_ns"].numpy()[:1]
            times = self.frequency.times(first_ns, steps_L).view("datetime64[ns]")
            grid = replace(grid, time=times, frequency=self.frequency)
            zone = zone_of(schema)
            clock = times if zone is None else zone.local(times)
            calendar = calendar_features(clock, schema["calendar"])
            future_LG = np.concatenate([future_LG, calendar], axis=1)
        mean_1C, std_1C, naive_1C = (np.array([scale[key]]) for key in ("mean", "std", "naive"))
        encoded = SeriesSet(
            grid,
            target_LC,
            ((target_LC - mean_1C) / std_1C).astype(np.float32),
            np.concatenate([past_LF, future_LG], axis=1),
            future_LG,
            static_S[None].numpy(),
            mean_1C,
            std_1C,
            naive_1C,
            series_numbers(schema, [series]),
        )
        zero = np.zeros(1, np.int64)
        windows = WindowSet(encoded, zero, zero + origin, lookback, self.horizon)
        past, future = times[self.memory : origin], times[origin:]
        return windows, InferenceWindow(series, past, future)

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
