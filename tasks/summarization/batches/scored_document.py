"""A document with the ROUGE of its sentences and summaries, each computed once.

Shapes: S sentences, M metrics of :data:`rouge.METRICS`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..reading.documents import Document
from .oracle import greedy_oracle
from .rouge import best_reference, rouge_scores


class ScoredDocument:
    """A document whose summaries are scored; scores are computed when asked for, and kept.

    Not a dataclass: Lightning copies those with every batch.

    Attributes:
        sentences: of the document.
        references: its summaries; where the file has labels only, the sentences that they keep.
        labels: whether the summary keeps each sentence, from the file; None where it has none.
    """

    def __init__(self, document: Document) -> None:
        """Take over a document that has a summary or labels."""
        self.sentences, self.labels = document.sentences, document.labels
        self.references = document.references
        if not self.references and document.labels is not None:
            kept = [
                sentence
                for sentence, label in zip(self.sentences, document.labels, strict=True)
                if label
            ]
            self.references = [" ".join(kept)]
        self._scores: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self._oracles: dict[int | None, tuple[int, ...]] = {}

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.sentences)

    def scores(self, chosen: Sequence[int]) -> NDArray[np.float64]:
        """Return ROUGE of some sentences as the summary, 0 to 1.

        Args:
            chosen: places of the sentences.

        Returns:
            Shape (2, M): against the reference with the best ROUGE-1, and the mean over references.
        """
        key = tuple(sorted(chosen))
        if key not in self._scores:
            text = " ".join(self.sentences[place] for place in key)
            scores_RM = rouge_scores(text, self.references)
            self._scores[key] = np.stack([best_reference(scores_RM), scores_RM.mean(0)])
        return self._scores[key]

    def sentence_gains(self) -> NDArray[np.float64]:
        """Return the value of each sentence as a summary of its own, shape (S,), 0 to 1.

        It is the mean of ROUGE-1 and ROUGE-2 against the best reference; where the file has labels,
        these.
        """
        if self.labels is not None:
            return np.array(self.labels, np.float64)
        return np.array([self.scores([place])[0, :2].mean() for place in range(len(self))])

    def oracle(self, limit: int | None = None) -> tuple[int, ...]:
        """Return the places of the sentences of the greedy oracle, ascending.

        Args:
            limit: of the sentences; None adds sentences as long as the score rises.
        """
        if limit not in self._oracles:
            self._oracles[limit] = greedy_oracle(self.sentences, self.references, limit)
        return self._oracles[limit]

    def targets(self, limit: int | None) -> NDArray[np.float64]:
        """Return 1 for sentences that the file or the oracle keeps and 0 for others, shape (S,)."""
        if self.labels is not None:
            return np.array(self.labels, np.float64)
        targets_S = np.zeros(len(self))
        targets_S[list(self.oracle(limit))] = 1
        return targets_S
