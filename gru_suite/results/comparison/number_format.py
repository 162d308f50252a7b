"""Numbers as texts of tables: three significant digits, and those of the uncertainty."""

import math
import statistics
from collections.abc import Iterable

from gru_suite.results.comparison.statistics import MeanEstimate

NONE = "–"  # noqa: RUF001
_MAX_DECIMALS = 6


def shared_decimals(estimates: Iterable[MeanEstimate | None]) -> int:
    """Return the decimals for all scores of a table.

    They give the smallest mean three significant digits and the median deviation two.
    """
    found = [each for each in estimates if each is not None]
    means = [abs(each.mean) for each in found if each.mean]
    spreads = [each.deviation for each in found if each.deviation]
    spread = statistics.median(spreads) if spreads else 100.0
    decimals = max(_decimals(min(means, default=1.0)), _decimals(spread) - 1)
    # More would be digits of one mean that is far smaller, or of seeds that hardly matter.
    return min(decimals, max(_MAX_DECIMALS, _decimals(max(means, default=1.0))))


def format_fixed(value: float | None, decimals: int, sign: bool = False) -> str:
    """Return a number with so many decimals, and a dash for None.

    Args:
        value: the number.
        decimals: digits after the point; beyond nine, scientific notation.
        sign: write a plus before positive numbers.
    """
    if value is None:
        return NONE
    plus = "+" if sign and value else ""
    return f"{value:{plus}.2e}" if decimals > 9 else f"{value:{plus}.{decimals}f}"


def format_plain(value: float | None) -> str:
    """Return a number with three significant digits at least, and a dash for None."""
    if value is None:
        return NONE
    decimals = _decimals(value)
    return f"{value:.2e}" if decimals > _MAX_DECIMALS else f"{value:,.{decimals}f}"


def format_count(value: float | None) -> str:
    """Return a number rounded to an integer with separators of thousands, and a dash for None."""
    return NONE if value is None else f"{value:,.0f}"


def format_interval(estimate: MeanEstimate | None, decimals: int, sign: bool = False) -> str:
    """Return the ends of an interval, and a dash where there is none."""
    if estimate is None or estimate.interval is None:
        return NONE
    return " to ".join(format_fixed(end, decimals, sign) for end in estimate.interval)


def format_estimate(estimate: MeanEstimate | None, decimals: int) -> str:
    """Return a mean, with its interval where there is one."""
    if estimate is None:
        return NONE
    ends = format_interval(estimate, decimals)
    return format_fixed(estimate.mean, decimals) + ("" if ends == NONE else f" ({ends})")


def format_p(p: float | None, num_pairs: int) -> str:
    """Return a p-value; where there is none, the reason."""
    if p is None:
        return "too few pairs" if num_pairs < 2 else "all equal"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def _decimals(value: float) -> int:
    """Return the decimals that give a number three significant digits."""
    return 2 if not value else max(0, 2 - math.floor(math.log10(abs(value))))
