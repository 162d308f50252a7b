import math

import pytest

from gru_suite.training.sizing.matched_size import closest_size


@pytest.mark.parametrize(("target", "size"), [(100.0, 10), (104.0, 10), (112.0, 11), (1.0, 1)])
def test_the_closest_size_is_found_by_bisection(target: float, size: int) -> None:
    for start in (1, 7, 50):
        assert closest_size(lambda found: float(found**2), target, start) == size


def test_sizes_are_multiples() -> None:
    assert closest_size(lambda found: float(found), 100.0, 30, multiple=8) == 96
    asked: list[int] = []

    def measure(size: int) -> float:
        asked.append(size)
        return math.sqrt(size)

    assert closest_size(measure, 10.0, 64, multiple=8) == 104
    assert all(size % 8 == 0 for size in asked)
    assert len(asked) == len(set(asked))
