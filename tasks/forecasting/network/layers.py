"""Normalization, segment encoder and quantile head.

The default design follows SegRNN (Lin et al. 2023, arXiv 2308.11200): the past is cut into
segments, each segment is one step of the backbone, and all segments of the horizon are decoded in
parallel, each by one step from the same final state. Added here: covariates, missing values,
several normalizations, quantiles that cannot cross, and a linear skip from the past.

Shapes: B batch, C targets, R rows (B * C where channels are independent, else B), V target values
a row (1 or C), L lookback steps, P horizon steps, F features, S segment steps, K segments of the
horizon, D backbone input features, H backbone output features, Q quantiles.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class NormalizedPast(NamedTuple):
    """A past without its level (and spread), and what restores them."""

    past_BLC: Tensor  # missing values are 0
    observed_BLC: Tensor  # True where there is a value
    offset_B1C: Tensor
    spread_B1C: Tensor


class WindowNormalizer(nn.Module):
    """Remove each window's level from its past, and restore it in the forecast.

    ``last_value`` subtracts the last observed value; ``level`` subtracts the average of that and of
    the last season's mean, on which an outlier at the end has half the effect. ``revin`` subtracts
    the window's mean and divides by its standard deviation, with a learned scale and shift for each
    target (Kim et al. 2022). ``standard`` leaves the values scaled by the training part's mean and
    standard deviation; ``none`` undoes even that, so that the backbone sees the target in its own
    unit.
    """

    KINDS = ("last_value", "level", "revin", "standard", "none")

    def __init__(self, kind: str, num_targets: int, season_length: int = 1) -> None:
        super().__init__()
        self.kind, self.season_length = kind, season_length
        if kind == "revin":
            self.weight_C = nn.Parameter(torch.ones(num_targets))
            self.bias_C = nn.Parameter(torch.zeros(num_targets))

    def forward(self, past_BLC: Tensor, mean_BC: Tensor, std_BC: Tensor) -> NormalizedPast:
        """Normalize z-scored values; NaN means missing."""
        observed_BLC = ~torch.isnan(past_BLC)
        filled_BLC = torch.nan_to_num(past_BLC)
        offset_B1C = torch.zeros_like(filled_BLC[:, :1])
        spread_B1C = torch.ones_like(offset_B1C)
        if self.kind in ("last_value", "level"):
            offset_B1C = last_observed(filled_BLC, observed_BLC)
        if self.kind == "level":
            season_BSC = filled_BLC[:, -self.season_length :]
            count_B1C = observed_BLC[:, -self.season_length :].sum(1, keepdim=True)
            mean_B1C = season_BSC.sum(1, keepdim=True) / count_B1C.clamp(min=1)
            # Without a value in the last season, the last observed value alone.
            mean_B1C = torch.where(count_B1C > 0, mean_B1C, offset_B1C)
            offset_B1C = (offset_B1C + mean_B1C) / 2
        elif self.kind == "revin":
            count_B1C = observed_BLC.sum(1, keepdim=True).clamp(min=1)
            offset_B1C = filled_BLC.sum(1, keepdim=True) / count_B1C
            squares_BLC = (filled_BLC - offset_B1C).square() * observed_BLC
            # 1e-5 under the root, as in RevIN: a constant window is not divided by 0.
            spread_B1C = (squares_BLC.sum(1, keepdim=True) / count_B1C + 1e-5).sqrt()
        elif self.kind == "none":
            offset_B1C, spread_B1C = (-mean_BC / std_BC)[:, None], (1 / std_BC)[:, None]
        past_BLC = (filled_BLC - offset_B1C) / spread_B1C
        if self.kind == "revin":
            past_BLC = past_BLC * self.weight_C + self.bias_C
        return NormalizedPast(past_BLC * observed_BLC, observed_BLC, offset_B1C, spread_B1C)

    def undo(self, forecast_BPCQ: Tensor, normalized: NormalizedPast) -> Tensor:
        """Return forecasts as z-scored values."""
        if self.kind == "revin":
            # Learned scales stay near 1; the floor prevents a division by 0 at a change of sign.
            weight_C1 = self.weight_C.abs().clamp(min=1e-2).copysign(self.weight_C)[:, None]
            forecast_BPCQ = (forecast_BPCQ - self.bias_C[:, None]) / weight_C1
        return forecast_BPCQ * normalized.spread_B1C[..., None] + normalized.offset_B1C[..., None]


def last_observed(values_BLC: Tensor, observed_BLC: Tensor) -> Tensor:
    """Return the last observed value of each target, 0 where there is none, shape (B, 1, C)."""
    steps_L1 = torch.arange(1, values_BLC.size(1) + 1, device=values_BLC.device)[:, None]
    index_B1C = ((steps_L1 * observed_BLC).amax(1, keepdim=True) - 1).clamp(min=0)
    return values_BLC.gather(1, index_B1C)


class SegmentEncoder(nn.Module):
    """Embed segments of S steps: from (R, L, F) to (R, ceil(L / S), D)."""

    def __init__(self, num_features: int, segment_size: int, output_size: int) -> None:
        super().__init__()
        self.segment_size = segment_size
        self.projection = nn.Linear(num_features * segment_size, output_size)

    def forward(self, x_RLF: Tensor) -> Tensor:
        """Return the embeddings; a lookback that is no multiple of S is padded at the start."""
        missing_steps = -x_RLF.size(1) % self.segment_size
        if missing_steps:
            x_RLF = F.pad(x_RLF, (0, 0, missing_steps, 0))
        rows, steps, features = x_RLF.shape
        segments_RTF = x_RLF.reshape(rows, steps // self.segment_size, self.segment_size * features)
        embedded_RTD: Tensor = F.relu(self.projection(segments_RTF))
        return embedded_RTD


class QuantileHead(nn.Module):
    """Linear map to S steps of V values at Q quantiles, which cannot cross.

    The median is unconstrained; each quantile further out differs by a softplus.
    """

    def __init__(self, input_size: int, steps: int, num_values: int, num_quantiles: int) -> None:
        super().__init__()
        self.shape = (steps, num_values, num_quantiles)
        self.projection = nn.Linear(input_size, math.prod(self.shape))

    def forward(self, h_RH: Tensor) -> Tensor:
        """Return (..., S, V, Q)."""
        out_Q: Tensor = self.projection(h_RH).unflatten(-1, self.shape)
        middle = self.shape[-1] // 2
        if middle == 0:
            return out_Q
        centre_1 = out_Q[..., middle : middle + 1]
        above = centre_1 + F.softplus(out_Q[..., middle + 1 :]).cumsum(-1)
        below = centre_1 - F.softplus(out_Q[..., :middle]).flip(-1).cumsum(-1).flip(-1)
        return torch.cat([below, centre_1, above], dim=-1)
