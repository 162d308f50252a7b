"""Forecast figures against numbers worked out by hand."""

import copy
import math

import pytest
import torch
from torch import Tensor

from gru_suite.tasks.forecasting.batches.forecast_batch import ForecastBatch
from gru_suite.tasks.forecasting.training.metrics import ForecastMetrics, coverage_names

NAN = float("nan")


def make_batch(
    truth: Tensor, mean: float = 0.0, std: float = 1.0, naive: float = 1.0
) -> ForecastBatch:
    windows, _, targets = truth.shape
    scale = torch.ones(windows, targets)
    return ForecastBatch(
        target_BTC=torch.zeros(windows, 2, targets),
        past_BTF=torch.zeros(windows, 2, 0),
        future_BPF=torch.zeros(windows, truth.size(1), 0),
        static_BS=torch.zeros(windows, 0),
        truth_BPC=truth,
        mean_BC=mean * scale,
        std_BC=std * scale,
        naive_BC=naive * scale,
        series_B=torch.zeros(windows, dtype=torch.int64),
        origin_B=torch.arange(windows),
    )


def steps(*values: float) -> Tensor:
    """Return one window of one target."""
    return torch.tensor(values).reshape(1, -1, 1)


def figures(metric: ForecastMetrics) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


def test_point_figures_by_hand() -> None:
    # Truth in its own unit: 10 + 2 * (1, 0, missing) = 12, 10; forecast 10 + 2 * (2, -1) = 14, 8.
    metric = ForecastMetrics()
    batch = make_batch(steps(1.0, 0.0, NAN), mean=10.0, std=2.0, naive=4.0)
    metric.update(steps(2.0, -1.0, 1e9), None, batch)
    assert figures(metric) == pytest.approx(
        {
            "mse": 1.0,
            "mae": 1.0,
            "mse_unit": 4.0,
            "mae_unit": 2.0,
            "mase": 0.5,
            "smape": 100 * (2 / 26 + 2 / 18),
            "wql": 4 / 22,
        }
    )


def test_quantile_figures_by_hand() -> None:
    # Unit truth 3, 5, 1 (std 1); the 10 % quantile is 2, 4, 2 and the 90 % one 4, 4.5, 3.
    metric = ForecastMetrics([0.1, 0.9])
    low, high = steps(2.0, 4.0, 2.0), steps(4.0, 4.5, 3.0)
    metric.update(
        steps(3.0, 4.0, 2.0), torch.stack([low, high], -1), make_batch(steps(3.0, 5.0, 1.0))
    )
    result = figures(metric)
    # 2 * (0.1 * 1 + 0.1 * 1 + 0.9 * 1) and 2 * (0.1 * 1 + 0.9 * 0.5 + 0.1 * 2), over a size of 9.
    assert result["wql"] == pytest.approx((2.2 + 1.5) / 2 / 9)
    assert result["coverage_80"] == pytest.approx(1 / 3)


def test_quantile_figures_use_the_own_unit_and_ignore_missing_truth() -> None:
    metric = ForecastMetrics([0.9, 0.5, 0.1])
    truth = steps(1.0, NAN)
    point = torch.zeros_like(truth)
    quantiles = torch.stack([steps(2.0, 9.0), steps(0.0, 9.0), steps(-1.0, 9.0)], -1)
    metric.update(point, quantiles, make_batch(truth, mean=3.0, std=2.0))
    result = figures(metric)
    assert result["wql"] == pytest.approx(2 * 2 * (0.1 * 1 + 0.5 * 1 + 0.1 * 2) / 3 / 5)
    assert result["coverage_80"] == 1.0


@pytest.mark.parametrize("bad", [NAN, math.inf])
def test_forecast_beside_a_missing_truth_has_no_influence(bad: float) -> None:
    metric = ForecastMetrics([0.5])
    point = steps(0.0, bad)
    metric.update(point, point.unsqueeze(-1), make_batch(steps(1.0, NAN)))
    result = figures(metric)
    assert result["mse"] == result["mae"] == result["wql"] == 1.0


def test_median_alone_gives_the_same_wql_as_the_point() -> None:
    truth, point = torch.randn(4, 5, 2), torch.randn(4, 5, 2)
    batch = make_batch(truth, mean=7.0, std=3.0)
    with_median, without = ForecastMetrics([0.5]), ForecastMetrics()
    with_median.update(point, point.unsqueeze(-1), batch)
    without.update(point, None, batch)
    assert figures(with_median) == pytest.approx(figures(without))


def test_constant_zero_series_divides_nothing_by_zero() -> None:
    exact, off = ForecastMetrics([0.1, 0.9]), ForecastMetrics()
    truth = torch.zeros(2, 3, 1)
    exact.update(truth, truth.unsqueeze(-1).expand(-1, -1, -1, 2), make_batch(truth))
    off.update(truth + 0.5, None, make_batch(truth))
    assert figures(exact)["wql"] == figures(exact)["mse"] == 0
    assert math.isnan(figures(off)["smape"])
    assert figures(off)["wql"] == 0.5


def test_nothing_observed_gives_nan() -> None:
    metric = ForecastMetrics([0.1, 0.9])
    truth = torch.full((2, 3, 1), NAN)
    metric.update(torch.zeros(2, 3, 1), torch.zeros(2, 3, 1, 2), make_batch(truth))
    assert all(math.isnan(value) for value in figures(metric).values())


def test_batches_of_any_size_and_merged_ranks_equal_one_update() -> None:
    truth, point = torch.randn(7, 4, 3), torch.randn(7, 4, 3)
    truth[torch.rand(truth.shape) < 0.3] = NAN
    quantiles = point.unsqueeze(-1) + torch.tensor([-1.0, 0.0, 1.0])
    batch = make_batch(truth, mean=5.0, std=2.0, naive=3.0)
    whole = ForecastMetrics([0.1, 0.5, 0.9])
    whole.update(point, quantiles, batch)
    ranks = [copy.deepcopy(whole), copy.deepcopy(whole)]
    for metric, rows in zip(ranks, (slice(0, 2), slice(2, 7)), strict=True):
        metric.reset()
        for row in range(7)[rows]:
            part = ForecastBatch(*(tensor[row : row + 1] for tensor in batch))
            metric.update(point[row : row + 1], quantiles[row : row + 1], part)
    ranks[0].merge_state(ranks[1])
    assert figures(ranks[0]) == pytest.approx(figures(whole), rel=1e-6)


def test_long_sums_keep_small_errors() -> None:
    metric = ForecastMetrics()
    metric.squared += 1e9
    metric.update(steps(1e-3), None, make_batch(steps(0.0)))
    assert float(metric.squared - 1e9) == pytest.approx(1e-6, rel=0.2)


def test_half_precision_forecasts_are_scored_in_full_precision() -> None:
    metric = ForecastMetrics([0.5])
    point = torch.full((1, 2, 1), 1.0, dtype=torch.bfloat16)
    metric.update(point, point.unsqueeze(-1), make_batch(steps(1.001, 1.001)))
    assert figures(metric)["mae"] == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("levels", [[0.0, 0.5], [0.5, 1.0], [50.0]])
def test_levels_outside_0_to_1_are_refused(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ForecastMetrics(levels)


@pytest.mark.parametrize(("levels", "given"), [([0.1, 0.9], None), ([0.1, 0.9], 3), (None, 1)])
def test_wrong_number_of_quantiles_is_refused(
    levels: list[float] | None, given: int | None
) -> None:
    point = steps(0.0)
    quantiles = None if given is None else point.unsqueeze(-1).expand(-1, -1, -1, given)
    with pytest.raises(ValueError, match="expected"):
        ForecastMetrics(levels).update(point, quantiles, make_batch(point))


def test_every_central_interval_has_its_coverage() -> None:
    assert coverage_names([0.5, 0.025, 0.975]) == ["coverage_95"]
    assert coverage_names([0.5]) == coverage_names([]) == []
    metric = ForecastMetrics([0.05, 0.25, 0.5, 0.75, 0.95])
    quantiles = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).expand(1, 4, 1, 5)
    truth = torch.tensor([0.5, 1.5, -1.5, 3.0]).view(1, 4, 1)
    metric.update(torch.zeros(1, 4, 1), quantiles, make_batch(truth))
    found = figures(metric)
    assert (found["coverage_90"], found["coverage_50"]) == (0.75, 0.25)


def test_smape_leaves_out_steps_without_demand() -> None:
    metric = ForecastMetrics()
    truth = steps(0.0, 2.0)
    metric.update(steps(0.001, 1.0), None, make_batch(truth))
    assert figures(metric)["smape"] == pytest.approx(200 / 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_forecast_that_is_no_number_has_no_good_figure(value: float) -> None:
    batch = make_batch(torch.ones(2, 3, 1))
    metric = ForecastMetrics()
    metric.update(torch.full_like(batch.truth_BPC, value), None, batch)
    figures = metric.compute()
    assert not any(torch.isfinite(figure) for figure in figures.values()), figures
