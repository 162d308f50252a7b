"""Shards of training, validation and test, with what was left out of them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gru_suite.data.splits import PARTS
from gru_suite.data.unreadable_files import check_unreadable

from .index import Inspect, ShardSummary, summarize
from .shard_files import shards_by_part

# Items that linear baselines are fitted on: they need memory for each.
_MAX_BASELINE_ITEMS = 20_000


class ShardParts(NamedTuple):
    """The shards of each part.

    Attributes:
        summaries: of the shards by part.
        unreadable: reason of each damaged member, by shard and name.
    """

    summaries: dict[str, list[ShardSummary]]
    unreadable: dict[str, str]

    def num_others(self, labels: Sequence[str]) -> int:
        """Return the number of records of none of the classes."""
        counts = [each.label_counts for part in PARTS for each in self.summaries[part]]
        return sum(n for each in counts for label, n in each.items() if label not in labels)


def read_parts(
    path: str | Sequence[str] | None,
    given: Mapping[str, str | Sequence[str] | None],
    cache: Path,
    suffixes: Sequence[str],
    inspect: Inspect,
    settings: str,
    max_bad_fraction: float,
    kind: str,
) -> ShardParts:
    """Return the shards of each part.

    Args:
        path: pattern of all shards.
        given: patterns by part.
        cache: folder of the data's kind.
        suffixes: of media files.
        inspect: returns the facts of a media file.
        settings: of ``inspect``.
        max_bad_fraction: largest share of damaged members.
        kind: of the files, for messages.

    Raises:
        UserError: a part has no shards, or too many members are damaged.
    """
    summaries = {
        part: summarize(shards, cache / "shards", suffixes, inspect, settings)
        for part, shards in shards_by_part(path, given).items()
    }
    every = [each for part in PARTS for each in summaries[part]]
    unreadable = {
        f"{each.path.name}/{name}": reason for each in every for name, reason in each.bad.items()
    }
    count = sum(sum(each.label_counts.values()) for each in every) + len(unreadable)
    check_unreadable(unreadable, count, max_bad_fraction, kind)
    return ShardParts(summaries, unreadable)


class FirstBatches:
    """The first batches of a loader, for baselines that keep features of all items in memory."""

    def __init__(self, loader: Iterable[Any], batch_size: int) -> None:
        """Set the loader and its items in a batch."""
        self.loader, self.count = loader, math.ceil(_MAX_BASELINE_ITEMS / batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches."""
        return islice(self.loader, self.count)
