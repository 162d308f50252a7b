"""A linear way past the backbone: what a regression can forecast, the backbone need not learn.

Shapes as in :mod:`gru_suite.tasks.forecasting.network.layers`.
"""

from collections.abc import Iterable
from math import ceil

import torch
from torch import Tensor, nn

from .decoders import Rows, Sizes
from .ridge_regression import Moments, choose_fit, lookbacks_within

# More would cost more seconds than the rest of a small run.
MAX_FEATURES = 1_000


class LinearSkip(nn.Module):
    """Map the level, the known future and the end of the past linearly to the horizon.

    It starts as zero and either learns with the rest, or :meth:`fit` sets it in closed form and
    gradients leave it alone: then the backbone learns what the regression leaves.

    Args:
        sizes: of the decoder.
        num_features: features of each past step.
        lookback: past steps there are; the last ones are used, within ``MAX_FEATURES``. A long
            horizon with many future features is thinned to every n-th step, half of them at most.
        trained: whether gradients change it.
    """

    def __init__(self, sizes: Sizes, num_features: int, lookback: int, trained: bool) -> None:
        super().__init__()
        self.num_values, self.num_features = sizes.num_values, num_features
        self.every = max(1, ceil(sizes.horizon * sizes.future_size / (MAX_FEATURES // 2)))
        self.rest = ceil(sizes.horizon / self.every) * sizes.future_size + sizes.static_size
        room = max(MAX_FEATURES - self.width(0), 0) // num_features
        self.lookbacks = lookbacks_within(lookback, room) or [1]
        self.weight_FO = nn.Parameter(
            torch.zeros(self.width(self.lookbacks[-1]), sizes.horizon * sizes.num_values),
            requires_grad=trained,
        )

    def width(self, lookback: int) -> int:
        """Return the number of features up to a lookback."""
        return self.num_values + 1 + self.rest + lookback * self.num_features

    def features(self, rows: Rows) -> Tensor:
        """Return levels, bias, future, statics and the past from its end backwards: (R, F)."""
        past_RF = rows.x_RLF[:, -self.lookbacks[-1] :].flip(1).flatten(1)
        bias_R1 = past_RF.new_ones(past_RF.size(0), 1)
        future_RF = rows.future_RPF[:, :: self.every].flatten(1)
        return torch.cat([rows.level_RV, bias_R1, future_RF, rows.static_RS, past_RF], dim=1)

    def forward(self, rows: Rows) -> Tensor:
        """Return (R, P, V)."""
        out_RO = self.features(rows) @ self.weight_FO
        out_RPV: Tensor = out_RO.unflatten(1, (-1, self.num_values))
        return out_RPV

    @torch.no_grad()
    def fit(
        self, train: Iterable[tuple[Rows, Tensor]], selection: Iterable[tuple[Rows, Tensor]]
    ) -> None:
        """Set the map to a ridge regression.

        Args:
            train: batches of rows and their targets (R, P, V); a row with a missing target (NaN) is
                left out.
            selection: the same, to choose lookback and penalty by; where it is empty, ``train``
                chooses.
        """
        fitted = self._moments(train)
        chosen = self._moments(selection)
        if not fitted.rows:
            return
        chosen = chosen if chosen.rows else fitted
        fit = choose_fit(fitted, chosen, self.lookbacks, self.width, self.num_values)
        self.weight_FO.copy_(fit.weight_FO)

    def _moments(self, examples: Iterable[tuple[Rows, Tensor]]) -> Moments:
        moments = Moments(*self.weight_FO.shape)
        for rows, target_RPV in examples:
            whole_R = ~target_RPV.isnan().flatten(1).any(1)
            moments.add(self.features(rows)[whole_R], target_RPV[whole_R].flatten(1))
        return moments
