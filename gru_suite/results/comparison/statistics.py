"""Intervals of means, paired tests and Holm's correction.

Shapes: N runs or pairs of runs.

Sources: Student, "The probable error of a mean", Biometrika 6 (1908), for interval and t-test;
R. A. Fisher, The Design of Experiments (1935), for the sign-flip test; S. Holm, "A simple
sequentially rejective multiple test procedure", Scand. J. Statistics 6 (1979).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
# All 2^N patterns of signs up to this number of pairs (a million sums), random ones beyond.
MAX_EXACT_PAIRS = 20
_NUM_RANDOM = 2**20
# Differences that differ by less than this share of their size are equal but for rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class MeanEstimate:
    """A mean over runs and its uncertainty, in the unit of the values.

    Attributes:
        count: number of values.
        mean: their mean.
        deviation: standard deviation of one value (N - 1 in the denominator); None for one value.
        half_width: the interval is ``mean - half_width`` to ``mean + half_width``; None for one
            value.
    """

    count: int
    mean: float
    deviation: float | None
    half_width: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper end; None for one value."""
        if self.half_width is None:
            return None
        return self.mean - self.half_width, self.mean + self.half_width


@dataclass(frozen=True)
class PairedTest:
    """Two groups compared on the seeds that both have.

    Attributes:
        difference: of the pairs, first minus second.
        t_p: two-sided p-value of Student's paired t-test; None where all differences are equal,
            and with fewer than two pairs.
        sign_p: two-sided p-value of the sign-flip test; None with fewer than two pairs.
    """

    difference: MeanEstimate
    t_p: float | None
    sign_p: float | None


def estimate_mean(values_N: Sequence[float]) -> MeanEstimate:
    """Return mean, standard deviation and Student's 95 % interval of the mean.

    The interval is ``mean ± t(0.975, N - 1) * deviation / sqrt(N)``.

    Args:
        values_N: at least one finite number.

    Raises:
        ValueError: there is none.
    """
    if not len(values_N):
        raise ValueError("values_N is empty: a mean needs at least one value")
    count, mean = len(values_N), float(np.mean(values_N))
    if count == 1:
        return MeanEstimate(1, mean, None, None)
    from scipy.stats import t

    deviation = float(np.std(values_N, ddof=1))
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return MeanEstimate(count, mean, deviation, quantile * deviation / math.sqrt(count))


def paired_test(first_N: Sequence[float], second_N: Sequence[float]) -> PairedTest | None:
    """Compare two groups on pairs of runs with the same seed.

    Args:
        first_N: scores of the first group.
        second_N: of the second, in the order of the same seeds.

    Returns:
        The difference and both tests; None without a pair.

    Raises:
        ValueError: the numbers of scores differ.
    """
    if len(first_N) != len(second_N):
        raise ValueError(f"{len(first_N)} and {len(second_N)} scores are not pairs")
    if not len(first_N):
        return None
    difference_N = np.subtract(first_N, second_N, dtype=np.float64)
    difference = estimate_mean(difference_N.tolist())
    if difference.deviation is None:
        return PairedTest(difference, None, None)
    size = float(np.max(np.abs([first_N, second_N])))
    if difference.deviation <= _ROUNDING * size:
        # Without any spread there is no t; all differences of zero are no difference.
        t_p = 1.0 if abs(difference.mean) <= _ROUNDING * size else None
    else:
        from scipy.stats import t

        statistic = difference.mean / (difference.deviation / math.sqrt(difference.count))
        t_p = float(2 * t.sf(abs(statistic), difference.count - 1))
    return PairedTest(difference, t_p, sign_flip_p(difference_N))


def sign_flip_p(difference_N: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of the sign-flip (paired permutation) test.

    Without an effect each difference has either sign equally often. The p-value is the share of all
    2^N patterns of signs whose sum is at least as far from zero as that observed, so it is never
    below 2 / 2^N. Beyond 20 pairs a million random patterns stand for all, that observed included
    (Phipson and Smyth, 2010).

    Args:
        difference_N: at least one difference.
    """
    size = float(np.abs(difference_N).sum())
    observed = abs(float(difference_N.sum())) - 1e-9 * size
    if len(difference_N) <= MAX_EXACT_PAIRS:
        sums = np.zeros(1)
        for difference in difference_N:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= observed))
    generator = np.random.default_rng(0)
    sums = np.zeros(_NUM_RANDOM)
    for difference in difference_N:
        sums += difference * (1 - 2 * generator.integers(0, 2, _NUM_RANDOM))
    return float((np.count_nonzero(np.abs(sums) >= observed) + 1) / (_NUM_RANDOM + 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for the number of tests by Holm's step-down method.

    The i-th smallest of m is multiplied by m - i + 1; none falls below a smaller one, or exceeds 1.

    Args:
        p_values: of all tests; None stands for no test, is not counted and stays None.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - rank)))
        corrected[index] = highest
    return corrected
