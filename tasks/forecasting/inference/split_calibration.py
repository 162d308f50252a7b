"""Split conformal calibration of quantiles on validation windows.

For a model with quantiles: conformalized quantile regression (Romano, Patterson and Candès 2019,
arXiv 1905.03222), in its scaled form (Kivaranovic, Johnson and Leeb 2020, arXiv 1905.10634): each
central interval is stretched about the median by the factor with which it would have held the right
share of the validation windows. For a model with single forecasts: quantiles of the validation
residuals (Lei et al. 2018, arXiv 1604.04173).

Shapes: N validation windows, B windows, P horizon steps, C targets, Q quantiles, S series.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .adaptive_intervals import miss_ratios

Float64 = NDArray[np.float64]

# Validation windows of a series on average, above which each horizon step has its own factor, and
# of a series, above which it has a factor.
_MIN_PER_STEP, _MIN_PER_SERIES = 30, 100
_MAX_SERIES = 1000


def fit_split(
    forecast_NPCQ: NDArray[np.float32],
    truth_NPC: NDArray[np.float32],
    series_N: NDArray[np.int64],
    levels: Sequence[float],
) -> dict[str, Any]:
    """Return a calibration as plain data, for :func:`apply_split`.

    Args:
        forecast_NPCQ: z-scored quantiles at ``levels``, or single forecasts, Q = 1.
        truth_NPC: z-scored truths, NaN where missing.
        series_N: number of each window's series, from 0.
        levels: of the quantiles, symmetric about 0.5.
    """
    num_series = len(np.unique(series_N))
    by_step = len(series_N) >= _MIN_PER_STEP * num_series
    if forecast_NPCQ.shape[-1] == 1:
        offset_PCQ = _residual_quantiles(truth_NPC - forecast_NPCQ[..., 0], levels, by_step)
        return {"offsets": offset_PCQ.tolist()}
    ratio_NPCQ = _of_intervals(miss_ratios(forecast_NPCQ, truth_NPC))
    step_PCQ = _conformal_quantiles(ratio_NPCQ if by_step else _pooled(ratio_NPCQ), levels)
    step_PCQ = np.broadcast_to(step_PCQ, forecast_NPCQ.shape[1:])
    series: dict[str, Any] = {}
    numbers, counts = np.unique(series_N, return_counts=True)
    if 1 < num_series <= _MAX_SERIES:
        for number in numbers[counts >= _MIN_PER_SERIES]:
            own_NPCQ = ratio_NPCQ[series_N == number] / step_PCQ
            series[str(number)] = _conformal_quantiles(_pooled(own_NPCQ), levels)[0].tolist()
    return {"factors": step_PCQ.tolist(), "series": series}


def apply_split(
    forecast_BPCQ: Tensor, calibration: Mapping[str, Any], series_B: Tensor | None
) -> Tensor:
    """Return calibrated quantiles, shape (B, P, C, Q).

    Args:
        forecast_BPCQ: z-scored quantiles, or single forecasts, Q = 1.
        calibration: of :func:`fit_split`.
        series_B: number of each window's series, negative for an unknown one; None for all unknown.
    """
    if "offsets" in calibration:
        return forecast_BPCQ + forecast_BPCQ.new_tensor(calibration["offsets"])
    factor_BPCQ = forecast_BPCQ.new_tensor(calibration["factors"])[None]
    series = calibration["series"]
    if series and series_B is not None:
        size = max(map(int, series)) + 2
        own_SCQ = torch.ones(size, *factor_BPCQ.shape[2:], dtype=factor_BPCQ.dtype)
        for number, factor_CQ in series.items():
            own_SCQ[int(number)] = torch.tensor(factor_CQ)
        # The last row is that of unknown series.
        row_B = torch.where((series_B < 0) | (series_B >= size), size - 1, series_B)
        factor_BPCQ = factor_BPCQ * own_SCQ.to(forecast_BPCQ.device)[row_B][:, None]
    return stretched(forecast_BPCQ, factor_BPCQ)


def stretched(quantiles_BPCQ: Tensor, factor_BPCQ: Tensor) -> Tensor:
    """Return quantiles whose distances from the median are multiplied by factors; rising."""
    num_levels = quantiles_BPCQ.size(-1)
    middle = num_levels // 2
    centre_BPC1 = quantiles_BPCQ[..., middle : middle + 1]
    moved_BPCQ = centre_BPC1 + (quantiles_BPCQ - centre_BPC1) * factor_BPCQ
    # On one side of the median two quantiles may cross, with one on each side none can.
    return moved_BPCQ.sort(-1).values if num_levels > 3 else moved_BPCQ


def _of_intervals(ratio_NPCQ: Float64) -> Float64:
    """Return the ratio of each central interval, at both of its ends; of the median 1."""
    ratio_NPCQ = np.fmax(ratio_NPCQ, ratio_NPCQ[..., ::-1])
    middle = ratio_NPCQ.shape[-1] // 2
    missing_NPC = np.isnan(ratio_NPCQ[..., 0])
    ratio_NPCQ[..., middle] = np.where(missing_NPC, np.nan, 1.0)
    return ratio_NPCQ


def _pooled(ratio_NPCQ: Float64) -> Float64:
    """Return the windows and steps as one axis, shape (N * P, 1, C, Q)."""
    return ratio_NPCQ.reshape(-1, 1, *ratio_NPCQ.shape[2:])


def _conformal_quantiles(ratio_NPCQ: Float64, levels: Sequence[float]) -> Float64:
    """Return the factor of each central interval, shape (P, C, Q); 1 without a truth.

    It is the ratio of rank ``(n + 1) * coverage``, rounded up, of n.
    """
    sorted_NPCQ = np.sort(ratio_NPCQ, axis=0)  # NaN last
    count_PCQ = (~np.isnan(ratio_NPCQ)).sum(0)
    coverage_Q = np.abs(1 - 2 * np.asarray(levels))
    rank_PCQ = np.ceil((count_PCQ + 1) * coverage_Q - 1e-9).astype(np.int64)
    rank_PCQ = rank_PCQ.clip(min=1, max=np.maximum(count_PCQ, 1))
    factor_PCQ = np.take_along_axis(sorted_NPCQ, rank_PCQ[None] - 1, axis=0)[0]
    usable = (count_PCQ > 0) & np.isfinite(factor_PCQ)
    factor: Float64 = np.where(usable, factor_PCQ.clip(min=1e-3), 1.0)
    return factor


def _residual_quantiles(
    residual_NPC: NDArray[np.float32], levels: Sequence[float], by_step: bool
) -> Float64:
    """Return the offset of each quantile from the single forecast, shape (P, C, Q)."""
    shape = residual_NPC.shape[1:]
    if not by_step:
        residual_NPC = residual_NPC.reshape(-1, 1, shape[1])
    sorted_NPC = np.sort(residual_NPC, axis=0)
    count_PC = (~np.isnan(residual_NPC)).sum(0)
    offsets = []
    for level in levels:
        # From both ends in the same way.
        rank_PC = np.ceil((count_PC + 1) * max(level, 1 - level) - 1e-9).astype(np.int64)
        rank_PC = rank_PC.clip(min=1, max=np.maximum(count_PC, 1))
        index_PC = rank_PC - 1 if level > 0.5 else np.maximum(count_PC - rank_PC, 0)
        offset_PC = np.nan_to_num(np.take_along_axis(sorted_NPC, index_PC[None], axis=0)[0])
        # On its side of the forecast, which stays the middle one.
        side = float(np.sign(level - 0.5)) if abs(level - 0.5) > 1e-9 else 0.0
        offsets.append(side * np.maximum(side * offset_PC, 1e-6))
    offset_PCQ: Float64 = np.broadcast_to(np.stack(offsets, axis=-1), (*shape, len(levels)))
    return offset_PCQ
