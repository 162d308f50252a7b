"""Adaptive conformal intervals: quantiles widened or narrowed by the errors of earlier forecasts.

After Gibbs and Candès (2021), "Adaptive conformal inference under distribution shift", arXiv
2106.00170. A model's quantiles hold what they say on data like those that it was calibrated on.
Where seasons or levels drift, the share of misses among the forecasts whose truth has arrived
corrects them: after each miss too many the interval widens, else it narrows.

Here the threshold is a factor on the distance of a quantile from the median, one for each series,
target and level. Earlier forecasts are those of a grid of origins, every quarter of a horizon. The
factor at an origin depends on the last 128 of them and on nothing measured after it, so that
``predict``, a stream and a rolling backtest give the same.

Shapes: G origins on the grid of a series, A origins that a factor is wanted for, P horizon steps, C
targets, Q quantiles.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

MEMORY = 128
"""Origins whose errors count."""
_RATE = 0.1
# The factor stays within exp(-2) and exp(2).
_LARGEST_LOG = 2.0


def grid_spacing(horizon: int) -> int:
    """Return the steps between two origins of the grid: a quarter of the horizon."""
    return max(1, horizon // 4)


def memory_steps(horizon: int) -> int:
    """Return the steps before an origin on which its factors depend, beside a lookback."""
    return (MEMORY + 1) * grid_spacing(horizon) + horizon


def miss_ratios(quantiles_PCQ: NDArray[np.float32], truth_PC: NDArray[np.float32]) -> Float64:
    """Return how far a truth lies from the median, in units of the distance of each quantile.

    Above 1 it lies outside of the quantile, on its side of the median; NaN where there is no truth.

    Args:
        quantiles_PCQ: rising, with the median in the middle; any leading axes.
        truth_PC: NaN where missing.
    """
    middle = quantiles_PCQ.shape[-1] // 2
    centre_PC1 = quantiles_PCQ[..., middle : middle + 1].astype(np.float64)
    distance_PCQ = quantiles_PCQ - centre_PC1
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_PCQ: Float64 = (truth_PC[..., None] - centre_PC1) / distance_PCQ
    ratio_PCQ[..., middle] = np.nan
    return ratio_PCQ


def adapted_factors(
    ratio_GPCQ: Float64,
    anchor_A: NDArray[np.int64],
    levels: Sequence[float],
    first_A: NDArray[np.int64] | None = None,
) -> Float64:
    """Return the factor of each quantile's distance from the median, shape (A, C, Q).

    Args:
        ratio_GPCQ: :func:`miss_ratios` of the forecasts from the origins of the grid, series after
            series; NaN where a truth is missing or there was no forecast.
        anchor_A: numbers of origins of the grid of their series, from 0; a factor depends on
            truths before its origin alone.
        levels: of the quantiles.
        first_A: row of ``ratio_GPCQ`` with the first origin of the series of each; None where
            there is one series.
    """
    horizon, num_targets, num_levels = ratio_GPCQ.shape[1:]
    spacing = grid_spacing(horizon)
    num_lags = -(-horizon // spacing)
    allowed_Q = np.minimum(levels, 1 - np.asarray(levels))
    # Row 0 stands for every origin before the first.
    padded_GPCQ = np.concatenate([np.full((1, *ratio_GPCQ.shape[1:]), np.nan), ratio_GPCQ])
    log_ACQ = np.zeros((len(anchor_A), num_targets, num_levels))
    issued: list[Float64] = []
    for age in range(min(MEMORY, int(anchor_A.max(initial=0))), 0, -1):
        issued.append(np.exp(log_ACQ)[:, None])
        misses_ACQ, count_AC1 = np.zeros_like(log_ACQ), np.zeros((len(anchor_A), num_targets, 1))
        # What was measured between this origin and the next: of each earlier forecast other steps.
        for lag in range(min(num_lags, len(issued))):
            local_A = anchor_A - age - lag
            row_A = np.where(local_A < 0, 0, local_A + 1 + (0 if first_A is None else first_A))
            arrived_ASCQ = padded_GPCQ[row_A, lag * spacing : (lag + 1) * spacing]
            misses_ACQ += (arrived_ASCQ > issued[-1 - lag]).sum(1)
            count_AC1 += (~np.isnan(arrived_ASCQ[..., :1])).sum(1)
        share_ACQ = misses_ACQ / count_AC1.clip(min=1)
        log_ACQ += _RATE * np.where(count_AC1 > 0, share_ACQ - allowed_Q, 0.0)
        log_ACQ = log_ACQ.clip(-_LARGEST_LOG, _LARGEST_LOG)
    return np.exp(log_ACQ)
