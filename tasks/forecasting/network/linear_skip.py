"""A linear way past the backbone: what a regression can forecast, the backbone need not learn.

Shapes as in :mod:`gru_suite.tasks.forecasting.network.layers`.
"""

from math import ceil

import torch
from torch import Tensor, nn

from .inputs import NetworkInput, Sizes

LOOKBACKS = (1, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440)
# More would cost more seconds than the rest of a small run.
MAX_FEATURES = 1_000


class LinearSkip(nn.Module):
    """Map the level, the known future and the end of the past linearly to the horizon.

    It starts as zero and is either trained with the rest, or set in closed form
    (:func:`gru_suite.tasks.forecasting.training.skip_fit.fit_skip`) and left alone by gradients:
    then the backbone learns the regression's residuals.

    Args:
        sizes: of the decoder.
        lookback: past steps there are; the last ones are used, within ``MAX_FEATURES``. A long
            horizon with many future features is thinned to every n-th step, half of them at most.
        trained: whether gradients change it.
    """

    def __init__(self, sizes: Sizes, lookback: int, trained: bool) -> None:
        super().__init__()
        self.num_values, self.num_features = sizes.num_values, sizes.num_features
        self.every = max(1, ceil(sizes.horizon * sizes.future_size / (MAX_FEATURES // 2)))
        self.rest = ceil(sizes.horizon / self.every) * sizes.future_size + sizes.static_size
        room = max(MAX_FEATURES - self.width(0), 0) // self.num_features
        self.lookbacks = lookbacks_within(lookback, room) or [1]
        self.weight_FO = nn.Parameter(
            torch.zeros(self.width(self.lookbacks[-1]), sizes.horizon * sizes.num_values),
            requires_grad=trained,
        )

    def width(self, lookback: int) -> int:
        """Return the number of features up to a lookback."""
        return self.num_values + 1 + self.rest + lookback * self.num_features

    def features(self, inputs: NetworkInput) -> Tensor:
        """Return levels, bias, future, statics and the past from its end backwards: (R, F)."""
        past_RF = inputs.x_RLF[:, -self.lookbacks[-1] :].flip(1).flatten(1)
        bias_R1 = past_RF.new_ones(past_RF.size(0), 1)
        future_RF = inputs.future_RPF[:, :: self.every].flatten(1)
        return torch.cat([inputs.level_RV, bias_R1, future_RF, inputs.static_RS, past_RF], dim=1)

    def forward(self, inputs: NetworkInput) -> Tensor:
        """Return (R, P, V)."""
        out_RO = self.features(inputs) @ self.weight_FO
        out_RPV: Tensor = out_RO.unflatten(1, (-1, self.num_values))
        return out_RPV


def lookbacks_within(lookback: int, longest: int) -> list[int]:
    """Return the usual lookbacks, and the given one, as far as they are at most ``longest``."""
    return [steps for steps in sorted({*LOOKBACKS, lookback}) if steps <= min(lookback, longest)]
