"""Data sets that return whole batches, and their loader.

Gathering a batch at once from a memory-mapped array takes a few milliseconds, so it needs no worker
processes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from torch.utils.data import DataLoader, Dataset

from gru_suite.model.batches import LengthBucketSampler

BatchT = TypeVar("BatchT")


class BatchDataset(Dataset[BatchT], ABC):
    """One part of the data, indexed by lists of rows.

    Attributes:
        labels: class numbers of the named items.
        names: of the items, as shown to users.
        lengths: time steps of each row.
        epoch: number of the current pass, set by the loader; it may decide random draws.
    """

    labels: list[int]
    names: list[str]
    lengths: list[int]
    epoch: int = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> BatchT:
        """Return a batch of one row."""
        return self.__getitems__([index])

    def class_counts(self, num_classes: int) -> list[int]:
        """Return the number of items of each class."""
        counts: list[int] = np.bincount(self.labels, minlength=num_classes).tolist()
        return counts

    @abstractmethod
    def __getitems__(self, indices: Sequence[int]) -> BatchT:
        """Return a batch of rows."""


class _EpochSampler(LengthBucketSampler):
    """Sampler that also sets the epoch of the data set."""

    def __init__(
        self, dataset: BatchDataset[Any], batch_size: int, shuffle: bool, seed: int
    ) -> None:
        super().__init__(dataset.lengths, batch_size, shuffle, seed)
        self.dataset = dataset

    def __iter__(self) -> Iterator[int]:
        self.dataset.epoch = self.epoch
        yield from super().__iter__()


def batch_loader(
    dataset: BatchDataset[Any], batch_size: int, shuffle: bool, seed: int = 0
) -> DataLoader[Any]:
    """Return a loader of the data set's own batches; arguments as of :func:`bucket_loader`."""
    return DataLoader(
        dataset,
        batch_size,
        sampler=_EpochSampler(dataset, batch_size, shuffle, seed),
        collate_fn=_identity,
    )


def _identity(batch: Any) -> Any:
    return batch
