"""Forecast metrics: scaled, in the target's own unit, and of quantiles.

Shapes: B windows, P horizon steps, C targets, Q quantiles.

Sources of the formulas:
    MASE: Hyndman & Koehler (2006), "Another look at measures of forecast accuracy", with
        the mean seasonal naive error of the training part as denominator, as in M4.
    sMAPE: Makridakis, Spiliotis & Assimakopoulos (2020), "The M4 Competition", in percent, 0..200.
    Weighted quantile loss: Salinas et al. (2020), "DeepAR", section 4.2 (rho-risk), averaged over
        the quantiles as GluonTS does (``mean_weighted_sum_quantile_loss``).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from ..batches.forecast_batch import ForecastBatch

_SUMS = (
    "count",
    "squared",
    "absolute",
    "squared_unit",
    "absolute_unit",
    "scaled",
    "symmetric",
    "nonzero",
    "truth_size",
)


# In standard deviations: a zero in the target's unit comes back from its z-score with an error.
_ZERO = 1e-5


class ForecastMetrics(Metric):
    """Forecast metrics pooled over the observed points of all windows, steps and targets.

    Missing truths (NaN) are ignored. Forecasts and truths are z-scored; metrics in the target's own
    unit use mean and std of the batch. With several targets those pool different units, so compare
    them only between forecasts of the same data.

    Args:
        quantiles: levels of the quantile forecasts, each in (0, 1), in the order of their axis;
            None or empty for point forecasts alone.

    Raises:
        ValueError: a level outside (0, 1).
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False

    count: Tensor
    squared: Tensor
    absolute: Tensor
    squared_unit: Tensor
    absolute_unit: Tensor
    scaled: Tensor
    symmetric: Tensor
    nonzero: Tensor
    truth_size: Tensor
    pinball_Q: Tensor
    covered_K: Tensor

    def __init__(self, quantiles: Sequence[float] | None = None) -> None:
        """Start from zero sums."""
        super().__init__()
        self.quantiles = [float(level) for level in quantiles or ()]
        if not all(0 < level < 1 for level in self.quantiles):
            raise ValueError(f"quantiles={self.quantiles}: each level must lie between 0 and 1")
        for name in _SUMS:
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        levels = max(1, len(self.quantiles))
        self.add_state("pinball_Q", torch.zeros(levels, dtype=torch.float64), dist_reduce_fx="sum")
        covered_K = torch.zeros(len(coverage_names(self.quantiles)), dtype=torch.float64)
        self.add_state("covered_K", covered_K, dist_reduce_fx="sum")

    def update(self, point_BPC: Tensor, quantile_BPCQ: Tensor | None, batch: ForecastBatch) -> None:
        """Add the windows of one batch.

        Args:
            point_BPC: z-scored point forecasts.
            quantile_BPCQ: z-scored quantile forecasts, last axis in the order of ``quantiles``;
                None without quantiles.
            batch: the windows, with their truth and the scale of each series.

        Raises:
            ValueError: quantile forecasts missing, unexpected or of the wrong number.
        """
        self._check_quantiles(quantile_BPCQ)
        observed_BPC = ~torch.isnan(batch.truth_BPC)
        truth_BPC = torch.where(observed_BPC, batch.truth_BPC, 0.0).float()
        # Both are masked, so that a forecast of inf or NaN for a missing truth is in no sum.
        point_BPC = torch.where(observed_BPC, point_BPC.float(), 0.0)
        std_B1C, mean_B1C = batch.std_BC.unsqueeze(1), batch.mean_BC.unsqueeze(1)

        error_BPC = point_BPC - truth_BPC
        unit_error_BPC = error_BPC * std_B1C
        unit_truth_BPC = torch.where(observed_BPC, truth_BPC * std_B1C + mean_B1C, 0.0)
        unit_point_BPC = torch.where(observed_BPC, point_BPC * std_B1C + mean_B1C, 0.0)
        size_BPC = unit_truth_BPC.abs() + unit_point_BPC.abs()
        nonzero_BPC = observed_BPC & (unit_truth_BPC.abs() > _ZERO * std_B1C)
        relative_BPC = torch.where(nonzero_BPC, unit_error_BPC.abs() / size_BPC, 0.0)

        self.count += observed_BPC.sum()
        self.squared += _total(error_BPC.square())
        self.absolute += _total(error_BPC.abs())
        self.squared_unit += _total(unit_error_BPC.square())
        self.absolute_unit += _total(unit_error_BPC.abs())
        self.scaled += _total(unit_error_BPC.abs() / batch.naive_BC.unsqueeze(1))
        self.symmetric += _total(relative_BPC)
        self.nonzero += nonzero_BPC.sum()
        self.truth_size += _total(unit_truth_BPC.abs())
        if quantile_BPCQ is None:
            self.pinball_Q += _total(unit_error_BPC.abs())
        else:
            self._update_quantiles(quantile_BPCQ.float(), truth_BPC, observed_BPC, std_B1C)

    def _check_quantiles(self, quantile_BPCQ: Tensor | None) -> None:
        found = 0 if quantile_BPCQ is None else quantile_BPCQ.size(-1)
        if found != len(self.quantiles):
            raise ValueError(
                f"{found} quantile forecasts given, {len(self.quantiles)} expected "
                f"(levels {self.quantiles})"
            )

    def _update_quantiles(
        self, quantile_BPCQ: Tensor, truth_BPC: Tensor, observed_BPC: Tensor, std_B1C: Tensor
    ) -> None:
        for index, level in enumerate(self.quantiles):
            gap_BPC = torch.where(observed_BPC, truth_BPC - quantile_BPCQ[..., index], 0.0)
            loss_BPC = torch.maximum(level * gap_BPC, (level - 1) * gap_BPC) * std_B1C
            self.pinball_Q[index] += 2 * _total(loss_BPC)
        rising = sorted(range(len(self.quantiles)), key=self.quantiles.__getitem__)
        for index in range(len(self.covered_K)):
            low_BPC = quantile_BPCQ[..., rising[index]]
            high_BPC = quantile_BPCQ[..., rising[-1 - index]]
            inside_BPC = (low_BPC <= truth_BPC) & (truth_BPC <= high_BPC) & observed_BPC
            self.covered_K[index] += inside_BPC.sum()

    def compute(self) -> dict[str, Tensor]:
        """Return every metric as a 0-d tensor; NaN if no truth was observed.

        Returns:
            ``mse``, ``mae`` (z-scored), ``mse_unit``, ``mae_unit`` (own unit), ``mase``, ``smape``
            (percent, 0..200; without the steps whose truth is 0, of which any forecast but 0 would
            be 200 % off), ``wql`` (2 x pinball loss / sum of absolute truths, in the own unit,
            averaged over the quantiles; without quantiles, of the point as the median; if all
            truths are 0, the loss per point) and for each pair of quantiles
            ``coverage_<percent>``: the share (0..1) of truths between them, named by its nominal
            value.
        """
        means = {
            "mse": self.squared,
            "mae": self.absolute,
            "mse_unit": self.squared_unit,
            "mae_unit": self.absolute_unit,
            "mase": self.scaled,
        }
        means |= dict(zip(coverage_names(self.quantiles), self.covered_K, strict=True))
        result = {name: total / self.count for name, total in means.items()}
        result["smape"] = 200 * self.symmetric / self.nonzero
        weight = torch.where(self.truth_size > 0, self.truth_size, self.count)
        result["wql"] = self.pinball_Q.mean() / weight
        return result


def coverage_names(quantiles: Sequence[float]) -> list[str]:
    """Return the names of the coverage metrics, such as ``coverage_80``, widest interval first."""
    levels = sorted(quantiles)
    pairs = zip(levels, reversed(levels), strict=True)
    return [f"coverage_{round(100 * (high - low), 4):g}" for low, high in pairs if low < high]


def _total(value_BPC: Tensor) -> Tensor:
    return value_BPC.sum(dtype=torch.float64)
