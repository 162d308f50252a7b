"""Inputs of the network and their sizes.

Shapes as in :mod:`gru_suite.tasks.forecasting.network.layers`.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..batches.forecast_batch import ForecastBatch
from .layers import NormalizedPast


class NetworkInput(NamedTuple):
    """NormalizedPast windows: one row a window, or one a window and target."""

    x_RLF: Tensor  # target values, their mask where some are missing, past covariates
    level_RV: Tensor  # what the normalization subtracted
    future_RPF: Tensor
    static_RS: Tensor


class Sizes(NamedTuple):
    """Sizes of the network's inputs and outputs."""

    segment_size: int
    horizon: int
    num_channels: int
    num_values: int
    num_quantiles: int
    past_size: int
    future_size: int
    static_size: int
    masked: bool

    @classmethod
    def of(
        cls, schema: dict[str, Any], independent: bool, segment_size: int, num_quantiles: int
    ) -> "Sizes":
        """Return the sizes of encoder and decoder, which do not see slow calendar cycles.

        Args:
            schema: description of the training data.
            independent: whether each target is forecast from its own past.
            segment_size: steps of a segment.
            num_quantiles: values of each forecast step and target.
        """
        num_targets, slow_size = schema["num_targets"], schema["slow_size"]
        return cls(
            segment_size=segment_size,
            horizon=schema["horizon"],
            num_channels=num_targets if independent else 1,
            num_values=1 if independent else num_targets,
            num_quantiles=num_quantiles,
            past_size=schema["past_size"] - slow_size,
            future_size=schema["future_size"] - slow_size,
            static_size=schema["static_size"],
            masked=bool(schema["missing_targets"]),
        )

    def with_slow_cycles(self, slow_size: int) -> "Sizes":
        """Return the sizes of the linear skip, which sees slow calendar cycles too."""
        return self._replace(
            past_size=self.past_size + slow_size, future_size=self.future_size + slow_size
        )

    @property
    def num_features(self) -> int:
        """Features of a past step."""
        return self.num_values * (1 + self.masked) + self.past_size

    @property
    def num_segments(self) -> int:
        """Segments that cover the horizon; the last may reach beyond it."""
        return -(-self.horizon // self.segment_size)

    @property
    def context_size(self) -> int:
        """Future covariates of a segment, and the static ones."""
        return self.segment_size * self.future_size + self.static_size


def to_rows(values_BTC: Tensor, independent: bool) -> Tensor:
    """Return one row for each target where channels are independent, shape (R, T, V)."""
    return values_BTC.mT.flatten(0, 1)[..., None] if independent else values_BTC


def network_input(
    batch: ForecastBatch, window: NormalizedPast, independent: bool, masked: bool
) -> NetworkInput:
    """Return a batch as rows; each target of a window has the covariates of the window."""
    copies = batch.target_BTC.size(-1) if independent else 1
    past_RLF, future_RPF, static_RS = (
        part if copies == 1 else part.repeat_interleave(copies, 0)
        for part in (batch.past_BTF, batch.future_BPF, batch.static_BS)
    )
    features = [to_rows(window.past_BLC, independent)]
    if masked:
        features.append(to_rows(window.observed_BLC.to(past_RLF.dtype), independent))
    level_RV = to_rows(window.offset_B1C, independent)[:, 0]
    return NetworkInput(torch.cat([*features, past_RLF], dim=-1), level_RV, future_RPF, static_RS)


def backbone_input(
    inputs: NetworkInput, schema: dict[str, Any], relative_covariates: bool
) -> NetworkInput:
    """Drop slow calendar cycles; make past covariates relative to their last value if wanted."""
    x_RLF, future_RPF = inputs.x_RLF, inputs.future_RPF
    if slow_size := schema["slow_size"]:
        x_RLF, future_RPF = x_RLF[..., :-slow_size], future_RPF[..., :-slow_size]
    last = x_RLF.size(-1) - future_RPF.size(-1)
    first = last - schema["past_size"] + schema["future_size"]
    if relative_covariates and first < last:
        values, covariates, known = x_RLF.tensor_split([first, last], dim=-1)
        x_RLF = torch.cat([values, covariates - covariates[:, -1:], known], dim=-1)
    return inputs._replace(x_RLF=x_RLF, future_RPF=future_RPF)
