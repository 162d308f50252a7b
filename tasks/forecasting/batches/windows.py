"""Windows of lookback and horizon over encoded series.

A batch is one indexed copy for each tensor from flat arrays of all series, without a loop over
windows.

Shapes: B windows, T lookback steps, P horizon steps, C targets, F past features, G future
    features, S static features or series; N flat steps of all series; W all windows of a set.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..reading.frequency import Int64
from ..reading.time_grid import TimeGrid
from .forecast_batch import ForecastBatch
from .series import SeriesSet


class WindowSet(Dataset[ForecastBatch]):
    """Windows of series as a data set.

    A DataLoader needs the identity as ``collate_fn``: ``__getitems__`` returns a batch.
    """

    def __init__(
        self, series: SeriesSet, series_W: Int64, origins_W: Int64, lookback: int, horizon: int
    ) -> None:
        """Set the windows.

        Args:
            series: the series.
            series_W: series of each window.
            origins_W: first horizon step of each window, counted from the start of its series.
            lookback: past steps.
            horizon: steps to forecast.
        """
        self.series, self.lookback, self.horizon = series, lookback, horizon
        self.series_W = torch.from_numpy(series_W.astype(np.int64))
        self.origins_W = torch.from_numpy(origins_W.astype(np.int64))
        self._flat_W = torch.from_numpy(series.offsets[series_W] + origins_W)
        # Contiguous, as cut reads them.
        self._scaled_NC, self._past_NF, self._future_NG = (
            torch.from_numpy(np.ascontiguousarray(values))
            for values in (series.scaled, series.past, series.future)
        )
        self._static = torch.from_numpy(series.static)
        self._number = torch.from_numpy(series.number_S)
        self._mean, self._std, self._naive = (
            torch.from_numpy(values.astype(np.float32))
            for values in (series.mean, series.std, series.naive)
        )

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.series_W)

    def __getitem__(self, index: int) -> ForecastBatch:
        """Return one window, as a batch of 1."""
        return self.batch([range(len(self))[index]])

    def __getitems__(self, indices: Sequence[int]) -> ForecastBatch:
        """Return the windows as one batch."""
        return self.batch(indices)

    def select(self, indices: Int64) -> "WindowSet":
        """Return some of the windows."""
        series_W, origins_W = self.series_W.numpy()[indices], self.origins_W.numpy()[indices]
        return WindowSet(self.series, series_W, origins_W, self.lookback, self.horizon)

    def at(self, series_W: Int64, origins_W: Int64) -> "WindowSet":
        """Return other windows of the same series."""
        return WindowSet(self.series, series_W, origins_W, self.lookback, self.horizon)

    def batch(self, indices: Sequence[int] | Int64 | Tensor) -> ForecastBatch:
        """Return windows by index."""
        index_B = torch.as_tensor(indices, dtype=torch.int64)
        flat_B, series_B = self._flat_W[index_B], self.series_W[index_B]
        past_B = flat_B - self.lookback
        return ForecastBatch(
            target_BTC=cut(self._scaled_NC, past_B, self.lookback),
            past_BTF=cut(self._past_NF, past_B, self.lookback),
            future_BPF=cut(self._future_NG, flat_B, self.horizon),
            static_BS=self._static[series_B],
            truth_BPC=cut(self._scaled_NC, flat_B, self.horizon),
            mean_BC=self._mean[series_B],
            std_BC=self._std[series_B],
            naive_BC=self._naive[series_B],
            series_B=self._number[series_B],
            origin_B=self.origins_W[index_B],
        )


def cut(flat_NF: Tensor, starts_B: Tensor, length: int) -> Tensor:
    """Return ``length`` steps from each start, shape (B, length, F)."""
    num_steps, size = flat_NF.shape
    # Overlapping rows of length * F numbers: a window is copied as one block, 3x faster than step
    # by step.
    every_window = flat_NF.as_strided((max(num_steps - length + 1, 0), length * size), (size, 1))
    return every_window.index_select(0, starts_B).view(len(starts_B), length, size)


def make_windows(
    series: SeriesSet, starts_S: Int64, ends_S: Int64, lookback: int, horizon: int, stride: int = 1
) -> tuple[WindowSet, int]:
    """Return the windows whose horizons lie within a part of each series.

    Args:
        series: the series.
        starts_S: first step of the part in each series; a lookback may begin before it.
        ends_S: end of the part.
        lookback: past steps.
        horizon: steps to forecast.
        stride: steps between windows.

    Returns:
        The windows, by series and time, and the number of those dropped for lack of an observed
        target in the lookback or in the horizon.
    """
    missing = np.asarray(np.isnan(series.target).all(axis=1))
    sizes = lookback, horizon, stride
    series_W, origins_W, dropped = find_windows(series.offsets, missing, starts_S, ends_S, *sizes)
    return WindowSet(series, series_W, origins_W, lookback, horizon), dropped


def find_windows(
    offsets: Int64,
    missing: NDArray[np.bool_],
    starts_S: Int64,
    ends_S: Int64,
    lookback: int,
    horizon: int,
    stride: int,
) -> tuple[Int64, Int64, int]:
    """Return series and origin of the windows of :func:`make_windows`, and the number dropped.

    Args:
        offsets: first flat step of each series, and the end.
        missing: whether a flat step has no observed target.
        starts_S: first step of the part in each series.
        ends_S: end of the part.
        lookback: past steps.
        horizon: steps to forecast.
        stride: steps between windows.
    """
    firsts = np.maximum(starts_S, lookback)
    counts = np.maximum((ends_S - horizon - firsts) // stride + 1, 0)
    series_W = np.repeat(np.arange(len(firsts)), counts)
    number_W = np.arange(len(series_W)) - np.repeat(np.cumsum(counts) - counts, counts)
    origins_W = firsts[series_W] + number_W * stride
    observed = np.concatenate(([0], np.cumsum(~missing)))
    flat_W = offsets[series_W] + origins_W
    keep_W = (observed[flat_W] > observed[flat_W - lookback]) & (
        observed[flat_W + horizon] > observed[flat_W]
    )
    return series_W[keep_W], origins_W[keep_W], int((~keep_W).sum())


def most_recent(windows: WindowSet, share: float) -> WindowSet:
    """Return the most recent share of the windows of each series, at least one."""
    if share == 1:
        return windows
    series_W = windows.series_W.numpy()
    count_S = np.bincount(series_W)
    # By series and time: a window's place among those of its series, from the end.
    place_W = np.cumsum(count_S)[series_W] - np.arange(len(series_W))
    kept_S = np.maximum(np.round(share * count_S), 1)
    return windows.select(np.flatnonzero(place_W <= kept_S[series_W]))


def observed_ends(grid: TimeGrid, target: NDArray[np.float64]) -> Int64:
    """Return the step after the last observed target of each series; 0 without one."""
    observed = ~np.isnan(target).all(axis=1)
    ends: Int64 = np.maximum.reduceat(np.where(observed, grid.position + 1, 0), grid.offsets[:-1])
    return ends
