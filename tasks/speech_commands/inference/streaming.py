"""Streams of recordings to classify.

Shapes: S samples.
"""

from typing import Any

from torch import Tensor

from gru_suite.audio.streaming import chunk_samples
from gru_suite.model.streaming.classification import ClassificationStream, StreamedClassifier


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
        """Return samples of full scale 1.0, shape (S,); see :func:`chunk_samples`."""
        return chunk_samples(raw, self._sample_rate_hz)
