"""Baselines on the model's windows and metrics: naive, seasonal naive, linear, ridge.

Shapes: B windows, T lookback steps, P horizon steps, C targets, N validation windows, Q quantiles.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batches.forecast_batch import ForecastBatch
from ..inference.split_calibration import stretched
from .linear_baselines import (
    Forecaster,
    LeastSquares,
    LinearDesign,
    RidgeDesign,
    Windows,
    fill_past,
    fit_limit,
    window_batches,
)
from .metrics import ForecastMetrics

Adaptation = Callable[[Callable[[ForecastBatch], Tensor]], Tensor]
"""From a forecaster of quantiles to the factors of all windows, shape (W, C, Q)."""

MAX_RESIDUALS = 20_000_000
# Below, a 10 % quantile would rest on fewer than three windows.
MIN_WINDOWS_PER_STEP = 30


def baseline_scores(
    windows: Mapping[str, Windows],
    schema: Mapping[str, Any],
    quantiles: Sequence[float],
    stage: str,
    adapt: Adaptation | None = None,
) -> dict[str, dict[str, float]]:
    """Fit every baseline on the training windows and score it on all windows of one part.

    Args:
        windows: the parts ``train``, ``val`` and ``stage``. ``val`` chooses lookback and penalty
            and gives the residuals of the intervals; if it is empty, ``train`` does.
        schema: of the data; its ``season_length`` (steps, or None) is read.
        quantiles: levels in (0, 1) of quantile metrics; empty for point metrics alone.
        stage: part to score: ``test``, or ``val``, on which the choices make scores optimistic.
        adapt: adapts the intervals as those of the model; None leaves them.

    Returns:
        Baseline name to the metrics of ``ForecastMetrics``.

    Raises:
        ValueError: no training windows, or a quantile outside (0, 1).
    """
    metrics = ForecastMetrics(quantiles)
    selection = windows["val"] if len(windows["val"]) else windows["train"]
    forecasters = fit_baselines(windows["train"], selection, schema["season_length"])
    offsets = residual_quantiles(forecasters, selection, quantiles)
    scores = {name: metrics.clone() for name in forecasters}
    for name, forecaster in forecasters.items():
        intervals = partial(_intervals, forecaster=forecaster, offset_PCQ=offsets[name])
        factor_WCQ = adapt(intervals) if adapt and quantiles else None
        start = 0
        for batch in window_batches(windows[stage]):
            point_BPC = forecaster(batch)
            quantile_BPCQ = intervals(batch) if quantiles else None
            if quantile_BPCQ is not None and factor_WCQ is not None:
                factor_BCQ = factor_WCQ[start : start + len(point_BPC)]
                quantile_BPCQ = stretched(quantile_BPCQ, factor_BCQ.to(quantile_BPCQ)[:, None])
            start += len(point_BPC)
            scores[name].update(point_BPC, quantile_BPCQ, batch)
    return {
        name: {key: float(value) for key, value in metric.compute().items()}
        for name, metric in scores.items()
    }


def _intervals(batch: ForecastBatch, forecaster: Forecaster, offset_PCQ: Tensor) -> Tensor:
    return forecaster(batch).unsqueeze(-1) + offset_PCQ


def fit_baselines(
    train: Windows, selection: Windows, season_length: int | None
) -> dict[str, Forecaster]:
    """Return the baselines by name, each from a batch to z-scored points (B, P, C).

    ``last_value`` and ``seasonal_naive`` need no fit. ``linear`` (NLinear in closed form) is one
    ridge regression shared by all targets and series, from the past of a target to its horizon,
    both relative to the last observed value. ``ridge`` is a regression for each target on all that
    the model sees: the past of all targets, past, future and static covariates; it is left out
    where ``linear`` sees the same, or where one past step already exceeds the limit of features.

    Args:
        train: windows that the weights are fitted on.
        selection: windows that choose lookback and penalty, by mean squared error.
        season_length: steps of a season, or None.

    Raises:
        ValueError: ``train`` or ``selection`` is empty.
    """
    if not len(train) or not len(selection):
        raise ValueError(f"baselines need windows: {len(train)=}, {len(selection)=}")
    seasonal = partial(seasonal_naive, season_length=season_length)
    example = train.batch(torch.arange(1))
    forecasters: dict[str, Forecaster] = {
        "last_value": last_value,
        "seasonal_naive": seasonal,
        "linear": LeastSquares(LinearDesign(example), train, selection, seasonal),
    }
    ridge = RidgeDesign(example, len(train))
    if ridge.lookbacks and (ridge.per_step > 1 or ridge.context_size):
        forecasters["ridge"] = LeastSquares(ridge, train, selection, seasonal)
    return forecasters


def last_value(batch: ForecastBatch) -> Tensor:
    """Repeat each target's last observed value (0, the training mean, if there is none)."""
    return fill_past(batch.target_BTC)[:, -1:].expand_as(batch.truth_BPC)


def seasonal_naive(batch: ForecastBatch, season_length: int | None) -> Tensor:
    """Repeat the last season over the horizon.

    A missing value is replaced by that of the same phase one or more seasons before, else by the
    last observed value. Without a season, or with one longer than the lookback, this is
    ``last_value``.
    """
    lookback, horizon = batch.target_BTC.size(1), batch.truth_BPC.size(1)
    point_BPC = last_value(batch)
    if season_length is None or not 1 <= season_length <= lookback:
        return point_BPC
    season_BTC = torch.full_like(batch.target_BTC[:, :season_length], torch.nan)
    for start in range(lookback - season_length, -1, -season_length):
        older_BTC = batch.target_BTC[:, start : start + season_length]
        season_BTC = torch.where(season_BTC.isnan(), older_BTC, season_BTC)
        if not season_BTC.isnan().any():
            break
    repeated_BPC = season_BTC[:, torch.arange(horizon) % season_length]
    return torch.where(repeated_BPC.isnan(), point_BPC, repeated_BPC)


def residual_quantiles(
    forecasters: Mapping[str, Forecaster], windows: Windows, quantiles: Sequence[float]
) -> dict[str, Tensor]:
    """Return each forecaster's quantiles of truth minus point, z-scored, shape (P, C, Q).

    Added to a point forecast they give quantile forecasts, which cannot cross. They are computed
    over the windows for each horizon step and target; over the steps too if windows are few.

    Args:
        forecasters: point forecasts by name.
        windows: windows of the residuals; evenly spaced ones if there are very many.
        quantiles: levels in (0, 1), the order of the last axis.
    """
    example = windows.batch(torch.arange(1)).truth_BPC
    residuals: dict[str, list[Tensor]] = {name: [] for name in forecasters}
    limit = fit_limit(windows, max(1, MAX_RESIDUALS // example.numel()))
    for batch in window_batches(windows, limit):
        for name, forecaster in forecasters.items():
            residuals[name].append(batch.truth_BPC - forecaster(batch))
    return {name: _quantiles(torch.cat(parts), quantiles) for name, parts in residuals.items()}


def _quantiles(residual_NPC: Tensor, quantiles: Sequence[float]) -> Tensor:
    """Return quantiles over N that ignore NaN, (P, C, Q); 0 where nothing is observed.

    ``torch.nanquantile`` refuses more than 2**24 values.
    """
    shape = residual_NPC.shape[1:]
    if len(residual_NPC) < MIN_WINDOWS_PER_STEP:
        residual_NPC = residual_NPC.flatten(0, 1).unsqueeze(1)
    missing_NPC = residual_NPC.isnan()
    residual_NPC = residual_NPC.masked_fill(missing_NPC.all(0), 0.0)
    # numpy's variant for NaN loops over steps and targets.
    quantile = np.nanquantile if missing_NPC.any() else np.quantile
    value_QPC = torch.from_numpy(quantile(residual_NPC.numpy(), quantiles, axis=0))
    return value_QPC.to(residual_NPC.dtype).movedim(0, -1).expand(*shape, len(quantiles))
