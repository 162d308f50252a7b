"""Batches of windows as the model takes them, and its output.

Shapes: B windows, T lookback steps, P horizon steps, C targets, F past features, G future features,
    S static features, Q quantiles.
"""

from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor

from ..reading.zone import Zone


class ForecastBatch(NamedTuple):
    """Windows as float32 tensors; targets are z-scored, NaN where missing.

    Attributes:
        target_BTC: past target values, z-scored by series.
        past_BTF: past covariates, and the past of the future ones.
        future_BPF: future covariates and calendar over the horizon.
        static_BS: static covariates.
        truth_BPC: target values over the horizon, z-scored.
        mean_BC: mean that was subtracted, in the target's own unit.
        std_BC: standard deviation that was divided by, in the target's own unit; positive.
        naive_BC: mean absolute seasonal difference of the training part, in the target's own unit;
            positive.
        series_B: int64 index of the series in the schema's ``target_scale``; for a series that it
            does not know -1, -2, ... in the order of the table.
        origin_B: int64 first step of the horizon in its series.
    """

    target_BTC: Tensor
    past_BTF: Tensor
    future_BPF: Tensor
    static_BS: Tensor
    truth_BPC: Tensor
    mean_BC: Tensor
    std_BC: Tensor
    naive_BC: Tensor
    series_B: Tensor
    origin_B: Tensor


class ForecastOutput(NamedTuple):
    """Forecasts of a batch in z-scored units.

    Attributes:
        point_BPC: medians, or the single forecasts of a model without quantiles.
        quantiles_BPCQ: forecasts at the quantile levels, rising; None without quantiles.
        calibrated: whether the quantiles are those of a split calibration.
    """

    point_BPC: Tensor
    quantiles_BPCQ: Tensor | None
    calibrated: bool = False


class InferenceWindow(NamedTuple):
    """Series and times of a window.

    Attributes:
        series: name of the series.
        past_time: times of the lookback: datetime64[ns], or int64 step numbers (0 the first row)
            without a time column.
        future_time: times of the horizon, the same way.
        zone: by which the times are told; None where they have none.
    """

    series: str
    past_time: NDArray[Any]
    future_time: NDArray[Any]
    zone: Zone | None = None

    def clock(self, times: NDArray[Any]) -> NDArray[Any]:
        """Return times of the window as clocks of its zone show them; step numbers as they are."""
        return times if self.zone is None else self.zone.local(times)
