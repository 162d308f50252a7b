"""Documents with their summaries, and the parts of a data set."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Document:
    """A document and what is known of its summary.

    Attributes:
        sentences: in their order, none of them empty.
        references: summaries, one or more; none where it is unknown.
        labels: whether the summary keeps each sentence, from the file; None where it has none.
        location: file and row, or path, for messages.
        group: documents of a group are in one part, such as a paper or a package.
    """

    sentences: list[str]
    references: list[str] = field(default_factory=list)
    labels: list[bool] | None = None
    location: str = ""
    group: str = ""

    @property
    def text(self) -> str:
        """The sentences, joined by spaces."""
        return " ".join(self.sentences)


@dataclass
class Documents:
    """Documents of a part, with remarks on their reading for the summary of the data.

    Attributes:
        items: the documents.
        notes: remarks.
    """

    items: list[Document] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.items)

    def select(self, rows: Iterable[int]) -> "Documents":
        """Return some of the documents, with all notes."""
        return Documents([self.items[row] for row in rows], list(self.notes))


Parts = dict[str, Documents]
"""``train``, ``val`` and ``test``; those that a data set has."""
