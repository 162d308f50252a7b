"""The training order: a stride takes a part of the windows in an epoch, and all in time."""

from collections.abc import Sized
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru_suite.tasks.forecasting.batches.loaders import EpochShuffle
from gru_suite.tasks.forecasting.data import ForecastingDataModule


def epoch(shuffle: EpochShuffle, number: int) -> list[int]:
    shuffle.set_epoch(number)
    return list(shuffle)


@given(count=st.integers(1, 60), stride=st.integers(1, 9), seed=st.integers(0, 99))
def test_an_epoch_has_one_window_in_a_stride(count: int, stride: int, seed: int) -> None:
    shuffle = EpochShuffle(range(count), stride, seed)
    for number in range(5):
        order = epoch(shuffle, number)
        assert len(order) == len(shuffle) == max(count // stride, 1)
        assert len({index % stride for index in order}) == 1
        assert len(set(order)) == len(order)
        assert set(order) <= set(range(count))
        assert order == epoch(EpochShuffle(range(count), stride, seed), number)


@pytest.mark.parametrize(("count", "stride"), [(50, 1), (50, 3), (48, 3), (2, 5), (1, 4)])
def test_every_window_is_seen_about_equally_often(count: int, stride: int) -> None:
    shuffle = EpochShuffle(range(count), stride, seed=0)
    epochs = 400
    seen = np.bincount([i for n in range(epochs) for i in epoch(shuffle, n)], minlength=count)
    expected = epochs * len(shuffle) / count
    # Four standard deviations of a count.
    np.testing.assert_allclose(seen, expected, atol=4 * expected**0.5)


def test_the_order_depends_on_seed_and_epoch() -> None:
    first, second = (EpochShuffle(range(90), 3, seed) for seed in (0, 1))
    orders = [epoch(first, number) for number in range(5)]
    assert len(set(map(tuple, orders))) == 5
    assert orders[0] != sorted(orders[0])
    assert epoch(second, 0) != orders[0]


def test_nothing_to_load() -> None:
    empty: Sized = []
    assert (len(EpochShuffle(empty, 3, 0)), list(EpochShuffle(empty, 3, 0))) == (0, [])


def test_series_shorter_than_a_stride_are_seen_too(tmp_path: Path) -> None:
    """One long series and many with a window or two: each window has the same chance."""
    lengths = {"long": 100, **{f"s{i}": 19 + i % 2 for i in range(40)}}
    frame = pd.DataFrame(
        {
            "id": [name for name, length in lengths.items() for _ in range(length)],
            "y": np.random.default_rng(0).normal(size=sum(lengths.values())),
        }
    )
    path = tmp_path / "mixed.csv"
    frame.to_csv(path, index=False)
    data = ForecastingDataModule(
        12, 6, path=str(path), id_column="id", target="y", split=[1.0, 0, 0], stride=7
    )
    data.setup("fit")
    windows = data.windows["train"]
    assert len(windows) == 83 + 20 * 2 + 20 * 3
    loader = data.train_dataloader()
    assert isinstance(loader.sampler, EpochShuffle)
    assert len(loader.sampler) == len(windows) // 7
    seen: set[tuple[int, int]] = set()
    for number in range(60):
        loader.sampler.set_epoch(number)
        for batch in loader:
            pairs = list(zip(batch.series_B.tolist(), batch.origin_B.tolist(), strict=True))
            for series in set(batch.series_B.tolist()):
                origins = sorted(origin for other, origin in pairs if other == series)
                assert all((b - a) % 7 == 0 for a, b in pairwise(origins))
            seen |= set(pairs)
    assert len(seen) == len(windows)
