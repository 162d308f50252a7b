"""Mean and standard deviation of a stream, updated row by row.

Shapes: N rows, C targets.
"""

from typing import Any

import torch
from torch import Tensor


class RunningStatistics:
    """Running mean and standard deviation, as ``target_statistics`` computes them of a table."""

    def __init__(self, sums: dict[str, Tensor]) -> None:
        """Continue from earlier sums; those before the first row are :meth:`initial`."""
        self.count_C, self.mean_C, self.square_C = sums["count"], sums["mean"], sums["square"]

    @staticmethod
    def initial() -> dict[str, Tensor]:
        """Return the sums of no rows, for any number of targets."""
        return {name: torch.zeros(1, dtype=torch.float64) for name in ("count", "mean", "square")}

    def add(self, target_NC: Tensor) -> dict[str, Tensor]:
        """Return the sums with further rows, ignoring NaN (Chan et al. 1983)."""
        observed_NC = ~torch.isnan(target_NC)
        count_C = observed_NC.sum(0)
        mean_C = target_NC.nan_to_num().sum(0) / count_C.clamp(min=1)
        square_C = ((target_NC - mean_C).nan_to_num() ** 2).sum(0)
        total_C = self.count_C + count_C
        share_C = count_C / total_C.clamp(min=1)
        between_C = mean_C - self.mean_C
        return {
            "count": total_C,
            "mean": self.mean_C + between_C * share_C,
            "square": self.square_C + square_C + between_C**2 * self.count_C * share_C,
        }

    def scale(self) -> dict[str, Any]:
        """Return the series' entry in ``target_scale``; the std of a constant one is 1."""
        std_C = (self.square_C / self.count_C.clamp(min=1)).sqrt()
        std_C = torch.where(std_C <= 1e-10 * self.mean_C.abs(), 1.0, std_C)
        # Forecasts do not depend on the naive error, only metrics do.
        naive = [1.0] * len(std_C)
        return {"mean": self.mean_C.tolist(), "std": std_C.tolist(), "naive": naive}
