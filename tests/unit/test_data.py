from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gru_suite.model.batches import LengthBucketSampler, SequenceDataset, bucket_loader, collate

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def dataset(lengths: Sequence[int]) -> SequenceDataset:
    sequences = [torch.full((length,), index + 1) for index, length in enumerate(lengths)]
    return SequenceDataset(sequences, [i % 3 for i in range(len(lengths))], list(map(str, lengths)))


@given(LENGTHS, st.integers(1, 9), st.booleans(), st.integers(0, 5))
def test_every_sequence_comes_once(
    lengths: list[int], batch_size: int, shuffle: bool, seed: int
) -> None:
    sampler = LengthBucketSampler(lengths, batch_size, shuffle, seed)
    assert sorted(sampler) == list(range(len(lengths)))
    assert len(sampler) == len(lengths)


def test_order_depends_on_seed_and_epoch_only() -> None:
    lengths = torch.randint(1, 50, (500,)).tolist()
    first, again, other = (LengthBucketSampler(lengths, 8, seed=seed) for seed in (1, 1, 2))
    epochs = [list(first) for _ in range(3)]
    again.set_epoch(2)
    assert list(again) == epochs[2]
    assert epochs[0] != epochs[1]
    assert list(other) != epochs[0]


def test_batches_hold_similar_lengths_in_a_shuffled_order() -> None:
    lengths = torch.randint(1, 100, (1003,)).tolist()
    batches = list(bucket_loader(dataset(lengths), 10, shuffle=True))
    padded = sum(batch.x.numel() for batch in batches)
    assert padded < 1.1 * sum(lengths)
    longest = [int(batch.lengths_B.max()) for batch in batches]
    assert sum(a < b for a, b in pairwise(longest)) == pytest.approx(len(longest) / 2, rel=0.4)


def test_unshuffled_order_is_longest_first_every_time() -> None:
    sampler = LengthBucketSampler([3, 9, 3, 1], 2, shuffle=False)
    assert list(sampler) == [1, 0, 2, 3] == list(sampler)


def test_collate_pads_on_the_right() -> None:
    items: list[tuple[Tensor, int]] = [(torch.tensor([5, 6, 7]), 1), (torch.tensor([8]), 0)]
    batch = collate(items, padding_value=-1)
    assert batch.x.tolist() == [[5, 6, 7], [8, -1, -1]]
    assert batch.lengths_B.tolist() == [3, 1]
    assert batch.labels_B.tolist() == [1, 0]


def test_collate_keeps_features() -> None:
    batch = collate([(torch.ones(4, 2), 0), (torch.ones(2, 2), 1)])
    assert batch.x.shape == (2, 4, 2)
    assert batch.x[1, 2:].eq(0).all()


def test_given_lengths_spare_reading_the_sequences() -> None:
    class Unread(list[Tensor]):
        def __getitem__(self, index: object) -> Tensor:  # type: ignore[override]
            raise AssertionError("read")

    assert SequenceDataset(Unread(), [0, 1], ["a", "b"], lengths=[4, 2]).lengths == [4, 2]


@pytest.mark.slow
def test_worker_processes_give_the_same_batches() -> None:
    data = dataset([4, 2, 7, 1, 3])
    alone = list(bucket_loader(data, 2, shuffle=True, seed=3))
    shared = list(bucket_loader(data, 2, shuffle=True, seed=3, num_workers=1))
    for one, other in zip(alone, shared, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
