"""Sound that arrives in chunks.

Shapes: B streams, S samples, T frames, F features, H output features of the front end.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.streaming.state import State
from gru_suite.model.streaming.stream import StreamEncoder

from .conv_front_end import ConvFrontEnd
from .inputs import to_samples
from .spectral_features import SpectralFeatures


class AudioStreamEncoder(StreamEncoder):
    """Features and causal front end for chunks of samples."""

    def __init__(self, features: SpectralFeatures, front_end: ConvFrontEnd) -> None:
        """Build the encoder from the features and a copy of the front end with folded batch norms.

        Raises:
            UserError: the front end looks ahead.
        """
        if not front_end.causal:
            raise UserError(
                "task.causal=false cannot follow a stream, since the front end looks ahead; train "
                "with task.causal=true backbone.bidirectional=false"
            )
        super().__init__()
        self.features, self.front_end = features, front_end.folded()
        self.step_size = features.hop_samples * front_end.total_stride

    def initial_state(self, batch_size: int) -> State:
        """Return the left context before the first sample: silence."""
        features = self.features.initial_state(batch_size)
        return features | self.front_end.initial_state(batch_size)

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return features, shape (B, T, H), and the left context of the next chunk."""
        x_BTF, features = self.features.advance(chunk, state)
        x_BTH, front_end = self.front_end.advance(x_BTF, state)
        return x_BTH, features | front_end


def chunk_samples(raw: Any, sample_rate_hz: int) -> Tensor:
    """Return a chunk of sound as samples of full scale 1.0, shape (S,).

    Args:
        raw: an array or a tensor of one channel, integers or floats of full scale 1.0, at the
            given rate; or a pair of it and that rate in Hz.
        sample_rate_hz: that of the training data.

    Raises:
        UserError: another rate, or not one channel of samples.
    """
    samples, rate_hz = raw if isinstance(raw, tuple) and len(raw) == 2 else (raw, None)
    if rate_hz is not None and rate_hz != sample_rate_hz:
        raise UserError(
            f"samples at {rate_hz} Hz: a stream needs {sample_rate_hz} Hz, those of the training; "
            "resample them before"
        )
    if not isinstance(samples, np.ndarray | Tensor) or samples.ndim != 1:
        found = getattr(samples, "shape", type(samples).__name__)
        raise UserError(f"samples of shape {found}: a stream needs one channel, (samples,)")
    if not len(samples):
        return torch.empty(0)
    return torch.from_numpy(to_samples(samples, sample_rate_hz, min_seconds=0.0))
