"""Batches of labelled sequences: data set, padding, bucketing by length.

Shapes: B batch, T time steps (right-padded).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

# Batches sorted together: enough for little padding, few enough for a random order.
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
        names: of the sequences, as shown to users: the text itself, or a path.
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
        """Store the sequences.

        Args:
            sequences: indexable; each item is a tensor of shape (T, ...).
            labels: class number of each sequence.
            names: of each sequence.
            lengths: steps of each sequence, where taking ``len`` of each would be expensive.
        """
        self.sequences = sequences
        self.labels = labels
        self.names = names
        self.lengths = [len(each) for each in sequences] if lengths is None else lengths

    def select(self, indices: Iterable[int]) -> "SequenceDataset":
        """Return some of the sequences."""
        rows = [int(index) for index in indices]
        labels, names = [self.labels[row] for row in rows], [self.names[row] for row in rows]
        return SequenceDataset([self.sequences[row] for row in rows], labels, names)

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
        padding_value: fills the steps after the end of a sequence.
    """
    sequences = [sequence for sequence, _ in items]
    return SequenceBatch(
        pad_sequence(sequences, batch_first=True, padding_value=padding_value),
        torch.tensor([len(sequence) for sequence in sequences]),
        torch.tensor([label for _, label in items]),
    )


class LengthBucketSampler(Sampler[int]):
    """Sampler that orders sequences by length in buckets, so that batches need little padding.

    It yields single indices, from which the loader takes batches of ``batch_size``, so Lightning
    can distribute them among processes. With ``shuffle`` each epoch has a new order, determined by
    seed and epoch: sequences are shuffled, sorted by length within buckets of
    ``BATCHES_PER_BUCKET`` batches, and the batches are shuffled.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, shuffle: bool = True, seed: int = 0
    ) -> None:
        """Set the options.

        Args:
            lengths: steps of each sequence.
            batch_size: sequences in a batch of the loader.
            shuffle: a new order in each epoch; False sorts by length, longest first.
            seed: of the shuffled orders.
        """
        self.lengths_N = torch.as_tensor(lengths)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the order; Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.lengths_N)

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of the sequences."""
        if not self.shuffle:
            # The longest first: a batch that exceeds the memory fails at once.
            yield from self.lengths_N.sort(descending=True, stable=True).indices.tolist()
            return
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        # A new order in every pass also where nothing calls set_epoch.
        self.epoch += 1
        order_N = torch.randperm(len(self), generator=generator)
        batches: list[Tensor] = []
        for bucket in order_N.split(self.batch_size * BATCHES_PER_BUCKET):
            by_length = bucket[self.lengths_N[bucket].argsort(stable=True)]
            batches.extend(by_length.split(self.batch_size))
        # A short batch before the end would shift the boundaries of the batches after it.
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
        shuffle: a new order in each epoch, for training; else the same order in every pass.
        seed: of the shuffled orders.
        num_workers: worker processes; 0 loads in this process.
        padding_value: fills the steps after the end of a sequence.
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
    """Return the indices of at most ``count`` sequences spread from the shortest to the longest."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    last, count = len(order) - 1, min(count, len(order))
    return [order[round(number * last / max(count - 1, 1))] for number in range(count)]
