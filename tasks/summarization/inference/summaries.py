"""Summaries of documents: the chosen sentences and the scores of all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Digits of a score in tables: less than what the order of a sum changes.
_DECIMALS = 3


@dataclass(frozen=True)
class Summary:
    """The summary of one document.

    Attributes:
        sentences: of the document, as they were split; none where it is empty.
        chosen: places of the sentences of the summary, ascending.
        scores: share of each sentence in the softmax over the document, 0 to 1.
    """

    sentences: list[str]
    chosen: list[int]
    scores: list[float]

    @property
    def document(self) -> str:
        """The document, its sentences joined by spaces."""
        return " ".join(self.sentences)

    @property
    def summary(self) -> str:
        """The chosen sentences in the order of the document, joined by spaces."""
        return " ".join(self.chosen_sentences)

    @property
    def chosen_sentences(self) -> list[str]:
        """The chosen sentences in the order of the document."""
        return [self.sentences[place] for place in self.chosen]


@dataclass(frozen=True)
class Summaries:
    """The summaries of some documents; a sequence of :class:`Summary`.

    Attributes:
        sentences: of each document.
        chosen: places of the sentences of each summary, ascending.
        scores: of all sentences of each document, 0 to 1, adding up to 1.
    """

    sentences: list[list[str]]
    chosen: list[list[int]]
    scores: list[list[float]]

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.sentences)

    def __getitem__(self, index: int) -> Summary:
        """Return the summary of one document."""
        return Summary(self.sentences[index], self.chosen[index], self.scores[index])

    def __iter__(self) -> Iterator[Summary]:
        """Yield the summary of each document."""
        return (self[index] for index in range(len(self)))

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns of :meth:`to_frame` as plain lists, ready for JSON."""
        return {
            "document": [each.document for each in self],
            "summary": [each.summary for each in self],
            "chosen": [list(each.chosen) for each in self],
            "scores": [[round(score, _DECIMALS) for score in each.scores] for each in self],
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return a table, a row per document: document, summary, places of its sentences, scores.

        Places count from 0; scores are those of all sentences, rounded.
        """
        import pandas as pd

        return pd.DataFrame(self.to_dict())
