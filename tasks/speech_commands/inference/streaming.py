"""Streaming of audio.

Shapes: B streams, S samples, T frames, F features, H output features of the front end.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.streaming.classification import ClassificationStream, StreamedClassifier
from gru_suite.model.streaming.state import State
from gru_suite.model.streaming.stream import StreamEncoder

from ..network.conv_front_end import ConvFrontEnd
from ..network.spectral_features import SpectralFeatures
from .inputs import to_samples


class SpeechStreamEncoder(StreamEncoder):
    """Features and causal front end for chunks of samples."""

    def __init__(self, features: SpectralFeatures, front_end: ConvFrontEnd) -> None:
        """Build the encoder from the features and a copy of the front end with folded batch norms.

        Raises:
            UserError: the front end looks ahead.
        """
        if not front_end.causal:
            raise UserError(
                "task.causal=false cannot follow a stream, since the front end looks ahead; train "
                "with task.causal=true backbone.bidirectional=false, as "
                "experiment=speech_streaming does"
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


class SpeechStream(ClassificationStream):
    """Streams of audio that return the class probabilities of all samples so far.

    Of a recording longer than every training clip ``predict`` classifies the segment with the
    highest energy, a stream all of it.
    """

    def __init__(self, model: StreamedClassifier, sample_rate_hz: int, batch_size: int = 1) -> None:
        """Start streams.

        Args:
            model: a trained causal model.
            sample_rate_hz: of the samples.
            batch_size: number of streams.

        Raises:
            UserError: the model looks ahead; the message names the option to change.
        """
        self._sample_rate_hz = sample_rate_hz
        super().__init__(model, batch_size)

    def inputs(self, raw: Any) -> Tensor:
        """Return samples of full scale 1.0, shape (S,).

        Args:
            raw: an array or a tensor of one channel, integers or floats of full scale 1.0, at the
                rate of the training data; or a pair of it and that rate in Hz.
        """
        samples, rate_hz = raw if isinstance(raw, tuple) and len(raw) == 2 else (raw, None)
        needed_hz = self._sample_rate_hz
        if rate_hz is not None and rate_hz != needed_hz:
            raise UserError(
                f"samples at {rate_hz} Hz: a stream needs {needed_hz} Hz, those of the training; "
                "resample them before"
            )
        if not isinstance(samples, np.ndarray | Tensor) or samples.ndim != 1:
            found = getattr(samples, "shape", type(samples).__name__)
            raise UserError(f"samples of shape {found}: a stream needs one channel, (samples,)")
        if not len(samples):
            return torch.empty(0)
        return torch.from_numpy(to_samples(samples, needed_hz, min_seconds=0.0))
