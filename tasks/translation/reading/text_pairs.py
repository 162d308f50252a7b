"""Pairs of texts, and the parts of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class TextPairs:
    """Sources with their targets.

    Attributes:
        sources: as in the file.
        targets: the reference of each source; empty where it is missing.
        places: file and row or line of each pair, for messages.
        notes: remarks on the reading, for the summary.
    """

    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.sources)

    def select(self, rows: Sequence[int]) -> "TextPairs":
        """Return some of the pairs, with all notes."""
        columns = (self.sources, self.targets, self.places)
        sources, targets, places = ([column[row] for row in rows] for column in columns)
        return TextPairs(sources, targets, places, list(self.notes))


Parts = dict[str, TextPairs]
"""``train``, ``val`` and ``test``; those that a data set has."""
