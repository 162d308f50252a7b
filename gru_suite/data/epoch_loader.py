"""Loaders of a distributed and resumable training.

Both take the batches of another loader, whose batch size is that of all processes together.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

# Devices beside CPU and CUDA that torch may have random generators of.
_OTHER_DEVICES = torch.backends.mps.is_available() or torch.xpu.is_available()


class EpochLoader:
    """The training part, in an order that depends on seed and epoch, from any batch on.

    Before each batch all global random generators are seeded by its position (seed, epoch, batch,
    process). What is drawn for a batch and in its training step therefore depends on nothing
    before it, and a training that resumes at this batch continues as if it had not stopped.

    Each of several processes loads its share of every batch. A batch with fewer items than
    processes gives some of them its first item, which then has no weight; see :meth:`weight`.

    An iterable data set makes its own batches; where it has a method ``share``, that is told this
    process. Batches before the first one are loaded and dropped.

    Args:
        source: loader of all items, in an order that its sampler determines by ``set_epoch``.
        seed: of the random generators.
        rank: number of this process.
        num_processes: that share each batch.
    """

    def __init__(
        self, source: DataLoader[Any], seed: int = 0, rank: int = 0, num_processes: int = 1
    ) -> None:
        self.dataset, self.batch_size = source.dataset, source.batch_size
        self.seed, self.rank, self.num_processes = seed, rank, num_processes
        self.epoch = self._first = self._loaded = 0
        self._started = -1  # the epoch that _first and _loaded belong to
        self._source = self._loader = source
        self._batches: _ShareOfBatches | None = None
        if callable(share := getattr(source.dataset, "share", None)):
            share(rank, num_processes)
        if not isinstance(source.dataset, IterableDataset):
            assert source.batch_sampler is not None
            self._batches = _ShareOfBatches(source.batch_sampler, rank, num_processes)
            self._batches.seed_all = self._seed_all
            self._loader = with_batches(source, self._batches)

    @property
    def sampler(self) -> "EpochLoader":
        """What Lightning tells the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration."""
        self.epoch = epoch
        batches = getattr(self._source, "batch_sampler", None)
        for each in (self._source.dataset, self._source.sampler, getattr(batches, "sampler", None)):
            if callable(set_epoch := getattr(each, "set_epoch", None)):
                set_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of batches of an epoch, the same in all processes."""
        return len(self._source)

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of this epoch, after those that a position has counted."""
        first = self._first if self._started == self.epoch else 0
        self._started, self._first, self._loaded = self.epoch, 0, first
        skipped = first
        if self._batches is not None:
            self._batches.first, skipped = first, 0
        self._seed_all(-1)
        for number, batch in enumerate(self._seeded(first - skipped)):
            if number >= skipped:
                self._loaded += 1
                yield batch

    def _seeded(self, first: int) -> Iterator[Any]:
        loader, number = iter(self._loader), first
        while True:
            self._seed_all(number)
            try:
                batch = next(loader)
            except StopIteration:
                return
            number += 1
            yield batch

    def _seed_all(self, number: int) -> None:
        position = [abs(self.seed), self.epoch, number + 1, self.rank]
        value = int(np.random.SeedSequence(position).generate_state(1)[0])
        _seed_torch(value)
        random.seed(value)
        # Data sets of plug-ins may draw from it.
        np.random.seed(value)  # noqa: NPY002

    def weight(self, batch_idx: int) -> float:
        """Return the weight of the mean loss of this process's share of a batch.

        Averaged over the processes, the weighted losses are the mean over the whole batch.
        """
        return 1.0 if self._batches is None else self._batches.weights.get(batch_idx, 1.0)

    # Not state_dict and load_state_dict: Lightning would restore the loader only if nothing had
    # asked for the number of batches before.

    @property
    def position(self) -> dict[str, int]:
        """The epoch, and its batches that were loaded."""
        return {"epoch": self.epoch, "batches": self._loaded}

    @position.setter
    def position(self, position: Mapping[str, int]) -> None:
        """Go on from a position, if the next iteration is of its epoch."""
        self._started, self._first = position["epoch"], position["batches"]


def _seed_torch(value: int) -> None:
    """Seed torch's generators of all devices in use.

    For a GPU that is not in use ``torch.manual_seed`` notes the call with its traceback: that takes
    a millisecond, and every note is kept.
    """
    if torch.cuda.is_initialized() or _OTHER_DEVICES:
        torch.manual_seed(value)
    else:
        torch.default_generator.manual_seed(value)


def shard_batches(source: DataLoader[Any], rank: int, num_processes: int) -> DataLoader[Any]:
    """Return a loader of every ``num_processes``-th batch, for metrics that processes add up.

    Together the processes load each item once, and each has at least one batch, since Lightning
    leaves out a validation without batches while the other processes wait for its metrics. With
    fewer items than processes, each loads all of them: their sums differ, not their means. An
    iterable data set shards itself.
    """
    if num_processes == 1 or isinstance(source.dataset, IterableDataset):
        return source
    assert source.batch_sampler is not None
    batches = [list(batch) for batch in source.batch_sampler]
    if len(batches) >= num_processes:
        return with_batches(source, batches[rank::num_processes])
    items = [item for batch in batches for item in batch]
    if len(items) < num_processes:
        return source
    return with_batches(source, [items[rank::num_processes]])


def with_batches(source: DataLoader[Any], batches: Any) -> DataLoader[Any]:
    """Return a loader like another one, of other batches of indices."""
    return DataLoader(
        source.dataset,
        batch_sampler=batches,
        num_workers=source.num_workers,
        collate_fn=source.collate_fn,
        pin_memory=source.pin_memory,
        timeout=source.timeout,
        worker_init_fn=source.worker_init_fn,
        multiprocessing_context=source.multiprocessing_context,
        prefetch_factor=source.prefetch_factor,
        persistent_workers=source.persistent_workers,
    )


class _ShareOfBatches:
    """One process's share of each batch of indices, from the batch ``first`` on."""

    def __init__(self, batches: Any, rank: int, num_processes: int) -> None:
        self.batches, self.rank, self.num_processes = batches, rank, num_processes
        self.first = 0
        self.weights: dict[int, float] = {}
        self.seed_all: Callable[[int], None] = lambda number: None

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Sequence[int]]:
        self.weights = {}
        # A sampler without a seed of its own draws its order at its first item, whichever batch
        # the loader wants first.
        self.seed_all(-1)
        batches = iter(self.batches)
        first = list(islice(batches, 1))
        self.seed_all(self.first)
        for number, batch in enumerate(chain(first, batches)):
            if number < self.first:
                continue
            if self.num_processes == 1:
                yield batch
                continue
            # The first processes have one item more where it does not come out even.
            begin = -(-len(batch) * self.rank // self.num_processes)
            end = -(-len(batch) * (self.rank + 1) // self.num_processes)
            share = batch[begin:end]
            self.weights[number] = self.num_processes * len(share) / len(batch)
            yield share or batch[:1]
