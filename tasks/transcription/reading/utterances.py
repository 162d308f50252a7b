"""Recordings with their transcripts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Utterances:
    """Recordings of a part, with remarks on their reading for the summary of the data.

    Attributes:
        paths: of the sound files.
        texts: transcripts.
        groups: of each, such as a speaker; empty where unknown. A group is in one part.
        places: file and row of each, for messages.
        parts: of each, where its table says it; otherwise empty.
        clips: number of each in the decoded samples; empty before the decoding.
        notes: remarks.
    """

    paths: list[Path] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    clips: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.paths)

    def add(self, path: Path, text: str, group: str, place: str) -> None:
        """Append a recording."""
        self.paths.append(path)
        self.texts.append(text)
        self.groups.append(group)
        self.places.append(place)

    def select(self, rows: Sequence[int]) -> "Utterances":
        """Return some of the recordings, with all notes."""
        return Utterances(
            [self.paths[row] for row in rows],
            [self.texts[row] for row in rows],
            [self.groups[row] for row in rows],
            [self.places[row] for row in rows],
            [self.parts[row] for row in rows] if self.parts else [],
            [self.clips[row] for row in rows] if self.clips else [],
            list(self.notes),
        )


Parts = dict[str, Utterances]
"""``train``, ``val`` and ``test``; those that a data set has."""
