"""Records of shards, read by their offsets.

Shapes: N records.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError

from .index import ShardIndex, ShardSummary, read_index

_COMPRESSED = (".gz", ".tgz", ".bz2", ".xz")


class Record(NamedTuple):
    """A media file of a shard.

    Attributes:
        name: key and suffix.
        label: class number.
        content: of the file.
    """

    name: str
    label: int
    content: bytes

    @property
    def suffix(self) -> str:
        """Suffix of the file, with its dot."""
        return Path(self.name).suffix.lower()


def count_records(summary: ShardSummary, numbers: Mapping[str, int]) -> int:
    """Return the number of records of given classes."""
    return sum(count for label, count in summary.label_counts.items() if label in numbers)


def read_records(
    summary: ShardSummary, numbers: Mapping[str, int], first: int, end: int
) -> Iterator[Record]:
    """Yield some records of a shard in order.

    Args:
        summary: of the shard.
        numbers: class number by class; others are left out.
        first: of the records of these classes.
        end: after the last.
    """
    index = read_index(summary)
    chosen = [i for i, label in enumerate(index.labels) if label in numbers][first:end]
    with open_shard(index.path) as file:
        for i in chosen:
            content = _read(file, index.path, int(index.offset_N[i]), int(index.size_N[i]))
            yield Record(index.names[i], numbers[index.labels[i]], content)


def open_shard(path: Path) -> BinaryIO:
    """Open a tar file, compressed by gzip or not."""
    try:
        return gzip.open(path) if path.suffix in _COMPRESSED[:2] else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise UserError(f"{path}: cannot be opened: {error.strerror or error}") from error


def _read(file: BinaryIO, path: Path, offset: int, size: int) -> bytes:
    file.seek(offset)
    content = file.read(size)
    if len(content) < size:
        raise UserError(f"{path}: has changed since it was indexed; start the run again")
    return content


class ShardRecords:
    """All records of the shards of a part, in any order; for validation and test.

    Attributes:
        names: of the records.
        labels: their class numbers.
        facts: from the index.
    """

    def __init__(self, summaries: Iterable[ShardSummary], numbers: Mapping[str, int]) -> None:
        """Load the indices.

        Args:
            summaries: of the shards.
            numbers: class number by class; others are left out.

        Raises:
            UserError: a shard is compressed.
        """
        self.names: list[str] = []
        self.labels: list[int] = []
        self.facts: list[Any] = []
        places: list[tuple[int, int, int]] = []
        self._paths: list[Path] = []
        for summary in summaries:
            if summary.path.suffix in _COMPRESSED:
                raise UserError(f"{summary.path}: shards of val and test must not be compressed")
            self._add(read_index(summary), numbers, places)
        self._place_N3: NDArray[np.int64] = np.array(places, np.int64).reshape(-1, 3)

    def _add(
        self,
        index: ShardIndex,
        numbers: Mapping[str, int],
        places: list[tuple[int, int, int]],
    ) -> None:
        shard = len(self._paths)
        self._paths.append(index.path)
        for i, label in enumerate(index.labels):
            if label in numbers:
                self.names.append(index.names[i])
                self.labels.append(numbers[label])
                self.facts.append(index.facts[i])
                places.append((shard, int(index.offset_N[i]), int(index.size_N[i])))

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.names)

    def get(self, number: int) -> Record:
        """Return a record."""
        shard, offset, size = self._place_N3[number].tolist()
        with open_shard(self._paths[shard]) as file:
            content = _read(file, self._paths[shard], offset, size)
        return Record(self.names[number], self.labels[number], content)


def labels_of(summaries: Iterable[ShardSummary]) -> list[str]:
    """Return the classes of shards, sorted; numbers by their value."""
    labels = {label for summary in summaries for label in summary.label_counts}
    if all(label.isdecimal() for label in labels):
        return sorted(labels, key=int)
    return sorted(labels)


def class_counts(summaries: Sequence[ShardSummary], labels: Sequence[str]) -> list[int]:
    """Return the number of records of each class."""
    return [sum(each.label_counts.get(label, 0) for each in summaries) for label in labels]
