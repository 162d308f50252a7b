"""Losses of forecasts.

Shapes: B windows, P horizon steps, C targets, Q quantiles.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..batches.forecast_batch import ForecastOutput

POINT_LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.smooth_l1_loss,
}


def observed_loss(
    kind: str, levels: Sequence[float], output: ForecastOutput, truth_BPC: Tensor
) -> Tensor:
    """Return the mean loss over the observed values of the horizon.

    Args:
        kind: of ``POINT_LOSSES``, for a forecast without quantiles.
        levels: the quantiles' levels.
        output: the forecast.
        truth_BPC: target values, NaN where missing.
    """
    observed_BPC = ~torch.isnan(truth_BPC)
    truth_BPC = torch.nan_to_num(truth_BPC)
    if output.quantiles_BPCQ is not None:
        levels_Q = truth_BPC.new_tensor(levels)
        error_BPCQ = truth_BPC[..., None] - output.quantiles_BPCQ
        # Twice the pinball loss, so that the median's is the absolute error.
        pinball_BPCQ = 2 * torch.maximum(levels_Q * error_BPCQ, (levels_Q - 1) * error_BPCQ)
        loss_BPC = pinball_BPCQ.mean(-1)
    else:
        loss_BPC = POINT_LOSSES[kind](output.point_BPC, truth_BPC, reduction="none")
    return (loss_BPC * observed_BPC).sum() / observed_BPC.sum().clamp(min=1)
