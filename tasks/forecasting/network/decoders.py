"""Decoders: parallel, recursive and direct, from the encoded past to the values of the horizon.

Shapes as in :mod:`gru_suite.tasks.forecasting.network.layers`; W is the horizon padded to whole
    segments.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gru_suite.nn.backbone import RecurrentBackbone, State
from gru_suite.nn.pooling import Pooling

from .inputs import NetworkInput, Sizes
from .layers import QuantileHead


class EncodedPast(NamedTuple):
    """The backbone's outputs over the lookback, its final state, and the inputs."""

    h_RTH: Tensor
    state: State
    inputs: NetworkInput


class Decoder(nn.Module):
    """Base of the decoders: the horizon's covariates by segment, dropout and head."""

    def __init__(
        self, sizes: Sizes, backbone: RecurrentBackbone, dropout: float, head_steps: int
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.dropout = nn.Dropout(dropout)
        self.head = QuantileHead(
            backbone.output_size, head_steps, sizes.num_values, sizes.num_quantiles
        )

    def context_by_segment(self, inputs: NetworkInput) -> Tensor:
        """Return each segment's future and static covariates, shape (R, K, S * F + static)."""
        future_RPF, num_segments = inputs.future_RPF, self.sizes.num_segments
        pad_steps = num_segments * self.sizes.segment_size - self.sizes.horizon
        future_RWF = F.pad(future_RPF, (0, 0, 0, pad_steps))
        future_RKF = future_RWF.reshape(future_RWF.size(0), num_segments, -1)
        static_RKS = inputs.static_RS[:, None].expand(-1, num_segments, -1)
        return torch.cat([future_RKF, static_RKS], dim=-1)

    def values(self, h_RKH: Tensor) -> Tensor:
        """Return the head's quantiles over the horizon, shape (R, P, V, Q)."""
        out_RKSVQ: Tensor = self.head(self.dropout(h_RKH))
        return out_RKSVQ.flatten(1, 2)[:, : self.sizes.horizon]


class ParallelDecoder(Decoder):
    """One backbone step for each segment of the horizon, all from the final state of the past.

    Each step's input is a learned embedding of the segment's position and of the target, plus a
    projection of that segment's future covariates and of the static ones. Errors do not accumulate
    over the horizon, and the steps run as one batch.
    """

    def __init__(self, sizes: Sizes, backbone: RecurrentBackbone, dropout: float) -> None:
        super().__init__(sizes, backbone, dropout, sizes.segment_size)
        input_size = backbone.input_size
        half = input_size // 2
        self.position_KD = nn.Parameter(torch.randn(sizes.num_segments, half))
        self.channel_CD = nn.Parameter(torch.randn(sizes.num_channels, input_size - half))
        self.context = _linear(sizes.context_size, input_size)

    def forward(self, backbone: RecurrentBackbone, encoder: nn.Module, past: EncodedPast) -> Tensor:
        """Return quantiles of the horizon, shape (R, P, V, Q)."""
        h_RTH, state, inputs = past
        num_rows, num_segments = h_RTH.size(0), self.sizes.num_segments
        query_CKD = torch.cat(
            [
                self.position_KD.expand(self.sizes.num_channels, -1, -1),
                self.channel_CD[:, None].expand(-1, num_segments, -1),
            ],
            dim=-1,
        )
        query_RKD = query_CKD.repeat(num_rows // self.sizes.num_channels, 1, 1)
        if self.context is not None:
            query_RKD = query_RKD + self.context(self.context_by_segment(inputs))
        state = _repeat_rows(state, num_segments)
        h_NH, _ = backbone.step(query_RKD.flatten(0, 1), state)
        return self.values(h_NH.unflatten(0, (num_rows, num_segments)))


class RecursiveDecoder(Decoder):
    """Autoregressive: the median of each segment is the backbone's next input.

    The final state of the past forecasts the first segment. Past covariates of forecast segments
    are unknown and set to 0: their last value if they are relative, else their mean.
    """

    def __init__(self, sizes: Sizes, backbone: RecurrentBackbone, dropout: float) -> None:
        super().__init__(sizes, backbone, dropout, sizes.segment_size)
        self.context = _linear(sizes.context_size, backbone.output_size)

    def forward(self, backbone: RecurrentBackbone, encoder: nn.Module, past: EncodedPast) -> Tensor:
        """Return quantiles of the horizon, shape (R, P, V, Q)."""
        h_RTH, state, inputs = past
        sizes = self.sizes
        context_RKF = self.context_by_segment(inputs)
        h_RH = h_RTH[:, -1]
        outputs: list[Tensor] = []
        for k in range(sizes.num_segments):
            if k:
                previous_RSV = outputs[-1][..., sizes.num_quantiles // 2]
                step_RF = encoder(self._as_past(previous_RSV, inputs, k - 1)).squeeze(1)
                h_RH, state = backbone.step(step_RF, state)
            features_RH = h_RH
            if self.context is not None:
                features_RH = features_RH + self.context(context_RKF[:, k])
            outputs.append(self.head(self.dropout(features_RH)))
        return torch.cat(outputs, dim=1)[:, : sizes.horizon]

    def _as_past(self, values_RSV: Tensor, inputs: NetworkInput, segment: int) -> Tensor:
        """Return forecast values as the encoder's input: values, mask, covariates."""
        sizes = self.sizes
        parts = [values_RSV]
        if sizes.masked:
            parts.append(torch.ones_like(values_RSV))
        unknown_size = sizes.past_size - sizes.future_size
        parts.append(values_RSV.new_zeros(values_RSV.size(0), sizes.segment_size, unknown_size))
        first = segment * sizes.segment_size
        parts.append(inputs.future_RPF[:, first : first + sizes.segment_size])
        return torch.cat(parts, dim=-1)


class DirectDecoder(Decoder):
    """A linear map from the last state and the covariates to the whole horizon."""

    def __init__(self, sizes: Sizes, backbone: RecurrentBackbone, dropout: float) -> None:
        super().__init__(sizes, backbone, dropout, sizes.horizon)
        self.pooling = Pooling("last", backbone.output_size, backbone.rnn.bidirectional)
        context_size = sizes.horizon * sizes.future_size + sizes.static_size
        self.context = _linear(context_size, backbone.output_size)

    def forward(self, backbone: RecurrentBackbone, encoder: nn.Module, past: EncodedPast) -> Tensor:
        """Return quantiles of the horizon, shape (R, P, V, Q)."""
        h_RTH, _, inputs = past
        h_RH = self.pooling(h_RTH)
        if self.context is not None:
            context_RF = torch.cat([inputs.future_RPF.flatten(1), inputs.static_RS], dim=-1)
            h_RH = h_RH + self.context(context_RF)
        return self.values(h_RH[:, None])


DECODERS: dict[str, Callable[[Sizes, RecurrentBackbone, float], Decoder]] = {
    "parallel": ParallelDecoder,
    "recursive": RecursiveDecoder,
    "direct": DirectDecoder,
}


def _linear(input_size: int, output_size: int) -> nn.Linear | None:
    """Return a linear map without bias, None where there is no input."""
    return nn.Linear(input_size, output_size, bias=False) if input_size else None


def _repeat_rows(state: State, times: int) -> State:
    """Repeat each row of a state ``times`` times, as ``repeat_interleave`` does."""
    if isinstance(state, tuple):
        return state[0].repeat_interleave(times, 1), state[1].repeat_interleave(times, 1)
    return state.repeat_interleave(times, 1)
