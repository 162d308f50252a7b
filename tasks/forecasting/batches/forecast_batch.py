"""Batches of windows as the model takes them, and its output.

Shapes: B windows, T lookback steps, P horizon steps, C targets, F past features, G future features,
    S static features, Q quantiles.
"""

from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor


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
        series_B: int64 index of the series.
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
    """

    point_BPC: Tensor
    quantiles_BPCQ: Tensor | None


class InferenceWindow(NamedTuple):
    """Series and times of a window.

    Attributes:
        series: name of the series.
        past_time: times of the lookback: datetime64[ns], or int64 step numbers (0 the first row)
            without a time column.
        future_time: times of the horizon, the same way.
    """

    series: str
    past_time: NDArray[Any]
    future_time: NDArray[Any]
