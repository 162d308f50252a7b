"""Streams of many clients as rows of one batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gru_suite.errors import UserError
from gru_suite.model.predictions import Predictions
from gru_suite.model.streaming.stream import Stream


class ServiceStreams(ABC):
    """Streams of clients; a client is a row, numbered from 0.

    When a client leaves, the rows after it move up.
    """

    @abstractmethod
    def join(self) -> None:
        """Add a client after the others."""

    @abstractmethod
    def leave(self, row: int) -> None:
        """Remove a client."""

    @abstractmethod
    def reset(self, row: int) -> None:
        """Set a client to its state before the first chunk."""

    @abstractmethod
    def read(self, message: Any) -> Any:
        """Return a checked chunk from a message: bytes, or plain data from JSON.

        Raises:
            UserError: it is none.
        """

    @abstractmethod
    def push(self, chunks: Sequence[list[Any]]) -> list[dict[str, Any] | None]:
        """Process the chunks that have arrived of each client.

        Args:
            chunks: of each row, in order of their arrival; empty where there is none.

        Returns:
            The prediction of each row after its last chunk, None where there was none.

        Raises:
            UserError: a chunk does not fit; all rows are unchanged.
        """


class ModelStreams(ServiceStreams):
    """Streams of a model's own :class:`Stream`, with predictions of everything so far."""

    def __init__(
        self,
        stream: Stream[Any],
        read: Callable[[Any], Any],
        join_chunks: Callable[[list[Any]], Any] = np.concatenate,
        as_json: Callable[[Any, int], dict[str, Any]] | None = None,
    ) -> None:
        """Set the stream.

        Args:
            stream: without rows.
            read: converts a message into a chunk.
            join_chunks: makes one chunk of several.
            as_json: converts the prediction of a row; None converts that of a classifier.
        """
        self.stream, self._read, self._join_chunks = stream, read, join_chunks
        self._as_json = as_json or class_of_row

    def join(self) -> None:
        """Add a client."""
        self.stream.join(1)

    def leave(self, row: int) -> None:
        """Remove a client."""
        self.stream.leave(row)

    def reset(self, row: int) -> None:
        """Reset a client."""
        self.stream.reset(row)

    def read(self, message: Any) -> Any:
        """Return a checked chunk."""
        return self._read(message)

    def push(self, chunks: Sequence[list[Any]]) -> list[dict[str, Any] | None]:
        """Process the chunks of each client, joined, as one batch."""
        joined = [self._joined(each) for each in chunks]
        prediction = self.stream.push(joined)
        return [
            None if chunk is None else self._as_json(prediction, row)
            for row, chunk in enumerate(joined)
        ]

    def _joined(self, chunks: list[Any]) -> Any:
        if len(chunks) < 2:
            return chunks[0] if chunks else None
        return self._join_chunks(chunks)


def class_of_row(predictions: Any, row: int) -> dict[str, Any]:
    """Return label and probabilities of a row of a classifier's predictions."""
    if not isinstance(predictions, Predictions):
        raise UserError("this stream's predictions have no form for a network")
    each = predictions[row]
    return {"label": each.label, "probability": each.probability}
