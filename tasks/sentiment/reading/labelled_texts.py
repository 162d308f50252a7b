"""Labelled texts, and the parts of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class LabelledTexts:
    """Texts with their labels.

    Attributes:
        texts: as in the file.
        labels: empty where a label is missing.
        locations: file and row of each text, or its path, for messages.
        notes: remarks on the reading, for the summary.
    """

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)

    def select(self, rows: Sequence[int]) -> "LabelledTexts":
        """Return some of the texts, with all notes."""
        columns = (self.texts, self.labels, self.locations)
        texts, labels, locations = ([column[row] for row in rows] for column in columns)
        return LabelledTexts(texts, labels, locations, list(self.notes))


Parts = dict[str, LabelledTexts]
"""``train``, ``val`` and ``test``; those that a data set has."""
