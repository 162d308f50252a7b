"""Batches of labelled sequences: data set, padding, bucketing by length.

Shapes: B batch, T time steps (right-padded).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

# Batches sorted together: many enough for little padding, few enough to leave the order to chance.
BATCHES_PER_BUCKET = 50


class SequenceBatch(NamedTuple):
    """Labelled sequences of different lengths, padded on the right.

    Attributes:
        x: the sequences, shape (B, T, ...): token numbers, samples or features.
        lengths_B: valid steps of each, 1..T, int64.
        labels_B: class numbers, int64.
    """

    x: Tensor
    lengths_B: Tensor
    labels_B: Tensor


class SequenceDataset(Dataset[tuple[Tensor, int]]):
    """Sequences with their classes and names; ``collate`` makes batches of them.

    Attributes:
        names: what a person knows each sequence by: the text itself, or a path.
        labels: class numbers.
        lengths: steps of each sequence, at least 1.
    """

    def __init__(
        self,
        sequences: Sequence[Tensor],
        labels: Sequence[int],
        names: Sequence[str],
        lengths: Sequence[int] | None = None,
    ) -> None:
        """Hold the sequences as they are.

        Args:
            sequences: anything that gives a tensor of shape (T, ...) by its number.
            labels: class numbers, one a sequence.
            names: one a sequence.
            lengths: steps of each sequence, where asking the sequences would read them all.
        """
        self.sequences = sequences
        self.labels = labels
        self.names = names
        self.lengths = [len(each) for each in sequences] if lengths is None else lengths

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return one sequence and its class number."""
        return self.sequences[index], int(self.labels[index])


def collate(items: Sequence[tuple[Tensor, int]], padding_value: float = 0) -> SequenceBatch:
    """Pad labelled sequences to the longest of them.

    Args:
        items: sequences of shape (T, ...), at least one step each, with their class numbers.
        padding_value: what stands after a sequence's end.
    """
    sequences = [sequence for sequence, _ in items]
    return SequenceBatch(
        pad_sequence(sequences, batch_first=True, padding_value=padding_value),
        torch.tensor([len(sequence) for sequence in sequences]),
        torch.tensor([label for _, label in items]),
    )


class LengthBucketSampler(Sampler[int]):
    """An order in which neighbours have similar lengths, so that batches need little padding.

    It orders single sequences, and the loader cuts batches of ``batch_size`` from it, so Lightning
    can share them out among processes. Shuffled, each epoch has another order, the same for the
    same seed and epoch: all sequences are shuffled, sorted by length within groups of
    ``BATCHES_PER_BUCKET`` batches, and whole batches shuffled once more.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, shuffle: bool = True, seed: int = 0
    ) -> None:
        """Set the order up.

        Args:
            lengths: steps of each sequence.
            batch_size: sequences in a batch of the loader.
            shuffle: a new order each epoch; False sorts by length, longest first, every time.
            seed: of the shuffled orders.
        """
        self.lengths_N = torch.as_tensor(lengths)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.lengths_N)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the sequences."""
        if not self.shuffle:
            # The longest first: a batch too big for the memory fails at once.
            yield from self.lengths_N.sort(descending=True, stable=True).indices.tolist()
            return
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        # Where nothing calls set_epoch, every pass still has another order.
        self.epoch += 1
        order_N = torch.randperm(len(self), generator=generator)
        batches: list[Tensor] = []
        for bucket in order_N.split(self.batch_size * BATCHES_PER_BUCKET):
            by_length = bucket[self.lengths_N[bucket].argsort(stable=True)]
            batches.extend(by_length.split(self.batch_size))
        # A short batch anywhere but at the end would shift the cuts of those behind it.
        last = [batches.pop()] if len(self) % self.batch_size else []
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield from batches[index].tolist()
        for batch in last:
            yield from batch.tolist()


def bucket_loader(
    dataset: SequenceDataset,
    batch_size: int,
    shuffle: bool,
    seed: int = 0,
    num_workers: int = 0,
    padding_value: float = 0,
) -> DataLoader[Any]:
    """Return a loader of :class:`SequenceBatch` with little padding.

    Args:
        dataset: what is loaded.
        batch_size: sequences in a batch.
        shuffle: for training; otherwise the order is the same in every pass.
        seed: of the shuffled orders.
        num_workers: processes that load; 0 loads in this one.
        padding_value: what stands after a sequence's end.
    """
    return DataLoader(
        dataset,
        batch_size,
        sampler=LengthBucketSampler(dataset.lengths, batch_size, shuffle, seed),
        num_workers=num_workers,
        collate_fn=_Collate(padding_value),
    )


class _Collate:
    """``collate`` with a chosen padding value; a class, so that workers can be spawned with it."""

    def __init__(self, padding_value: float) -> None:
        self.padding_value = padding_value

    def __call__(self, items: Sequence[tuple[Tensor, int]]) -> SequenceBatch:
        return collate(items, self.padding_value)


def spread_by_length(lengths: Sequence[int], count: int) -> list[int]:
    """Return the places of at most ``count`` sequences, from the shortest to the longest."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    last, count = len(order) - 1, min(count, len(order))
    return [order[round(number * last / max(count - 1, 1))] for number in range(count)]
