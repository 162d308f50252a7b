"""Regressions in closed form: the sums they rest on, their choices, and the skip past the backbone.

Shapes as in gru_suite.tasks.forecasting.network.linear_skip.
"""

from typing import Any

import numpy as np
import pytest
import torch
from forecasting_fixtures import make_batch, make_schema, make_task
from torch import Tensor

from gru_suite.tasks.forecasting.batches.forecast_batch import ForecastBatch
from gru_suite.tasks.forecasting.network.inputs import NetworkInput, Sizes
from gru_suite.tasks.forecasting.network.linear_skip import (
    MAX_FEATURES,
    LinearSkip,
    lookbacks_within,
)
from gru_suite.tasks.forecasting.task import ForecastingTask
from gru_suite.tasks.forecasting.training.ridge_regression import (
    ALPHAS,
    NormalEquations,
    select_ridge,
)
from gru_suite.tasks.forecasting.training.skip_fit import fit_skip

NAN = float("nan")


def moments(x_RF: Tensor, y_RO: Tensor, batches: int = 3) -> NormalEquations:
    total = NormalEquations(x_RF.size(1), y_RO.size(1))
    for x_BF, y_BO in zip(x_RF.chunk(batches), y_RO.chunk(batches), strict=True):
        total.add(x_BF, y_BO)
    return total


def ridge(x_RF: Tensor, y_RO: Tensor, alpha: float, bias: int | None) -> Tensor:
    """Solve the penalized problem as a plain one with a row more for each penalized weight."""
    rows, size = x_RF.shape
    penalty_FF = torch.eye(size, dtype=torch.float64) * (alpha * rows) ** 0.5
    if bias is not None:
        penalty_FF[bias] = 0
    x = torch.cat([x_RF.double(), penalty_FF])
    y = torch.cat([y_RO.double(), torch.zeros(size, y_RO.size(1), dtype=torch.float64)])
    solution: np.ndarray[Any, Any] = np.linalg.lstsq(x.numpy(), y.numpy(), rcond=None)[0]
    return torch.from_numpy(solution)


def draw(rows: int, features: int, seed: int, outputs: int = 2, noise: float = 0.3) -> list[Tensor]:
    """Return rows with a bias in the first column, and outputs that are linear in them."""
    true_FO = torch.randn(features, outputs, generator=torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(seed)
    x_RF = torch.randn(rows, features, generator=generator)
    x_RF[:, 0] = 1
    y_RO = x_RF @ true_FO + noise * torch.randn(rows, outputs, generator=generator)
    return [x_RF, y_RO]


def test_moments_are_the_sums_of_products() -> None:
    x_RF, y_RO = draw(50, 4, seed=0)
    found = moments(x_RF, y_RO)
    x, y = x_RF.double(), y_RO.double()
    torch.testing.assert_close(found.gram_FF, x.T @ x)
    torch.testing.assert_close(found.cross_FO, x.T @ y)
    torch.testing.assert_close(found.target_squares_O, y.square().sum(0))
    assert found.rows == 50


@pytest.mark.parametrize("noise", [0.0, 0.3, 30.0])
def test_a_fit_is_the_ridge_of_its_penalty_with_a_free_bias(noise: float) -> None:
    x_RF, y_RO = draw(40, 6, seed=1, noise=noise)
    other = draw(200, 6, seed=2, noise=noise)
    fit = select_ridge(moments(x_RF, y_RO), moments(*other), [5], lambda steps: 1 + steps, 0)
    expected_FO = ridge(x_RF, y_RO, fit.alpha, bias=0)
    torch.testing.assert_close(fit.weight_FO, expected_FO.float(), rtol=1e-4, atol=1e-5)
    # The more noise, the more penalty.
    assert fit.alpha == ALPHAS[0] if noise == 0 else fit.alpha > ALPHAS[0]


def test_many_clean_rows_give_least_squares() -> None:
    x_RF, y_RO = draw(5_000, 6, seed=1, noise=0.01)
    fit = select_ridge(moments(x_RF, y_RO), moments(x_RF, y_RO), [5], lambda steps: 1 + steps, 0)
    expected_FO = np.linalg.lstsq(x_RF.numpy(), y_RO.numpy(), rcond=None)[0]
    assert fit.alpha == ALPHAS[0]
    np.testing.assert_allclose(fit.weight_FO, expected_FO, atol=1e-3)


def test_the_choice_is_about_the_best_of_all() -> None:
    x_RF, y_RO = draw(60, 25, seed=3, noise=4.0)
    chosen = draw(200, 25, seed=4, noise=4.0)
    lookbacks = [1, 3, 6, 12, 24]
    fit = select_ridge(moments(x_RF, y_RO), moments(*chosen), lookbacks, lambda steps: 1 + steps, 0)

    def error(weight_FO: Tensor) -> float:
        size = len(weight_FO)
        return float((chosen[0].double()[:, :size] @ weight_FO - chosen[1]).square().mean())

    every = [
        error(ridge(x_RF[:, : 1 + steps], y_RO, alpha, bias=0))
        for steps in lookbacks
        for alpha in ALPHAS
    ]
    assert error(fit.weight_FO.double()) < 1.005 * min(every)
    assert not fit.weight_FO[1 + fit.lookback :].any()


def test_lookbacks_within() -> None:
    assert lookbacks_within(30, 1000) == [1, 3, 6, 12, 24, 30]
    assert lookbacks_within(30, 20) == [1, 3, 6, 12]
    assert lookbacks_within(5, 0) == []


# The skip


def make_sizes(**changes: Any) -> Sizes:
    sizes = {
        "segment_size": 4,
        "horizon": 3,
        "num_channels": 1,
        "num_values": 1,
        "num_quantiles": 1,
        "past_size": 0,
        "future_size": 0,
        "static_size": 0,
        "masked": False,
    }
    return Sizes(**sizes | changes)  # type: ignore[arg-type]


def make_rows(sizes: Sizes, rows: int, seed: int, lookback: int = 24) -> NetworkInput:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(rows, *shape, generator=generator)

    return NetworkInput(
        x_RLF=normal(lookback, sizes.num_values + sizes.past_size),
        level_RV=normal(sizes.num_values),
        future_RPF=normal(sizes.horizon, sizes.future_size),
        static_RS=normal(sizes.static_size),
    )


def make_skip(sizes: Sizes, lookback: int = 24, trained: bool = False) -> LinearSkip:
    return LinearSkip(sizes, lookback, trained)


def example(rows: NetworkInput, noise: float, seed: int) -> tuple[NetworkInput, Tensor]:
    """Add targets that rest on the values three and six steps back: (R, P=3, V=1)."""
    generator = torch.Generator().manual_seed(seed)
    clean_R = rows.x_RLF[:, -6, 0] - 0.5 * rows.x_RLF[:, -3, 0]
    target_RPV = torch.stack([clean_R, 2 * clean_R, -clean_R], dim=1)[..., None]
    return rows, target_RPV + noise * torch.randn(target_RPV.shape, generator=generator)


def test_the_skip_begins_at_zero() -> None:
    sizes = make_sizes(past_size=2, future_size=2, static_size=1, num_values=2)
    skip = make_skip(sizes)
    out_RPV = skip(make_rows(sizes, 5, seed=0))
    assert out_RPV.shape == (5, 3, 2)
    assert not out_RPV.any()


def test_features_stand_in_the_order_that_the_choice_needs() -> None:
    sizes = make_sizes(past_size=1, future_size=2, static_size=1)
    skip, rows = make_skip(sizes, lookback=4), make_rows(sizes, 2, seed=0, lookback=4)
    expected = [rows.level_RV, torch.ones(2, 1), rows.future_RPF.flatten(1), rows.static_RS]
    expected += [rows.x_RLF[:, step] for step in (3, 2, 1, 0)]
    assert torch.equal(skip.features(rows), torch.cat(expected, dim=1))
    assert skip.width(0) == 1 + 1 + 3 * 2 + 1
    assert skip.width(4) == skip.features(rows).size(1) == len(skip.weight_FO)


def test_fit_is_the_ridge_regression_and_finds_the_lookback() -> None:
    sizes = make_sizes(past_size=1, future_size=1, static_size=1)
    skip = make_skip(sizes)
    train = example(make_rows(sizes, 400, seed=0), 1.0, seed=1)
    selection = example(make_rows(sizes, 400, seed=2), 1.0, seed=3)
    batches = [
        (NetworkInput(*(part[:150] for part in train[0])), train[1][:150]),
        (NetworkInput(*(part[150:] for part in train[0])), train[1][150:]),
    ]
    fit_skip(skip, batches, [selection])
    used = skip.weight_FO.abs().sum(1).nonzero().flatten()
    # Levels are noise here; the past six steps, two features each, and no more are used.
    assert int(used[-1]) == skip.width(6) - 1
    x_RF, y_RO = skip.features(train[0])[:, used], train[1].flatten(1)
    bias = int((used == 1).nonzero())
    candidates = [ridge(x_RF, y_RO, alpha, bias).float() for alpha in ALPHAS]
    errors = [float((each - skip.weight_FO[used]).abs().max()) for each in candidates]
    assert min(errors) < 1e-5
    out_RPV = skip(selection[0])
    assert float((out_RPV - example(selection[0], 0.0, 0)[1]).square().mean()) < 0.1


def test_rows_with_a_missing_target_are_left_out() -> None:
    sizes = make_sizes()
    rows, target_RPV = example(make_rows(sizes, 100, seed=0), 0.5, seed=1)
    other = [example(make_rows(sizes, 100, seed=2), 0.5, seed=3)]
    clean, gaps = make_skip(sizes), make_skip(sizes)
    fit_skip(clean, [(NetworkInput(*(part[20:] for part in rows)), target_RPV[20:])], other)
    target_RPV[:20, 1] = NAN
    rows.x_RLF[:20] = 100.0
    fit_skip(gaps, [(rows, target_RPV)], [*other, (rows, target_RPV * NAN)])
    assert clean.weight_FO.any()
    torch.testing.assert_close(gaps.weight_FO, clean.weight_FO)


def test_without_a_selection_the_training_rows_choose() -> None:
    sizes = make_sizes()
    train = example(make_rows(sizes, 100, seed=0), 0.1, seed=1)
    by_itself, alone, missing = (make_skip(sizes) for _ in range(3))
    fit_skip(by_itself, [train], [train])
    fit_skip(alone, [train], [])
    fit_skip(missing, [train], [(train[0], train[1] * NAN)])
    assert by_itself.weight_FO.any()
    assert torch.equal(alone.weight_FO, by_itself.weight_FO)
    assert torch.equal(missing.weight_FO, by_itself.weight_FO)


def test_without_any_whole_row_the_skip_stays_zero() -> None:
    sizes = make_sizes()
    rows, target_RPV = example(make_rows(sizes, 10, seed=0), 0.1, seed=1)
    skip = make_skip(sizes)
    fit_skip(skip, [(rows, target_RPV * NAN)], [(rows, target_RPV)])
    assert not skip.weight_FO.any()


def test_levels_that_mislead_are_left_out() -> None:
    """The level explains the training rows, and stands elsewhere in the others."""
    sizes = make_sizes()
    rows, target_RPV = example(make_rows(sizes, 200, seed=0), 0.1, seed=1)
    target_RPV += 0.3 * rows.level_RV[:, None]
    other, other_RPV = example(make_rows(sizes, 200, seed=2), 0.1, seed=3)
    skip = make_skip(sizes)
    fit_skip(
        skip, [(rows, target_RPV)], [(other._replace(level_RV=other.level_RV + 50), other_RPV)]
    )
    assert not skip.weight_FO[0].any()
    assert skip.weight_FO[1:].any()


@pytest.mark.parametrize("trained", [True, False])
def test_gradients_reach_the_skip_only_where_it_is_trained(trained: bool) -> None:
    sizes = make_sizes()
    skip = make_skip(sizes, trained=trained)
    rows = make_rows(sizes, 4, seed=0)
    out_RPV = skip(rows._replace(level_RV=rows.level_RV.requires_grad_()))
    out_RPV.sum().backward()
    assert (skip.weight_FO.grad is not None) == trained
    fit_skip(skip, [example(make_rows(sizes, 50, seed=1), 0.1, seed=2)], [])
    assert skip.weight_FO.requires_grad == trained


@pytest.mark.parametrize(("horizon", "future_size"), [(100, 5), (101, 5), (720, 8), (2, 300)])
def test_a_long_horizon_with_many_covariates_is_thinned(horizon: int, future_size: int) -> None:
    sizes = make_sizes(horizon=horizon, future_size=future_size)
    skip, rows = make_skip(sizes, lookback=720), make_rows(sizes, 2, seed=0, lookback=720)
    assert skip.features(rows).size(1) == len(skip.weight_FO) <= MAX_FEATURES
    assert skip.lookbacks[-1] >= 168
    assert skip(rows).shape == (2, horizon, 1)
    if horizon * future_size <= MAX_FEATURES // 2:
        assert skip.width(0) == 2 + horizon * future_size


# The task


def waves(rows: int, schema: dict[str, Any], seed: int) -> ForecastBatch:
    """Return windows of sums of two waves, which four past values forecast exactly."""
    generator = torch.Generator().manual_seed(seed)
    lookback, horizon = schema["lookback"], schema["horizon"]
    time_T = torch.arange(lookback + horizon)
    parts_2BTC = torch.randn(2, rows, 1, 2, generator=generator) * torch.sin(
        torch.tensor([2.0, 0.7])[:, None, None, None] * time_T[:, None]
        + 6 * torch.rand(2, rows, 1, 2, generator=generator)
    )
    values_BTC = parts_2BTC.sum(0)
    batch = make_batch(schema, rows, seed)
    return batch._replace(target_BTC=values_BTC[:, :lookback], truth_BPC=values_BTC[:, lookback:])


PLAIN = {"past_size": 0, "future_size": 0, "static_size": 0, "missing_targets": False}


def warm(schema: dict[str, Any], **options: Any) -> ForecastingTask:
    task = make_task(schema, skip="ridge", **options)
    train = [waves(200, schema, seed) for seed in range(3)]
    task.warm_start(train, [waves(200, schema, seed=7)])
    return task


@pytest.mark.parametrize("normalization", ["last_value", "level", "standard", "none"])
@pytest.mark.parametrize("channels", ["independent", "mixed"])
def test_a_linear_process_is_forecast_before_any_training(
    normalization: str, channels: str
) -> None:
    schema = make_schema(**PLAIN)
    task = warm(schema, normalization=normalization, channels=channels)
    batch = waves(50, schema, seed=8)
    error_BPC = task(batch).point_BPC.detach() - batch.truth_BPC
    assert error_BPC.square().mean() < 1e-4 * batch.truth_BPC.square().mean()


def test_known_covariates_and_gaps_of_the_targets_are_used() -> None:
    schema = make_schema(static_size=0)
    task = make_task(schema, skip="ridge")

    def driven(seed: int) -> ForecastBatch:
        batch = make_batch(schema, 300, seed)
        target_BTC = batch.target_BTC.clone()
        target_BTC[::3, 4:7] = NAN
        target_BTC[:, -1] = 0.0
        truth_BPC = (batch.future_BPF[..., :1] - 2 * batch.future_BPF[..., 1:]).expand(-1, -1, 2)
        return batch._replace(target_BTC=target_BTC, truth_BPC=truth_BPC)

    task.warm_start([driven(0), driven(1)], [driven(2)])
    batch = driven(3)
    error_BPC = task(batch).point_BPC.detach() - batch.truth_BPC
    assert error_BPC.square().mean() < 1e-3


def test_ridge_begins_at_the_level_and_trains_from_the_regression() -> None:
    schema = make_schema(**PLAIN)
    task, batch = make_task(schema, skip="ridge"), waves(50, schema, seed=8)
    assert not task.model.decoder.head.projection.weight.any()
    assert not task.model.decoder.head.projection.bias.any()
    last_B1C = batch.target_BTC[:, -1:]
    torch.testing.assert_close(task(batch).point_BPC, last_B1C.expand_as(batch.truth_BPC))

    task = warm(schema).train()
    assert task.model.skip is not None
    before_FO = task.model.skip.weight_FO.clone()
    optimizer = torch.optim.Adam([p for p in task.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        task.loss(task(batch), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert task.model.decoder.head.projection.weight.any()
    assert torch.equal(task.model.skip.weight_FO, before_FO)


@pytest.mark.parametrize("skip", ["none", "trained"])
def test_only_the_ridge_is_fitted_before_training(skip: str) -> None:
    schema = make_schema(**PLAIN)
    task, batch = make_task(schema, skip=skip), waves(20, schema, seed=0)
    before = task(batch).point_BPC
    task.warm_start([batch], [batch])
    assert torch.equal(task(batch).point_BPC, before)
