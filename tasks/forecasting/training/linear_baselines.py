"""Linear baselines: ridge regression from lookback to horizon in closed form.

Shapes: B windows, T lookback steps, P horizon steps, C targets; R rows and F features of a
regression, O its outputs, K chosen features.
"""

from collections.abc import Callable, Iterator
from math import ceil
from typing import Protocol

import torch
from torch import Tensor

from ..batches.forecast_batch import ForecastBatch
from ..network.linear_skip import future_stride, lookbacks_within
from .ridge_regression import NormalEquations, select_ridge

MAX_FEATURES, FEW_FEATURES = 4_000, 1_000
# Above FEW_FEATURES; with fewer rows, longer lookbacks only cost time.
ROWS_PER_FEATURE = 4
# Features x outputs: 40 MB a matrix, and a fit has a few of them.
MAX_WEIGHTS = 5_000_000
# Rows x features^2, some 5 s on one core; beyond it, evenly spaced windows are fitted.
MAX_WORK = 2e11
CHUNK_WINDOWS, CHUNK_FLOATS = 2048, 2**24

Forecaster = Callable[[ForecastBatch], Tensor]


class Windows(Protocol):
    """Windows of one part of the data, such as a ``WindowSet``."""

    def __len__(self) -> int:
        """Return the number of windows."""

    def batch(self, indices: Tensor) -> ForecastBatch:
        """Return the windows at ``indices`` (int64)."""


def window_batches(windows: Windows, limit: int | None = None) -> Iterator[ForecastBatch]:
    """Yield batches of windows in order, bounded in memory; evenly spaced ones beyond ``limit``."""
    count = len(windows)
    if limit is not None and limit < count:
        index = torch.arange(limit) * count // limit
    else:
        index = torch.arange(count)
    if count:
        first = windows.batch(index[:1])
        floats = sum(part.numel() for part in (first.target_BTC, first.past_BTF, first.future_BPF))
        size = min(CHUNK_WINDOWS, max(1, CHUNK_FLOATS // (floats + 8 * first.truth_BPC.numel())))
        yield from map(windows.batch, index.split(size))


def fit_limit(windows: Windows, limit: int) -> int:
    """Return the number of windows to fit on: fewer of windows that are slow to gather."""
    return min(limit, int(getattr(windows, "max_fitted", limit)))


def fill_past(target_BTC: Tensor) -> Tensor:
    """Forward-fill missing steps, leading ones with the last value; 0 if all are missing."""
    observed_BTC = ~target_BTC.isnan()
    if observed_BTC.all():
        return target_BTC
    steps_T1 = torch.arange(1, target_BTC.size(1) + 1).unsqueeze(1)
    latest_BTC = (observed_BTC * steps_T1).cummax(1).values  # 0: none observed so far
    filled_BTC = target_BTC.nan_to_num().gather(1, (latest_BTC - 1).clamp(min=0))
    return torch.where(latest_BTC > 0, filled_BTC, filled_BTC[:, -1:])


class Design(Protocol):
    """Design matrix of a regression on changes since the last observed value.

    Columns are levels (the last values themselves, which a fit may leave out), bias, covariates
    that belong to any lookback, then past steps backwards from the latest: each fit takes a slice.
    """

    lookbacks: list[int]  # candidates
    rows_per_window: int
    num_levels: int

    def width(self, lookback: int) -> int:
        """Return the number of columns up to a lookback."""

    def features(self, batch: ForecastBatch, filled_BTC: Tensor) -> Tensor:
        """Return the rows (R, F) of a batch and its filled past, up to the longest lookback."""

    def to_outputs(self, change_BPC: Tensor) -> Tensor:
        """Return the horizon as outputs (R, O)."""

    def from_outputs(self, output_RO: Tensor, num_targets: int) -> Tensor:
        """Undo ``to_outputs``."""


class LinearDesign:
    """One row for each window and target (NLinear): bias and past changes of the target."""

    num_levels = 0

    def __init__(self, example: ForecastBatch) -> None:
        """Set the sizes by the shapes of a batch."""
        _, lookback, self.rows_per_window = example.target_BTC.shape
        cap = min(MAX_FEATURES, MAX_WEIGHTS // example.truth_BPC.size(1))
        self.lookbacks = lookbacks_within(lookback, cap - 1)

    def width(self, lookback: int) -> int:
        """Return the number of columns up to a lookback."""
        return 1 + lookback

    def features(self, batch: ForecastBatch, filled_BTC: Tensor) -> Tensor:
        """Return bias and past changes (R, F)."""
        change_BTC = filled_BTC[:, -self.lookbacks[-1] :] - filled_BTC[:, -1:]
        change_RT = self.to_outputs(change_BTC.flip(1))
        return torch.cat([change_RT.new_ones(len(change_RT), 1), change_RT], 1)

    def to_outputs(self, change_BPC: Tensor) -> Tensor:
        """Return the horizon as outputs (R, O), a row for each window and target."""
        return change_BPC.transpose(1, 2).flatten(0, 1)

    def from_outputs(self, output_RO: Tensor, num_targets: int) -> Tensor:
        """Undo ``to_outputs``."""
        return output_RO.view(-1, num_targets, output_RO.size(1)).transpose(1, 2)


class RidgeDesign:
    """One row for each window: bias, past of all targets, past, future and static covariates.

    ``lookbacks`` is empty where one past step already exceeds the limit of features.
    """

    rows_per_window = 1

    def __init__(self, example: ForecastBatch, num_rows: int) -> None:
        """Set sizes by the shapes of a batch, and the largest lookback by the number of rows."""
        _, lookback, self.num_levels = example.target_BTC.shape
        _, horizon, future = example.future_BPF.shape
        cap = min(MAX_FEATURES, max(FEW_FEATURES, num_rows // ROWS_PER_FEATURE))
        cap = min(cap, MAX_WEIGHTS // (horizon * self.num_levels))
        self.future_stride = future_stride(horizon, future, cap)
        future_steps = ceil(horizon / self.future_stride)
        self.context_size = future_steps * future + example.static_BS.size(1)
        self.per_step = self.num_levels + example.past_BTF.size(2)
        self.lookbacks = lookbacks_within(lookback, (cap - self.width(0)) // self.per_step)

    def width(self, lookback: int) -> int:
        """Return the number of columns up to a lookback."""
        return self.num_levels + 1 + self.context_size + lookback * self.per_step

    def features(self, batch: ForecastBatch, filled_BTC: Tensor) -> Tensor:
        """Return levels, bias, future and static covariates, and the past (B, F)."""
        longest, last_B1C = self.lookbacks[-1], filled_BTC[:, -1:]
        change_BTC = filled_BTC[:, -longest:] - last_B1C
        past_BTF = torch.cat([change_BTC, batch.past_BTF[:, -longest:]], 2).flip(1)
        bias_B1 = past_BTF.new_ones(len(past_BTF), 1)
        future_BPF = batch.future_BPF[:, :: self.future_stride]
        before = last_B1C.flatten(1), bias_B1, future_BPF.flatten(1), batch.static_BS
        return torch.cat([*before, past_BTF.flatten(1)], 1)

    def to_outputs(self, change_BPC: Tensor) -> Tensor:
        """Return the horizon as outputs (B, P * C)."""
        return change_BPC.flatten(1)

    def from_outputs(self, output_RO: Tensor, num_targets: int) -> Tensor:
        """Undo ``to_outputs``."""
        return output_RO.view(len(output_RO), -1, num_targets)


class LeastSquares:
    """Ridge regression on a design, lookback and penalty chosen on other windows.

    Attributes:
        lookback: chosen past steps.
        alpha: chosen penalty, per row.
        weight_FO: weights in float32, 0 for features that were not chosen.
    """

    def __init__(
        self, design: Design, train: Windows, selection: Windows, fill: Forecaster
    ) -> None:
        """Fit on ``train`` and choose on ``selection``, by mean squared error.

        Args:
            design: rows of the regression.
            train: windows of the fit.
            selection: windows that choose lookback, penalty, and whether the level is a feature.
            fill: imputes missing truths, z-scored (B, P, C).
        """
        self.design, self.fill = design, fill
        fit = select_ridge(
            self._normal_equations(train, MAX_WORK),
            self._normal_equations(selection, MAX_WORK / 2),
            design.lookbacks,
            design.width,
            design.num_levels,
        )
        self.lookback, self.alpha, self.weight_FO = fit.lookback, fit.alpha, fit.weight_FO

    def __call__(self, batch: ForecastBatch) -> Tensor:
        """Forecast a batch: z-scored points (B, P, C)."""
        filled_BTC = fill_past(batch.target_BTC)
        last_B1C = filled_BTC[:, -1:]
        output_RO = self.design.features(batch, filled_BTC) @ self.weight_FO
        return self.design.from_outputs(output_RO, last_B1C.size(2)) + last_B1C

    def _normal_equations(self, windows: Windows, work: float) -> NormalEquations:
        size = self.design.width(self.design.lookbacks[-1])
        limit = fit_limit(windows, max(1, int(work / size**2 / self.design.rows_per_window)))
        total: NormalEquations | None = None
        for batch in window_batches(windows, limit):
            filled_BTC, truth_BPC = fill_past(batch.target_BTC), batch.truth_BPC
            missing_BPC = truth_BPC.isnan()
            if missing_BPC.any():
                truth_BPC = torch.where(missing_BPC, self.fill(batch), truth_BPC)
            x_RF = self.design.features(batch, filled_BTC)
            y_RO = self.design.to_outputs(truth_BPC - filled_BTC[:, -1:])
            total = total or NormalEquations(size, y_RO.size(1))
            total.add(x_RF, y_RO)
        if total is None:
            raise ValueError("a regression needs at least one window")
        return total
