"""Windows of series in memory-mapped columns, gathered and scaled batch by batch.

Shapes: B windows, T lookback steps, P horizon steps, C targets, F past features, G future
    features, S static features or series; L steps of a cut; W windows, U runs of windows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...reading.frequency import Int64
from ...reading.stored.columns import StoredColumns
from ...reading.stored.grid_times import GridTimes
from ...reading.stored.mapped_columns import release
from ...reading.time_grid import TimeGrid
from ...reading.zone import zone_of
from ..calendar_features import calendar_features
from ..forecast_batch import ForecastBatch
from ..series import Float32, Float64, Series
from ..windows import WindowSet, cut

# Windows after which pages are released; the system maps some 64 KB for each.
_RELEASE_WINDOWS = 256


class Runs(NamedTuple):
    """Runs of windows at equal distances in a series.

    Attributes:
        series_U: series of each run.
        first_U: origin of its first window.
        count_U: windows.
        stride: steps between the windows of a run.
    """

    series_U: Int64
    first_U: Int64
    count_U: Int64
    stride: int


@dataclass(frozen=True)
class StoredSeries:
    """Series of which windows are gathered from files.

    Attributes:
        columns: their values.
        schema: by which values are encoded.
        static: static features: (series, static features).
        mean: of each series and target.
        std: standard deviation, the same way.
        naive: mean absolute seasonal difference, the same way.
        number_S: index of each series in the schema's ``target_scale``.
    """

    columns: StoredColumns
    schema: Mapping[str, Any]
    static: Float32
    mean: Float64
    std: Float64
    naive: Float64
    number_S: Int64

    @property
    def grid(self) -> TimeGrid:
        """Names, offsets and times of the steps."""
        return self.columns.grid

    @property
    def offsets(self) -> Int64:
        """First flat step of each series, and the end."""
        return self.grid.offsets

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.grid.names)

    def __getitem__(self, index: int) -> Series:
        """Return name, times and targets of one series, without its features."""
        steps = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        time = None if self.grid.time is None else self.grid.time[steps]
        target = self.columns.read(self.schema["targets"], slice(index, index + 1))
        none = np.zeros((len(target), 0), np.float32)
        return Series(self.grid.names[index], time, target, none, none, self.static[index])

    def targets(self, starts_B: Tensor, length: int, series_B: Tensor) -> Tensor:
        """Return z-scored targets from each start, shape (B, L, C)."""
        raw_BLC = self._raw(self.schema["targets"], starts_B, length).double()
        index_B = series_B.numpy()
        mean_BC, std_BC = torch.from_numpy(self.mean[index_B]), torch.from_numpy(self.std[index_B])
        return ((raw_BLC - mean_BC[:, None]) / std_BC[:, None]).float()

    def features(self, role: str, starts_B: Tensor, length: int, series_B: Tensor) -> list[Tensor]:
        """Return encoded covariates of a role from each start, each of shape (B, L, 1)."""
        found = []
        for name in self.schema[role]:
            raw_BL1 = self._raw([name], starts_B, length).double()
            missing_BL1 = raw_BL1.isnan()
            mean, std = self.schema["covariate_scale"][name]
            found.append(((raw_BL1 - mean) / std).masked_fill(missing_BL1, 0).float())
            if name in self.schema["missing_flags"]:
                found.append(missing_BL1.float())
        return found

    def calendar(self, starts_B: Tensor, length: int, series_B: Tensor) -> list[Tensor]:
        """Return the calendar from each start, shape (B, L, cycles), in a list; none without."""
        time: Any = self.grid.time
        if not self.schema["calendar"] or not isinstance(time, GridTimes):
            return []
        series_B1 = series_B.numpy()[:, None]
        position_BL = starts_B.numpy()[:, None] - self.offsets[series_B1] + np.arange(length)
        times = time.at(series_B1, position_BL).ravel()
        zone = zone_of(self.schema)
        clock = times if zone is None else zone.local(times)
        found = calendar_features(clock, self.schema["calendar"])
        return [torch.from_numpy(found).view(len(starts_B), length, -1)]

    def release(self) -> None:
        """Take the columns out of this process's memory."""
        for column in self.columns.values.values():
            release(column)

    def _raw(self, names: Sequence[str], starts_B: Tensor, length: int) -> Tensor:
        parts = []
        for name in names:
            column = self.columns.values[name]
            flat_N1, cuts = torch.from_numpy(column).unsqueeze(1), []
            for piece_B in starts_B.split(_RELEASE_WINDOWS):
                cuts.append(cut(flat_N1, piece_B, length))
                if len(starts_B) > _RELEASE_WINDOWS:
                    release(column)
            parts.append(torch.cat(cuts))
        return torch.cat(parts, dim=2)


class StoredWindowSet(WindowSet):
    """A :class:`WindowSet` that holds runs of windows and gathers values from files.

    Attributes:
        max_fitted: windows that closed-form fits take; more of them change little but the time.
    """

    max_fitted = 100_000

    def __init__(self, series: StoredSeries, runs: Runs, lookback: int, horizon: int) -> None:
        """Set the windows.

        Args:
            series: the series.
            runs: of windows.
            lookback: past steps.
            horizon: steps to forecast.
        """
        self.stored, self.runs = series, runs
        self.series = series  # type: ignore[assignment]
        self.lookback, self.horizon = lookback, horizon
        self._ends_U = np.cumsum(runs.count_U)
        self._gathered = 0
        self._mean, self._std, self._naive = (
            torch.from_numpy(values.astype(np.float32))
            for values in (series.mean, series.std, series.naive)
        )

    def __len__(self) -> int:
        """Return the number of windows."""
        return int(self._ends_U[-1]) if len(self._ends_U) else 0

    @property
    def series_W(self) -> Tensor:  # type: ignore[override]
        """Series of each window; takes memory for all of them."""
        return torch.from_numpy(np.repeat(self.runs.series_U, self.runs.count_U))

    @property
    def origins_W(self) -> Tensor:  # type: ignore[override]
        """First horizon step of each window; takes memory for all of them."""
        return torch.from_numpy(self.places(np.arange(len(self)))[1])

    def places(self, index_B: Int64) -> tuple[Int64, Int64]:
        """Return series and origin of windows."""
        run_B = np.searchsorted(self._ends_U, index_B, side="right")
        number_B = index_B - (self._ends_U - self.runs.count_U)[run_B]
        origins_B = self.runs.first_U[run_B] + number_B * self.runs.stride
        return self.runs.series_U[run_B], origins_B

    def select(self, indices: Int64) -> "StoredWindowSet":
        """Return some of the windows."""
        return self.at(*self.places(np.asarray(indices, np.int64)))

    def at(self, series_W: Int64, origins_W: Int64) -> "StoredWindowSet":
        """Return other windows of the same series."""
        ones = np.ones(len(series_W), np.int64)
        runs = Runs(series_W, origins_W, ones, 1)
        return StoredWindowSet(self.stored, runs, self.lookback, self.horizon)

    def batch(self, indices: Sequence[int] | NDArray[np.int64] | Tensor) -> ForecastBatch:
        """Return windows by index."""
        index_B = torch.as_tensor(indices, dtype=torch.int64).numpy()
        places = self.places(index_B)
        series_B, origin_B = (torch.from_numpy(np.ascontiguousarray(each)) for each in places)
        series, lookback, horizon = self.stored, self.lookback, self.horizon
        flat_B = torch.from_numpy(series.offsets[places[0]]) + origin_B
        past, ahead = (flat_B - lookback, lookback, series_B), (flat_B, horizon, series_B)
        known = [*series.features("future_covariates", *past), *series.calendar(*past)]
        future = [*series.features("future_covariates", *ahead), *series.calendar(*ahead)]
        batch = ForecastBatch(
            target_BTC=series.targets(*past),
            past_BTF=_joined([*series.features("past_covariates", *past), *known], *past),
            future_BPF=_joined(future, *ahead),
            static_BS=torch.from_numpy(series.static)[series_B],
            truth_BPC=series.targets(*ahead),
            mean_BC=self._mean[series_B],
            std_BC=self._std[series_B],
            naive_BC=self._naive[series_B],
            series_B=torch.from_numpy(series.number_S)[series_B],
            origin_B=origin_B,
        )
        self._gathered += len(index_B)
        if self._gathered >= _RELEASE_WINDOWS:
            series.release()
            self._gathered = 0
        return batch


def _joined(parts: list[Tensor], starts_B: Tensor, length: int, series_B: Tensor) -> Tensor:
    return torch.cat(parts, dim=2) if parts else torch.zeros(len(starts_B), length, 0)
