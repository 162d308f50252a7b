"""Linear skip connection around the backbone.

Shapes as in :mod:`gru_suite.tasks.forecasting.network.layers`.
"""

from math import ceil

import torch
from torch import Tensor, nn

from .inputs import NetworkInput, Sizes

LOOKBACKS = (1, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440)
# With more, the fit would take longer than the rest of a small run.
MAX_FEATURES = 1_000


class LinearSkip(nn.Module):
    """Linear map from level, future covariates and recent past to the horizon.

    It starts as zero and is either trained with the rest, or set in closed form
    (:func:`gru_suite.tasks.forecasting.training.skip_fit.fit_skip`) and left alone by gradients:
    then the backbone learns the regression's residuals.

    Args:
        sizes: of the decoder.
        lookback: past steps; the most recent ones are used, within ``MAX_FEATURES``.
        trained: whether gradients change it.
    """

    def __init__(self, sizes: Sizes, lookback: int, trained: bool) -> None:
        super().__init__()
        self.num_values, self.num_features = sizes.num_values, sizes.num_features
        self.future_stride = future_stride(sizes.horizon, sizes.future_size, MAX_FEATURES)
        future_steps = ceil(sizes.horizon / self.future_stride)
        self.context_size = future_steps * sizes.future_size + sizes.static_size
        max_lookback = max(MAX_FEATURES - self.width(0), 0) // self.num_features
        self.lookbacks = lookbacks_within(lookback, max_lookback) or [1]
        self.weight_FO = nn.Parameter(
            torch.zeros(self.width(self.lookbacks[-1]), sizes.horizon * sizes.num_values),
            requires_grad=trained,
        )

    def width(self, lookback: int) -> int:
        """Return the number of features up to a lookback."""
        return self.num_values + 1 + self.context_size + lookback * self.num_features

    def features(self, inputs: NetworkInput) -> Tensor:
        """Return level, bias, future and static covariates, then the past backwards: (R, F)."""
        past_RF = inputs.x_RLF[:, -self.lookbacks[-1] :].flip(1).flatten(1)
        bias_R1 = past_RF.new_ones(past_RF.size(0), 1)
        future_RF = inputs.future_RPF[:, :: self.future_stride].flatten(1)
        return torch.cat([inputs.level_RV, bias_R1, future_RF, inputs.static_RS, past_RF], dim=1)

    def forward(self, inputs: NetworkInput) -> Tensor:
        """Return what to add to the forecast, shape (R, P, V)."""
        out_RO = self.features(inputs) @ self.weight_FO
        out_RPV: Tensor = out_RO.unflatten(1, (-1, self.num_values))
        return out_RPV


def future_stride(horizon: int, future_size: int, max_features: int) -> int:
    """Return n such that every n-th step's future covariates are at most half of the features."""
    return max(1, ceil(horizon * future_size / max(1, max_features // 2)))


def lookbacks_within(lookback: int, longest: int) -> list[int]:
    """Return the candidate lookbacks of a regression, ``lookback`` too, up to ``longest``."""
    return [steps for steps in sorted({*LOOKBACKS, lookback}) if steps <= min(lookback, longest)]
