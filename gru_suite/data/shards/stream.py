"""Training batches streamed from shards.

Shapes: S shards, N batches of a process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from gru_suite.errors import UserError

from .index import ShardSummary
from .records import Record, class_counts, count_records, read_records

MakeBatch = Callable[[list[Record], np.random.Generator], Any]
"""From records and a generator of draws to a batch."""


class ShardStream(IterableDataset[Any]):
    """Batches of all records, in a new order in each epoch, in memory of a constant size.

    The shards are shuffled, and what follows is as if they were one long shard: each process reads
    an equal part of it, and each worker a part of that, so that every process has the same number
    of batches, whatever the sizes of the shards, and no record is read twice. A buffer shuffles
    neighbours. The rest of an epoch that fills no batch is left out, another one each time.

    Attributes:
        lengths: of some records.
        epoch: number of the current pass.
    """

    def __init__(
        self,
        summaries: Sequence[ShardSummary],
        labels: Sequence[str],
        make_batch: MakeBatch,
        lengths: list[int],
        batch_size: int,
        buffer_size: int,
        seed: int,
    ) -> None:
        """Set the shards.

        Args:
            summaries: of the shards.
            labels: names of the classes; records of others are left out.
            make_batch: decodes records.
            lengths: of some records.
            batch_size: records of a batch, of all processes together.
            buffer_size: records that are shuffled at once.
            seed: of the order and of the draws.

        Raises:
            UserError: there is no record.
        """
        super().__init__()
        self.summaries, self.make_batch, self.lengths = list(summaries), make_batch, lengths
        self.numbers: Mapping[str, int] = {label: number for number, label in enumerate(labels)}
        self.count_S = np.array([count_records(each, self.numbers) for each in summaries], np.int64)
        self.size = int(self.count_S.sum())
        self.batch_size, self.buffer_size = min(batch_size, self.size), buffer_size
        self.seed, self.epoch = abs(seed), 0
        self._class_counts = class_counts(summaries, labels)
        if not self.size:
            raise UserError("the shards for training have no record of any class")
        self.share(0, 1)

    def class_counts(self, num_classes: int) -> list[int]:
        """Return the number of records of each class."""
        return self._class_counts[:num_classes]

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def share(self, rank: int, num_processes: int) -> None:
        """Restrict the stream to one process's share.

        Raises:
            UserError: a batch cannot be divided among the processes.
        """
        if self.batch_size % num_processes:
            raise UserError(
                f"data.batch_size={self.batch_size}: with shards it must be a multiple of the "
                f"{num_processes} processes"
            )
        self.rank, self.num_processes = rank, num_processes

    def __len__(self) -> int:
        """Return the number of batches of an epoch, the same in all processes."""
        return self.size // self.batch_size

    def __iter__(self) -> Iterator[Any]:
        """Yield this worker's batches of this process."""
        info = get_worker_info()
        worker, num_workers = (0, 1) if info is None else (info.id, info.num_workers)
        share = self.batch_size // self.num_processes
        # DataLoader takes a batch of each worker in turn.
        batches = [len(range(each, len(self), num_workers)) for each in range(num_workers)]
        first = (self.rank * len(self) + sum(batches[:worker])) * share
        draws = np.random.default_rng([self.seed, self.epoch, self.rank, worker])
        records = self._shuffled(self._records(first, first + batches[worker] * share), draws)
        for _ in range(batches[worker]):
            yield self.make_batch([next(records) for _ in range(share)], draws)

    def _records(self, first: int, end: int) -> Iterator[Record]:
        """Yield records by their places in the joined shards of this epoch."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.summaries))
        start = 0
        for shard in order:
            count = int(self.count_S[shard])
            if first < start + count and start < end:
                inside = max(first - start, 0), min(end - start, count)
                yield from read_records(self.summaries[shard], self.numbers, *inside)
            start += count

    def _shuffled(self, records: Iterator[Record], draws: np.random.Generator) -> Iterator[Record]:
        buffer: list[Record] = []
        for record in records:
            if len(buffer) < self.buffer_size:
                buffer.append(record)
                continue
            place = int(draws.integers(len(buffer)))
            yield buffer[place]
            buffer[place] = record
        for place in draws.permutation(len(buffer)):
            yield buffer[place]


def stream_loader(stream: ShardStream, num_workers: int) -> DataLoader[Any]:
    """Return a loader of a stream's batches.

    Args:
        stream: of batches.
        num_workers: processes that read and decode; their number changes the order.
    """
    return DataLoader(stream, batch_size=None, num_workers=num_workers, collate_fn=_identity)


def _identity(batch: Any) -> Any:
    return batch
