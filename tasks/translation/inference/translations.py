"""Translations: hypotheses of sources, with scores, alternatives and alignments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Alignment:
    """The attention of a hypothesis, by words.

    Attributes:
        source_words: of the source.
        target_words: of the hypothesis.
        weights: for each target word the share of each source word; rows sum to 1.
    """

    source_words: list[str]
    target_words: list[str]
    weights: list[list[float]]


@dataclass(frozen=True)
class Translation:
    """The hypotheses of one source.

    Attributes:
        source: the text.
        hypotheses: texts, best first; none for an empty source.
        scores: their log-probabilities divided by a power of their numbers of tokens.
        alignment: of the best one, where it was asked for.
    """

    source: str
    hypotheses: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    alignment: Alignment | None = None

    @property
    def text(self) -> str:
        """The best hypothesis, empty for an empty source."""
        return self.hypotheses[0] if self.hypotheses else ""

    @property
    def score(self) -> float:
        """The score of the best hypothesis, NaN for an empty source."""
        return self.scores[0] if self.scores else float("nan")

    @property
    def alternatives(self) -> list[tuple[str, float]]:
        """The other hypotheses and their scores, best first."""
        return list(zip(self.hypotheses[1:], self.scores[1:], strict=True))

    # The parts of the alignment, empty without one.

    @property
    def source_words(self) -> list[str]:
        """Words of the source."""
        return self.alignment.source_words if self.alignment else []

    @property
    def target_words(self) -> list[str]:
        """Words of the best hypothesis."""
        return self.alignment.target_words if self.alignment else []

    @property
    def attention(self) -> list[list[float]]:
        """For each target word the share of each source word."""
        return self.alignment.weights if self.alignment else []


@dataclass(frozen=True)
class Translations:
    """The translations of some sources; a sequence of :class:`Translation`.

    Attributes:
        items: one for each source.
        n_best: hypotheses that were asked for.
    """

    items: Sequence[Translation]
    n_best: int = 1

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.items)

    def __getitem__(self, index: int) -> Translation:
        """Return the translation of one source."""
        return self.items[index]

    def __iter__(self) -> Iterator[Translation]:
        """Yield the translation of each source."""
        return iter(self.items)

    @property
    def texts(self) -> list[str]:
        """The best hypothesis of each source."""
        return [each.text for each in self.items]

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns of :meth:`to_frame` as plain lists, ready for JSON."""
        columns: dict[str, list[Any]] = {
            "source": [each.source for each in self.items],
            "target": self.texts,
            "score": [each.score for each in self.items],
        }
        for rank in range(1, self.n_best):
            found = [[*each.alternatives, *[("", float("nan"))] * rank] for each in self.items]
            columns[f"target_{rank + 1}"] = [each[rank - 1][0] for each in found]
            columns[f"score_{rank + 1}"] = [each[rank - 1][1] for each in found]
        return columns

    def to_frame(self) -> "pd.DataFrame":
        """Return a table: source, target, score, and ``target_<rank>``, ``score_<rank>``."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())
