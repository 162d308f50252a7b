"""Calibrated intervals: split conformal on validation windows, adaptive by earlier errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from trainers import quiet_trainer

import gru_suite
from gru_suite.tasks.forecasting.batches.forecast_batch import ForecastBatch
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.inference.adaptive_intervals import (
    MEMORY,
    adapted_factors,
    grid_spacing,
    miss_ratios,
)
from gru_suite.tasks.forecasting.inference.rolling_forecasts import rolling_factors
from gru_suite.tasks.forecasting.inference.split_calibration import apply_split, fit_split
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.forecasting.task import ForecastingTask

LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
LOOKBACK, HORIZON = 24, 8


# Split calibration


def normal_quantiles(shape: tuple[int, ...], spread: float) -> np.ndarray:
    offsets = torch.distributions.Normal(0, spread).icdf(torch.tensor(LEVELS)).numpy()
    return np.broadcast_to(offsets, (*shape, len(LEVELS))).astype(np.float32)


@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_split_calibration_gives_the_coverage_on_other_windows(spread: float) -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(0, [[[1.0], [2.0]]], (4000, 2, 1)).astype(np.float32)
    forecast = normal_quantiles(truth.shape, spread)
    fitted = fit_split(forecast[:2000], truth[:2000], np.zeros(2000, np.int64), LEVELS)
    found = apply_split(torch.from_numpy(forecast[2000:]), fitted, None).numpy()
    for low, high, share in ((0, 4, 0.9), (1, 3, 0.5)):
        inside = (found[..., low] <= truth[2000:]) & (truth[2000:] <= found[..., high])
        assert inside.mean(0)[:, 0] == pytest.approx([share, share], abs=0.03), "of each step"
    assert (np.diff(found, axis=-1) >= 0).all()


def test_each_series_with_enough_windows_has_its_own_factor() -> None:
    draw = np.random.default_rng(0)
    series = np.repeat([0, 1, 2], [500, 500, 20])
    truth = (
        draw.normal(size=(1020, 2, 1)) * np.where(series == 1, 4.0, 1.0)[:, None, None]
    ).astype("f4")
    fitted = fit_split(normal_quantiles(truth.shape, 1.0), truth, series, LEVELS)
    assert set(fitted["series"]) == {"0", "1"}
    numbers = torch.tensor([0, 1, 2, -1])
    found = apply_split(torch.from_numpy(normal_quantiles((4, 2, 1), 1.0)), fitted, numbers)
    width = (found[..., -1] - found[..., 0])[:, 0, 0]
    assert width[1] > 3 * width[0]
    assert width[2] == width[3]


def test_few_windows_share_a_factor_over_the_steps() -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(size=(40, 6, 1)).astype("f4")
    fitted = fit_split(normal_quantiles(truth.shape, 1.0), truth, np.arange(40), LEVELS)
    assert (np.ptp(np.array(fitted["factors"]), axis=0) == 0).all()
    assert fitted["series"] == {}


def test_single_forecasts_get_the_quantiles_of_residuals() -> None:
    draw = np.random.default_rng(0)
    point = draw.normal(size=(3000, 2, 1, 1)).astype("f4")
    truth = point[..., 0] + draw.normal(size=(3000, 2, 1)).astype("f4")
    fitted = fit_split(point, truth, np.zeros(3000, np.int64), LEVELS)
    found = apply_split(torch.from_numpy(point), fitted, None).numpy()
    assert np.array_equal(found[..., 2], point[..., 0])
    inside = (found[..., 0] <= truth) & (truth <= found[..., -1])
    assert inside.mean() == pytest.approx(0.9, abs=0.01)


def test_windows_without_a_truth_leave_the_forecast_as_it_is() -> None:
    forecast = normal_quantiles((5, 2, 1), 1.0)
    truth = np.full((5, 2, 1), np.nan, np.float32)
    fitted = fit_split(forecast, truth, np.zeros(5, np.int64), LEVELS)
    np.testing.assert_allclose(
        apply_split(torch.from_numpy(forecast), fitted, None).numpy(), forecast, rtol=1e-6
    )


# Adaptive intervals


def test_intervals_widen_after_misses_and_narrow_without() -> None:
    outside = np.full((MEMORY, 4, 1, 3), 2.0)
    inside = np.full((MEMORY, 4, 1, 3), 0.5)
    levels = [0.1, 0.5, 0.9]
    wide = adapted_factors(outside, np.array([MEMORY]), levels)[0, 0]
    narrow = adapted_factors(inside, np.array([MEMORY]), levels)[0, 0]
    assert (wide[[0, 2]] > 1.9).all()
    assert (narrow[[0, 2]] < 1).all()
    assert adapted_factors(outside, np.array([0]), levels) == pytest.approx(1.0)


def test_adapted_intervals_hold_where_the_spread_drifts() -> None:
    draw = np.random.default_rng(0)
    count, horizon = 1200, 4
    spread = np.linspace(1, 3, count + horizon)
    noise = draw.normal(size=count + horizon) * spread
    step = np.arange(count)[:, None] + np.arange(horizon)
    truth = noise[step][..., None].astype("f4")
    offsets = torch.distributions.Normal(0, 1).icdf(torch.tensor([0.1, 0.5, 0.9])).numpy()
    quantiles = np.broadcast_to(offsets, (count, horizon, 1, 3)).astype("f4")
    ratio = miss_ratios(quantiles, truth)
    anchors = np.arange(300, count)
    factor = adapted_factors(ratio, anchors, [0.1, 0.5, 0.9])[:, None]
    found = quantiles[anchors] * factor
    fixed = (np.abs(truth[anchors]) <= offsets[2]).mean()
    inside = (found[..., 0] <= truth[anchors]) & (truth[anchors] <= found[..., 2])
    assert fixed < 0.6
    assert inside.mean() == pytest.approx(0.8, abs=0.03)


# In the model


def table(num_rows: int, names: str = "ab", seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    steps = np.arange(num_rows)
    frames = []
    for name in names:
        noise = draw.normal(size=num_rows) * np.linspace(0.2, 1.5, num_rows)
        load = 10 + np.sin(steps / 24 * 2 * np.pi) + noise
        times = pd.date_range("2024-01-01", periods=num_rows, freq="h")
        frames.append(pd.DataFrame({"time": times, "id": name, "load": load}))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ForecastingDataModule:
    path = tmp_path_factory.mktemp("tables") / "load.csv"
    table(700).to_csv(path, index=False)
    made = ForecastingDataModule(
        LOOKBACK, HORIZON, path=str(path), time_column="time", id_column="id", target="load"
    )
    made.setup()
    return made


def trained(data: ForecastingDataModule, **options: object) -> tuple[ForecastingTask, pl.Trainer]:
    pl.seed_everything(0, verbose=False)
    task = ForecastingTask(backbone={"hidden_size": 8}, schema=data.schema(), **options)
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=5)
    task.warm_start(data.train_dataloader(), data.val_dataloader())
    trainer.fit(task, data)
    return task, trainer


@pytest.fixture(scope="module")
def run(data: ForecastingDataModule) -> tuple[ForecastingTask, pl.Trainer]:
    return trained(data)


def test_a_fit_calibrates_and_its_checkpoint_keeps_it(
    run: tuple[ForecastingTask, pl.Trainer], data: ForecastingDataModule, tmp_path: Path
) -> None:
    task, trainer = run
    factors = np.array(task.model.fitted["calibration"]["factors"])
    assert factors.shape == (HORIZON, 1, 3)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = gru_suite.load(tmp_path / "a.ckpt")
    assert loaded.fitted == task.model.fitted
    np.testing.assert_array_equal(
        loaded.predict(table(700)).values_BPCQ, task.model.eval().predict(table(700)).values_BPCQ
    )


@pytest.mark.parametrize("loss", ["quantile", "mse"])
def test_adaptive_intervals_hold_better_and_those_of_baselines_too(
    data: ForecastingDataModule, loss: str
) -> None:
    task, trainer = trained(data, loss=loss)
    adapted = trainer.test(task, data, verbose=False)[0]["test/coverage_80"]
    baselines = data.baselines("test", task.scoring)
    task.model.calibration = "split"
    fixed = trainer.test(task, data, verbose=False)[0]["test/coverage_80"]
    assert fixed < adapted - 0.03
    assert adapted == pytest.approx(0.8, abs=0.08), "as the spread grows fast"
    for name, scores in data.baselines("test", {**task.scoring, "adaptive": False}).items():
        assert baselines[name]["coverage_80"] > scores["coverage_80"] + 0.03, name


def test_no_value_after_an_origin_changes_its_interval(
    run: tuple[ForecastingTask, pl.Trainer], data: ForecastingDataModule
) -> None:
    model = run[0].model.eval()
    windows = data.windows["test"]
    factors = model.interval_factors(windows)
    assert factors is not None
    chosen = 50
    origin = int(windows.origins_W[chosen])
    assert windows.series_W[chosen] == 0
    changed = table(700)
    changed.loc[(changed["id"] == "a") & (changed.groupby("id").cumcount() >= origin), "load"] = (
        99.0
    )
    path = Path(str(data.path)).with_name("changed.csv")
    changed.to_csv(path, index=False)
    later = ForecastingDataModule(LOOKBACK, HORIZON, path=str(path), schema=data.schema())
    later.setup()
    again = model.interval_factors(later.windows["test"])
    assert again is not None
    torch.testing.assert_close(again[: chosen + 1], factors[: chosen + 1], rtol=0, atol=0)
    assert not torch.equal(again[chosen + 20 : 100], factors[chosen + 20 : 100])


def test_predict_equals_the_backtest_and_the_stream(
    run: tuple[ForecastingTask, pl.Trainer], data: ForecastingDataModule
) -> None:
    model, windows = run[0].model.eval(), data.windows["test"]
    whole = table(700)
    for chosen in (0, 37, 100):
        origin = int(windows.origins_W[chosen])
        so_far = whole[(whole["id"] == "a").to_numpy()].iloc[:origin]
        predicted = model.predict(so_far).values_BPCQ[0]
        batch = windows.batch([chosen])
        factors = model.interval_factors(windows.select(np.array([chosen])))
        assert factors is not None
        assert not np.allclose(factors, 1.0)
        with torch.inference_mode():
            found = model.forecast(batch, factors).quantiles_BPCQ
        assert found is not None
        unit = found[0] * batch.std_BC[0, :, None] + batch.mean_BC[0, :, None]
        np.testing.assert_allclose(predicted, unit.numpy(), rtol=1e-5)
        stream = model.stream()
        for start in (0, 100, 101, origin - 3):
            stop = {0: 100, 100: 101, 101: origin - 3}.get(start, origin)
            pushed = stream.push(so_far.iloc[start:stop])
        np.testing.assert_allclose(pushed.values_BPCQ[0], predicted, rtol=1e-5)


def test_a_stream_keeps_a_bounded_number_of_rows(
    run: tuple[ForecastingTask, pl.Trainer],
) -> None:
    stream = run[0].model.eval().stream()
    long = table(3000, "a")
    for start in range(0, 3000, 500):
        stream.push(long.iloc[start : start + 500])
    rows = stream.state_dict()["rows"][0]["rows"]["target"]
    assert len(rows) <= LOOKBACK + (MEMORY + 2) * grid_spacing(HORIZON) + 2 * HORIZON


def test_the_exported_quantiles_are_calibrated(
    run: tuple[ForecastingTask, pl.Trainer], data: ForecastingDataModule
) -> None:
    model = run[0].model.eval()
    module, batch = model.export_module(), data.windows["test"].batch([3, 4])
    with torch.inference_mode():
        found = module(*module.from_batch(batch))
        known = model.forecast(batch._replace(series_B=torch.tensor([-1, -1]))).quantiles_BPCQ
        raw = model(batch).quantiles_BPCQ
    assert known is not None
    unit = known * batch.std_BC[:, None, :, None] + batch.mean_BC[:, None, :, None]
    torch.testing.assert_close(found, unit, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(raw, known)


def test_errors_within_the_training_part_are_not_learned_from(
    run: tuple[ForecastingTask, pl.Trainer], data: ForecastingDataModule
) -> None:
    model = run[0].model.eval()
    end = int(data.borders.train_ends_S[0])
    factors = model.interval_factors(data.windows["train"])
    assert factors is not None
    assert (factors == 1).all()
    assert data.schema()["train_ends"]["a"] == pd.Timestamp("2024-01-01").value + end * 3600 * 10**9


def test_a_forecaster_without_earlier_rows_is_left_as_it_is(data: ForecastingDataModule) -> None:
    windows = data.windows["test"].select(np.array([0]))
    late = np.full(2, 10**6)

    def never(batch: ForecastBatch) -> torch.Tensor:
        raise AssertionError(batch)

    assert (rolling_factors(never, [windows], [0.1, 0.5, 0.9], [late])[0] == 1).all()


def test_models_of_before_have_no_calibration(data: ForecastingDataModule) -> None:
    model = ForecastingModel(backbone={"hidden_size": 8}, schema=data.schema())
    assert model.calibration == "adaptive"
    assert not model.adaptive
    assert model.interval_factors(data.windows["test"]) is None


# Values that cannot be


def test_forecasts_of_what_was_never_negative_are_not(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    frame = pd.DataFrame(
        {"time": times, "sold": draw.poisson(0.3, 300), "net": draw.normal(size=300)}
    )
    path = tmp_path / "sold.csv"
    frame.to_csv(path, index=False)

    def module(**options: object) -> ForecastingDataModule:
        made = ForecastingDataModule(
            LOOKBACK, HORIZON, path=str(path), time_column="time", **options
        )
        made.setup()
        return made

    data = module(integers=True)
    assert data.schema()["lower_bounds"] == [0.0, None]
    line = "forecasts never below 0, in whole numbers: sold (else data.non_negative=false)"
    assert line in data.summary()
    task, trainer = trained(data)
    model = task.model.eval()
    model.decoder.head.projection.bias.data.fill_(-3.0)
    found = model.predict(frame).values_BPCQ[0]
    assert (found[:, 0] == np.rint(found[:, 0])).all()
    assert (found[:, 0] >= 0).all()
    assert (found[:, 1] < 0).any()
    assert trainer.test(task, data, verbose=False)[0]["test/mae"] >= 0
    assert module(non_negative=False).schema()["lower_bounds"] == [None, None]
    assert module(non_negative=True).schema()["lower_bounds"] == [0.0, 0.0]
