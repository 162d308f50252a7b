"""Loaders of windows, and the order of an epoch."""

from collections.abc import Iterator, Sized
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from .forecast_batch import ForecastBatch
from .windows import WindowSet


class EpochShuffle(Sampler[int]):
    """Random order that depends on seed and epoch alone, so that a resumed run continues it.

    With a stride, an epoch has every n-th window from a random offset, so that all are used over
    several epochs.
    """

    def __init__(self, windows: Sized, stride: int, seed: int) -> None:
        """Shuffle every ``stride``-th of the windows."""
        self.count, self.stride = len(windows), stride
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        """Return the number of windows of an epoch, always the same, as schedules count steps."""
        return max(self.count // self.stride, min(self.count, 1))

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Yield the windows' indices in this epoch's order."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        starts = max(min(self.stride, self.count), 1)
        first = int(torch.randint(starts, (), generator=generator))
        index = torch.arange(first, self.count, self.stride)
        yield from index[torch.randperm(len(index), generator=generator)][: len(self)].tolist()


def make_loader(
    windows: WindowSet, batch_size: int, num_workers: int, sampler: EpochShuffle | None = None
) -> DataLoader[ForecastBatch]:
    """Return a loader of windows, all in order unless a sampler is given; no batch is dropped."""
    return DataLoader(
        windows,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        collate_fn=_identity,  # WindowSet.__getitems__ returns a batch
        pin_memory=torch.cuda.is_available(),
    )


def _identity(batch: Any) -> Any:
    return batch
