"""Baselines on processes whose best forecast is known."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gru_suite.tasks.forecasting.batches.forecast_batch import ForecastBatch
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.training import linear_baselines as least_squares
from gru_suite.tasks.forecasting.training.baselines import (
    baseline_scores,
    fit_baselines,
    last_value,
    residual_quantiles,
    seasonal_naive,
)
from gru_suite.tasks.forecasting.training.linear_baselines import (
    Forecaster,
    LeastSquares,
    fill_past,
)

NAN = float("nan")


@dataclass
class SlidingWindows:
    """All windows of one series whose horizons lie in ``start``..``end``."""

    target_NC: Tensor
    start: int
    end: int
    lookback: int = 24
    horizon: int = 6
    past_NF: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    future_NG: Tensor = field(default_factory=lambda: torch.zeros(0, 0))

    def __len__(self) -> int:
        return max(0, self.end - self.horizon + 1 - self.start)

    def batch(self, indices: Tensor) -> ForecastBatch:
        origin_B = self.start + indices
        past_BT = origin_B[:, None] + torch.arange(-self.lookback, 0)
        horizon_BP = origin_B[:, None] + torch.arange(self.horizon)
        steps, targets = self.target_NC.shape
        past_NF = self.past_NF if len(self.past_NF) else torch.zeros(steps, 0)
        future_NG = self.future_NG if len(self.future_NG) else torch.zeros(steps, 0)
        ones_BC = torch.ones(len(indices), targets)
        return ForecastBatch(
            target_BTC=self.target_NC[past_BT],
            past_BTF=past_NF[past_BT],
            future_BPF=future_NG[horizon_BP],
            static_BS=torch.zeros(len(indices), 0),
            truth_BPC=self.target_NC[horizon_BP],
            mean_BC=0 * ones_BC,
            std_BC=ones_BC,
            naive_BC=ones_BC,
            series_B=torch.zeros_like(indices),
            origin_B=origin_B,
        )

    def all(self) -> ForecastBatch:
        return self.batch(torch.arange(len(self)))


def parts(
    target_NC: Tensor,
    past_NF: Tensor | None = None,
    future_NG: Tensor | None = None,
    borders: tuple[int, int, int, int] = (24, 600, 750, 900),
) -> dict[str, SlidingWindows]:
    none = torch.zeros(0, 0)
    return {
        name: SlidingWindows(
            target_NC,
            start,
            end,
            past_NF=none if past_NF is None else past_NF,
            future_NG=none if future_NG is None else future_NG,
        )
        for name, start, end in zip(("train", "val", "test"), borders, borders[1:], strict=False)
    }


def error(forecaster: Forecaster, windows: SlidingWindows) -> float:
    batch = windows.all()
    return float((forecaster(batch) - batch.truth_BPC).square().nanmean())


def single(past: list[float], horizon: int) -> ForecastBatch:
    series = torch.tensor([*past, *[0.0] * horizon]).unsqueeze(1)
    return SlidingWindows(series, len(past), len(series), len(past), horizon).all()


def waves(steps: int = 900) -> Tensor:
    """Return two targets that a linear map of 4 past steps continues without error."""
    time_N = torch.arange(steps, dtype=torch.float64)
    first_N = torch.sin(time_N / 3) + 0.5 * torch.cos(time_N / 1.7)
    return torch.stack([first_N, torch.sin(time_N / 3 + 1)], 1).float()


def test_last_value_skips_missing_steps() -> None:
    assert last_value(single([1.0, 5.0, NAN], 2)).flatten().tolist() == [5.0, 5.0]
    assert last_value(single([NAN, NAN], 2)).flatten().tolist() == [0.0, 0.0]


def test_fill_past_carries_values_forward() -> None:
    filled = fill_past(torch.tensor([NAN, 2.0, NAN, NAN, 3.0, NAN]).reshape(1, 6, 1))
    assert filled.flatten().tolist() == [3.0, 2.0, 2.0, 2.0, 3.0, 3.0]


def test_seasonal_naive_repeats_the_last_season() -> None:
    batch = single([9.0, 8.0, 1.0, 2.0, 3.0], 7)
    forecast = seasonal_naive(batch, 3).flatten().tolist()
    assert forecast == [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]


def test_seasonal_naive_falls_back_to_older_seasons_then_the_last_value() -> None:
    batch = single([9.0, 4.0, NAN, NAN, NAN, NAN, 1.0, NAN, NAN], 3)
    assert seasonal_naive(batch, 3).flatten().tolist() == [1.0, 4.0, 1.0]


@pytest.mark.parametrize("season_length", [None, 4])
def test_seasonal_naive_without_a_whole_season_is_the_last_value(season_length: int | None) -> None:
    assert seasonal_naive(single([1.0, 2.0, 3.0], 2), season_length).flatten().tolist() == [3, 3]


@pytest.mark.parametrize("name", ["linear", "ridge"])
def test_regressions_recover_a_linear_process(name: str) -> None:
    windows = parts(waves())
    forecasters = fit_baselines(windows["train"], windows["val"], None)
    assert error(last_value, windows["test"]) > 0.1
    assert error(forecasters[name], windows["test"]) < 1e-4


def test_linear_is_one_map_for_all_targets() -> None:
    windows = parts(waves())
    linear = fit_baselines(windows["train"], windows["val"], None)["linear"]
    batch = windows["test"].all()
    swapped = batch._replace(target_BTC=batch.target_BTC.flip(2))
    torch.testing.assert_close(linear(swapped), linear(batch).flip(2))
    shifted = batch._replace(target_BTC=batch.target_BTC + 5)
    torch.testing.assert_close(linear(shifted), linear(batch) + 5, rtol=1e-4, atol=1e-4)


def test_ridge_uses_the_other_target() -> None:
    leader_N = torch.randn(900)
    target_NC = torch.stack([leader_N, leader_N.roll(6)], 1)
    windows = parts(target_NC)
    forecasters = fit_baselines(windows["train"], windows["val"], None)
    follower = windows["test"].all().truth_BPC[..., 1]
    misses = {k: f(windows["test"].all())[..., 1] - follower for k, f in forecasters.items()}
    assert misses["ridge"].square().mean() < 0.01
    assert misses["linear"].square().mean() > 0.5


@pytest.mark.parametrize("kind", ["past_NF", "future_NG"])
def test_ridge_uses_the_covariate_that_determines_the_target(kind: str) -> None:
    cause_N1 = torch.randn(900, 1)
    # A past covariate tells the target 6 steps ahead, a future one that of the same step.
    target_N1 = cause_N1.roll(6, 0) if kind == "past_NF" else cause_N1.clone()
    windows = parts(2 * target_N1 + 1, **{kind: cause_N1})
    forecasters = fit_baselines(windows["train"], windows["val"], None)
    assert error(forecasters["ridge"], windows["test"]) < 1e-3
    assert error(forecasters["linear"], windows["test"]) > 1


def test_ridge_is_left_out_where_it_sees_no_more_than_linear() -> None:
    windows = parts(waves()[:, :1])
    names = set(fit_baselines(windows["train"], windows["val"], None))
    assert names == {"last_value", "seasonal_naive", "linear"}


def test_a_long_horizon_of_covariates_is_thinned_and_wide_data_go_without_ridge() -> None:
    example = SlidingWindows(
        torch.zeros(2000, 2), 24, 2000, 24, 720, future_NG=torch.zeros(2000, 9)
    ).batch(torch.arange(1))
    design = least_squares.RidgeDesign(example, num_rows=8000)
    longest = design.lookbacks[-1]
    columns = design.features(example, example.target_BTC).size(1)
    assert columns == design.width(longest) <= 2000
    wide = SlidingWindows(torch.zeros(40, 1500), 24, 40).batch(torch.arange(1))
    assert not least_squares.RidgeDesign(wide, num_rows=8000).lookbacks


def test_the_lookback_that_holds_the_season_is_chosen() -> None:
    series_N = torch.randn(18).repeat(50) + 0.01 * torch.randn(900)
    windows = parts(series_N.unsqueeze(1))
    linear = fit_baselines(windows["train"], windows["val"], None)["linear"]
    assert isinstance(linear, LeastSquares)
    assert linear.design.lookbacks == [1, 3, 6, 12, 24]
    assert linear.lookback == 24


def test_the_test_part_influences_no_forecast() -> None:
    target_NC = waves() + 0.1 * torch.randn(900, 2)
    changed_NC = target_NC.clone()
    changed_NC[750:] = 100 * torch.randn(150, 2)
    windows, changed = parts(target_NC), parts(changed_NC)
    before = fit_baselines(windows["train"], windows["val"], 24)
    after = fit_baselines(changed["train"], changed["val"], 24)
    batch = windows["val"].all()
    for name, forecaster in before.items():
        assert torch.equal(forecaster(batch), after[name](batch)), name


def test_missing_values_leave_a_regression_usable() -> None:
    target_NC = waves()
    clean = parts(target_NC.clone())["test"]
    target_NC[torch.rand(900) < 0.02, 0] = NAN
    target_NC[300:340] = NAN
    windows = parts(target_NC)
    forecasters = fit_baselines(windows["train"], windows["val"], 19)
    for name in ("linear", "ridge"):
        forecast = forecasters[name](windows["test"].all())
        assert torch.isfinite(forecast).all()
        assert error(forecasters[name], clean) < 0.3 * error(last_value, clean)


def test_a_constant_series_is_forecast_exactly() -> None:
    windows = parts(torch.zeros(900, 2))
    for forecaster in fit_baselines(windows["train"], windows["val"], 24).values():
        assert error(forecaster, windows["test"]) == 0


def test_evenly_spaced_windows_stand_for_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "MAX_WORK", 150 * 50**2)
    monkeypatch.setattr(least_squares, "CHUNK_FLOATS", 4_000)
    windows = parts(waves())
    forecasters = fit_baselines(windows["train"], windows["val"], None)
    assert error(forecasters["linear"], windows["test"]) < 1e-3


def test_batches_cover_every_window_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "CHUNK_WINDOWS", 7)
    windows = parts(waves())["val"]
    origins = torch.cat([batch.origin_B for batch in least_squares.window_batches(windows)])
    assert torch.equal(origins, windows.all().origin_B)
    spaced = torch.cat([batch.origin_B for batch in least_squares.window_batches(windows, 10)])
    assert len(spaced.unique()) == 10


def test_residual_quantiles_are_per_step_and_target_and_ignore_missing() -> None:
    target_NC = torch.randn(900, 2)
    target_NC[::7, 1] = NAN
    windows = parts(target_NC)["val"]
    levels = [0.1, 0.5, 0.9]
    offsets = residual_quantiles(
        {"zero": lambda batch: torch.zeros(batch.truth_BPC.shape)}, windows, levels
    )
    truth_NPC = windows.all().truth_BPC
    expected_QPC = torch.nanquantile(truth_NPC, torch.tensor(levels), dim=0)
    torch.testing.assert_close(offsets["zero"], expected_QPC.permute(1, 2, 0))
    assert (offsets["zero"].diff(dim=-1) >= 0).all()


def test_few_windows_pool_their_residuals_over_the_horizon() -> None:
    windows = SlidingWindows(torch.randn(60, 1), 50, 60)
    offsets = residual_quantiles({"last_value": last_value}, windows, [0.1, 0.9])["last_value"]
    assert offsets.shape == (6, 1, 2)
    assert torch.equal(offsets[0], offsets[5])
    assert offsets[0, 0, 0] < offsets[0, 0, 1]


def test_scores_hold_every_figure_of_every_baseline() -> None:
    windows = parts(waves() + 0.3 * torch.randn(900, 2))
    scores = baseline_scores(windows, {"season_length": 19}, [0.1, 0.5, 0.9], "test")
    assert list(scores) == ["last_value", "seasonal_naive", "linear", "ridge"]
    assert scores["linear"]["mse"] < scores["last_value"]["mse"]
    assert scores["linear"]["mse"] < 0.2
    for figures in scores.values():
        assert set(figures) == {
            *("mse", "mae", "mse_unit", "mae_unit", "mase", "smape", "wql", "coverage_80")
        }
        assert figures["coverage_80"] == pytest.approx(0.8, abs=0.1)


def test_scores_without_quantiles_or_validation_windows() -> None:
    windows = parts(waves(), borders=(24, 600, 600, 900))
    scores = baseline_scores(windows, {"season_length": None}, [], "test")
    assert "coverage_80" not in scores["linear"]
    assert scores["linear"]["mse"] < 1e-3


def test_no_training_windows_are_refused() -> None:
    windows = parts(waves())
    with pytest.raises(ValueError, match="need windows"):
        fit_baselines(parts(waves(), borders=(24, 24, 600, 900))["train"], windows["val"], None)


def test_etth1_96_reaches_the_published_figures(shared_data: Path) -> None:
    data = ForecastingDataModule(
        336, 96, path=str(shared_data / "ett" / "ETTh1.csv"), time_column="date", split="informer"
    )
    data.setup()
    windows = data.windows
    assert [len(windows[part]) for part in ("train", "val", "test")] == [8209, 2785, 2785]
    scores = baseline_scores(windows, data.schema(), [0.1, 0.9], "test")
    assert scores["last_value"]["mse"] == pytest.approx(1.294, abs=0.001)
    assert scores["seasonal_naive"]["mse"] == pytest.approx(0.512, abs=0.001)
    assert scores["linear"]["mse"] < 0.3705
