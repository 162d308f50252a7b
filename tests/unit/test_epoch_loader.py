from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from gru_suite.data.epoch_loader import EpochLoader, shard_batches
from gru_suite.model.batches import LengthBucketSampler


class Numbers(Dataset[torch.Tensor]):
    """Its items are their index, and a draw of torch and numpy each."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        drawn = torch.rand(()).item(), np.random.random()  # noqa: NPY002
        return torch.tensor([float(index), *drawn])


class Endless(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        yield from range(100)

    def __len__(self) -> int:
        return 100


def loader(count: int = 23, batch_size: int = 5) -> DataLoader[torch.Tensor]:
    sampler = LengthBucketSampler([1] * count, batch_size, seed=3)
    return DataLoader(Numbers(count), batch_size, sampler=sampler)


def epoch(found: EpochLoader, number: int) -> list[torch.Tensor]:
    found.set_epoch(number)
    return list(found)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loader_goes_on_from_any_batch(num_workers: int) -> None:
    source = DataLoader(Numbers(23), 5, shuffle=True, num_workers=num_workers)
    whole = epoch(EpochLoader(source, seed=1), 2)
    for first in range(5):
        other = EpochLoader(source, seed=1)
        other.position = {"epoch": 2, "batches": first}
        rest = epoch(other, 2)
        for batch, right in zip(rest, whole[first:], strict=True):
            # Random numbers of worker processes are theirs.
            columns = slice(None) if num_workers == 0 else slice(1)
            assert torch.equal(batch[:, columns], right[:, columns])
        assert other.position == {"epoch": 2, "batches": 5}


def test_a_position_counts_for_its_epoch_alone() -> None:
    found = EpochLoader(loader())
    found.position = {"epoch": 1, "batches": 5}
    assert len(epoch(found, 2)) == 5
    assert len(epoch(found, 3)) == 5


def test_what_follows_a_batch_is_seeded_by_its_position() -> None:
    draws = []
    for first in (0, 3):
        found = EpochLoader(loader(), seed=1)
        found.position = {"epoch": 0, "batches": first}
        found.set_epoch(0)
        draws.append({number: torch.rand(()).item() for number, _ in enumerate(found, start=first)})
    assert draws[1] == {number: value for number, value in draws[0].items() if number >= 3}
    assert len(set(draws[0].values())) == 5


def test_processes_share_every_batch() -> None:
    whole = epoch(EpochLoader(loader()), 1)
    found = [EpochLoader(loader(), rank=rank, num_processes=2) for rank in range(2)]
    shares = [epoch(each, 1) for each in found]
    for number, batch in enumerate(whole):
        together = torch.cat([share[number] for share in shares])[:, 0]
        assert torch.equal(together, batch[:, 0])
        weights = [each.weight(number) for each in found]
        assert sum(weights) == pytest.approx(2)
        rows = [len(share[number]) for share in shares]
        assert weights == pytest.approx([2 * each / sum(rows) for each in rows])


def test_a_batch_smaller_than_the_processes_gives_some_no_weight() -> None:
    found = [EpochLoader(loader(5, 4), rank=rank, num_processes=3) for rank in range(3)]
    last = [epoch(each, 0)[-1] for each in found]
    assert [len(each) for each in last] == [1, 1, 1]
    assert sorted(each.weight(1) for each in found) == [0.0, 0.0, 3.0]


def test_an_iterable_data_set_is_resumed_by_dropping_batches() -> None:
    found = EpochLoader(DataLoader(Endless(), 10))
    found.position = {"epoch": 0, "batches": 7}
    assert [batch[0].item() for batch in epoch(found, 0)] == [70, 80, 90]
    assert found.weight(0) == 1
    assert shard_batches(found._source, 1, 2) is found._source


@pytest.mark.parametrize(("count", "num_processes"), [(23, 2), (23, 4), (4, 3)])
def test_validation_is_shared_without_doubles(count: int, num_processes: int) -> None:
    source = DataLoader(Numbers(count), 5)
    parts = [list(shard_batches(source, rank, num_processes)) for rank in range(num_processes)]
    assert all(parts)
    items = sorted(item for part in parts for batch in part for item in batch[:, 0].tolist())
    assert items == list(range(count))


def test_fewer_items_than_processes_are_loaded_by_each() -> None:
    source = DataLoader(Numbers(2), 5)
    assert [len(next(iter(shard_batches(source, rank, 3)))) for rank in range(3)] == [2, 2, 2]
