"""N-gram language model of tokens, with Witten-Bell smoothing.

Shapes: V tokens.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

END = -1
"""Stands for the end of a transcript."""

_KEPT = 50_000


class NGramModel:
    """Probability of a token after those before it, from counts of n-grams.

    Interpolated with shorter contexts by Witten and Bell (1991,
    https://doi.org/10.1109/18.87000): ``(count(h, w) + types(h) p(w | shorter h)) / (count(h) +
    types(h))``, where ``types(h)`` is the number of different tokens seen after ``h``.
    """

    def __init__(self, vocabulary_size: int, order: int, counts: dict[str, dict[str, int]]) -> None:
        """Restore a model.

        Args:
            vocabulary_size: V.
            order: tokens of an n-gram.
            counts: of each token after each context: ids joined by spaces.
        """
        self.size, self.order, self.counts = vocabulary_size, order, counts
        self._known: dict[str, NDArray[np.float64]] = {}
        self._logs: dict[tuple[int, ...], NDArray[np.float64]] = {}

    @classmethod
    def fit(cls, texts: Iterable[Sequence[int]], vocabulary_size: int, order: int) -> "NGramModel":
        """Count the n-grams of transcripts, given as token ids.

        Of more than 50,000 contexts the most frequent ones are kept.
        """
        counts: dict[str, dict[str, int]] = {}
        for ids in texts:
            tokens = [*ids, END]
            for place, token in enumerate(tokens):
                for length in range(min(order - 1, place) + 1):
                    context = " ".join(map(str, tokens[place - length : place]))
                    after = counts.setdefault(context, {})
                    after[str(token)] = after.get(str(token), 0) + 1
        if len(counts) > _KEPT:
            # A context is at most as frequent as its shorter one, which is therefore kept too.
            order_of = {key: (-sum(counts[key].values()), len(key)) for key in counts}
            counts = {key: counts[key] for key in sorted(counts, key=order_of.__getitem__)[:_KEPT]}
        return cls(vocabulary_size, order, counts)

    def as_dict(self) -> dict[str, Any]:
        """Return the model as plain data, the arguments of ``NGramModel``."""
        return {"vocabulary_size": self.size, "order": self.order, "counts": self.counts}

    def log_probabilities(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """Return the log-probability of each next token, and of the end, shape (V + 1,)."""
        context = tuple(tokens[max(0, len(tokens) - self.order + 1) :]) if self.order > 1 else ()
        found = self._logs.get(context)
        if found is None:
            found = self._logs[context] = np.log(self._after(" ".join(map(str, context))))
        return found

    def _after(self, context: str) -> NDArray[np.float64]:
        found = self._known.get(context)
        if found is not None:
            return found
        shorter = context.partition(" ")[2]
        below = self._after(shorter) if context else np.full(self.size + 1, 1 / (self.size + 1))
        after = self.counts.get(context)
        found = below
        if after:
            count_V = np.zeros(self.size + 1)
            # The end is the last index, -1.
            count_V[[int(token) for token in after]] = list(after.values())
            found = (count_V + len(after) * below) / (count_V.sum() + len(after))
        self._known[context] = found
        return found
