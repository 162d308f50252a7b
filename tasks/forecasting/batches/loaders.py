"""Loaders of windows, and the order of an epoch."""

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from .forecast_batch import ForecastBatch
from .stored.windows import StoredWindowSet
from .windows import WindowSet

# Rounds of the permutation, and indices that it computes at once.
_ROUNDS, _PIECE = 6, 1 << 16


class EpochShuffle(Sampler[int]):
    """Random order that depends on seed and epoch alone, so that a resumed run continues it.

    With a stride, an epoch has every n-th window from a random offset, so that all are used over
    several epochs.
    """

    def __init__(self, windows: Sized, stride: int, seed: int) -> None:
        """Shuffle every ``stride``-th of the windows."""
        self.count, self.stride = len(windows), stride
        self.seed, self.epoch = seed, 0
        # A permutation of many stored windows would take more memory than their values.
        self._computed = isinstance(windows, StoredWindowSet)

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
        if self._computed:
            for position in permuted(len(range(first, self.count, self.stride)), generator):
                yield from (first + position[: len(self)] * self.stride).tolist()
            return
        index = torch.arange(first, self.count, self.stride)
        yield from index[torch.randperm(len(index), generator=generator)][: len(self)].tolist()


def permuted(count: int, generator: torch.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield a random permutation of ``range(count)`` in pieces, in constant memory.

    Each index is encrypted by a Feistel network until it is below ``count`` (Black and Rogaway
    2002, "Ciphers with arbitrary finite domains").
    """
    half_bits = max(1, -(-max(count - 1, 1).bit_length() // 2))
    mask = np.uint64((1 << half_bits) - 1)
    keys = torch.randint(2**62, (_ROUNDS,), generator=generator).numpy().astype(np.uint64)

    def encrypt(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = value >> np.uint64(half_bits), value & mask
        for key in keys:
            # The finalizer of splitmix64.
            mixed = (right ^ key) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & mask)
        return (left << np.uint64(half_bits)) | right

    for start in range(0, count, _PIECE):
        found = encrypt(np.arange(start, min(start + _PIECE, count), dtype=np.uint64))
        while (outside := found >= count).any():
            found[outside] = encrypt(found[outside])
        yield found.astype(np.int64)


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
