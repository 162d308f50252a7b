"""Microphones of many clients as rows of one batch.

Shapes: S samples, K classes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from gru_suite.model.service.classification import class_probabilities
from gru_suite.model.service.streams import ServiceStreams
from gru_suite.options import build

from ..reading.labels import SILENCE, UNKNOWN
from .streaming import SpeechStream
from .timeline import Detection
from .word_segments import Samples, WordSegmenter


class StreamedSpeech(Protocol):
    """The interface of a speech model that streams; ``SpeechCommandsModel`` has it."""

    labels: list[str]
    sample_rate_hz: int
    schema: dict[str, Any]
    options: dict[str, Any]

    def stream(self, batch_size: int = 1) -> SpeechStream:
        """Return streams of samples."""


class _Microphone:
    """One client of :class:`WordStreams`."""

    def __init__(self, sample_rate_hz: int, longest_s: float, num_classes: int) -> None:
        self.segmenter = WordSegmenter(sample_rate_hz, longest_s)
        self.probability_K = np.full(num_classes, np.nan, np.float32)


class WordStreams(ServiceStreams):
    """Microphones as rows of one batch: words as they end, and probabilities as they are spoken.

    The model was trained on clips of one word. A row is therefore reset where a word begins
    (:class:`WordSegmenter`), and its prediction is that of the word so far, as
    ``SpeechCommandsModel.stream`` gives it.
    """

    def __init__(self, model: "StreamedSpeech", read: Callable[[Any], Samples]) -> None:
        """Begin without clients.

        Args:
            model: in evaluation mode.
            read: converts a message into samples at the model's rate.

        Raises:
            UserError: the model looks ahead.
        """
        self._read, self._rate_hz = read, model.sample_rate_hz
        self._stream: SpeechStream = model.stream(0)
        self._labels = model.labels
        options = dict(model.options.get("detection") or {})
        self._threshold = build(Detection, "detection", options).threshold
        # The pause at the end counts.
        self._longest_s = 1.5 * int(model.schema["clip_samples"]) / self._rate_hz
        self._clients: list[_Microphone] = []

    def join(self) -> None:
        """Add a client."""
        self._stream.join(1)
        self._clients.append(_Microphone(self._rate_hz, self._longest_s, len(self._labels)))

    def leave(self, row: int) -> None:
        """Remove a client."""
        self._stream.leave(row)
        self._clients.pop(row)

    def reset(self, row: int) -> None:
        """Reset a client."""
        self._stream.reset(row)
        self._clients[row] = _Microphone(self._rate_hz, self._longest_s, len(self._labels))

    def read(self, message: Any) -> Samples:
        """Return a checked chunk."""
        return self._read(message)

    def push(self, chunks: Sequence[list[Any]]) -> list[dict[str, Any] | None]:
        """Process samples of each client; the parts of words of all together."""
        parts = [
            client.segmenter.push(np.concatenate(own)) if own else []
            for client, own in zip(self._clients, chunks, strict=True)
        ]
        words: list[list[dict[str, Any]]] = [[] for _ in chunks]
        for number in range(max(map(len, parts), default=0)):
            now = [each[number] if number < len(each) else None for each in parts]
            begun = [row for row, part in enumerate(now) if part is not None and part.begins]
            if begun:
                self._stream.reset(begun)
            samples = [None if part is None else part.samples_S for part in now]
            predictions = self._stream.push(samples)
            for row, part in enumerate(now):
                if part is None:
                    continue
                client = self._clients[row]
                client.probability_K = predictions.probability_NK[row]
                if part.ends and client.segmenter.is_word(part):
                    words[row] += self._word(client, part.start_s, part.end_s)
        return [
            self._result(client, found) if own else None
            for client, own, found in zip(self._clients, chunks, words, strict=True)
        ]

    def _word(self, client: _Microphone, start_s: float, end_s: float) -> list[dict[str, Any]]:
        best = int(client.probability_K.argmax())
        label, score = self._labels[best], float(client.probability_K[best])
        if score < self._threshold or label in (SILENCE, UNKNOWN):
            return []
        times = {"start": round(start_s, 3), "end": round(end_s, 3)}
        return [{**times, "label": label, "score": round(score, 4)}]

    def _result(self, client: _Microphone, words: list[dict[str, Any]]) -> dict[str, Any]:
        segmenter = client.segmenter
        return {
            **class_probabilities(self._labels, client.probability_K),
            "level_db": round(segmenter.level_db, 1),
            "speaking": segmenter.speaking,
            "words": words,
            "seconds": round(segmenter.seconds, 3),
        }
