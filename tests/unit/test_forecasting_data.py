"""The data module: splits, windows by part, loaders, and answers to data that cannot be used."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.batches.forecast_batch import ForecastBatch
from gru_suite.tasks.forecasting.batches.splits import split_series
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.reading.time_grid import TimeGrid


def hourly(count: int, start: str = "2024-01-01", seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=count).cumsum()
    return pd.DataFrame({"t": pd.date_range(start, periods=count, freq="h"), "y": values})


def module(folder: Path, frame: pd.DataFrame, **options: Any) -> ForecastingDataModule:
    frame.to_csv(folder / "data.csv", index=False)
    settings: dict[str, Any] = {"lookback": 12, "horizon": 6, "time_column": "t", "target": "y"}
    return ForecastingDataModule(path=str(folder / "data.csv"), **settings | options)


def ready(folder: Path, frame: pd.DataFrame, **options: Any) -> ForecastingDataModule:
    data = module(folder, frame, **options)
    data.setup()
    return data


def sizes(data: ForecastingDataModule) -> list[int]:
    return [len(data.windows[part]) for part in ("train", "val", "test")]


def whole(data: ForecastingDataModule, part: str) -> ForecastBatch:
    return data.windows[part].batch(torch.arange(len(data.windows[part])))


def test_fractions_and_stride(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(200), stride=5)
    assert sizes(data) == [123, 15, 35]
    assert whole(data, "train").origin_B.tolist() == list(range(12, 135))
    assert int(whole(data, "val").origin_B[0]) == 140
    assert int(whole(data, "test").origin_B[-1]) == 194
    summary = data.summary()
    assert "windows of 12 + 6 steps: train 123, val 15, test 35" in summary
    assert "windows in a training epoch: 24, one in 5, others each time" in summary
    assert data.name == "data"


def test_an_epoch_has_every_nth_training_window_and_the_next_epoch_others(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(200), stride=5, batch_size=10)
    loader = data.train_dataloader()
    assert len(loader) == 3
    starts = set()
    for epoch in range(20):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        origins = sorted(torch.cat([batch.origin_B for batch in loader]).tolist())
        assert len(origins) == 24
        # 25 windows begin at 12, 13 or 14 and are one too many: one is left out by chance.
        assert {b - a for a, b in pairwise(origins)} <= {5, 10}
        starts.add(origins[0] % 5)
    assert starts == set(range(5))


def test_a_stride_of_one_takes_every_window_and_says_nothing(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(200))
    assert not any("epoch" in line for line in data.summary())
    assert sum(len(batch.origin_B) for batch in data.train_dataloader()) == 123


def test_validation_and_test_windows_have_a_stride_of_their_own(tmp_path: Path) -> None:
    assert sizes(ready(tmp_path, hourly(200), eval_stride=5)) == [123, 3, 7]


def test_baselines_score_the_quantiles_of_the_task(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(200))
    by_default = data.baselines()
    assert "coverage_80" in by_default["linear"]
    wide = data.baselines("val", {"quantiles": [0.05, 0.5, 0.95]})
    assert "coverage_90" in wide["last_value"]
    assert "coverage_80" not in wide["last_value"]
    points = data.baselines("test", {"quantiles": []})
    assert not any(name.startswith("coverage") for name in points["linear"])
    assert points["linear"]["mae"] == by_default["linear"]["mae"]
    assert data.baselines("test", {"other": 1}) == by_default


def test_without_training_windows_there_are_no_baselines(tmp_path: Path) -> None:
    schema = ready(tmp_path, hourly(200)).schema()
    data = module(tmp_path, hourly(60, "2025-01-01"), schema=schema, split=[0, 0, 1.0])
    data.setup("test")
    assert data.baselines("test", {"quantiles": [0.5]}) == {}


def test_dates(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(240), split=["2024-01-06", "2024-01-08 12:00"])
    assert data.borders.train_ends_S.tolist() == [120]
    assert data.borders.val_ends_S.tolist() == [180]


def test_last(tmp_path: Path) -> None:
    long = pd.concat([hourly(60).assign(id="a"), hourly(45).assign(id="b")])
    long.iloc[-2:, long.columns.get_loc("y")] = np.nan
    data = ready(tmp_path, long, split="last", id_column="id")
    assert whole(data, "test").origin_B.tolist() == [54, 37]
    assert whole(data, "val").origin_B.tolist() == [48, 31]
    assert data.borders.train_ends_S.tolist() == [48, 31]


def test_series_of_other_spans_are_cut_at_one_time(tmp_path: Path) -> None:
    late = hourly(100, "2024-01-05 04:00").assign(id="late")
    data = ready(tmp_path, pd.concat([hourly(200).assign(id="a"), late]), id_column="id")
    assert data.series is not None
    assert data.series.time is not None
    for ends in (data.borders.train_ends_S, data.borders.val_ends_S):
        times = data.series.time[data.series.offsets[:-1] + ends]
        assert times[0] == times[1]


def test_val_part_may_be_empty_by_wish(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(100), split=[0.8, 0, 0.2])
    assert sizes(data)[1] == 0
    assert data.val_dataloader() == []


def test_gaps_and_dropped_windows_are_summed_up(tmp_path: Path) -> None:
    frame = hourly(300).drop(index=range(30, 50))
    data = ready(tmp_path, frame)
    assert data.dropped["train"] == 21  # past empty at origins 42 to 50, future at 30 to 44
    text = "\n".join(data.summary())
    assert "gaps: 20 steps without a row in 1 places, the first in 'series' after" in text
    assert "left out: train 21" in text


def test_training_order_depends_on_seed_and_epoch_only(tmp_path: Path) -> None:
    def order(data: ForecastingDataModule, epoch: int) -> list[int]:
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        return torch.cat([batch.origin_B for batch in loader]).tolist()

    data, same = (ready(tmp_path, hourly(200), seed=3) for _ in range(2))
    torch.rand(7)
    assert order(data, 0) == order(same, 0)
    assert order(data, 0) != order(data, 1)
    assert order(data, 1) == order(same, 1)
    assert sorted(order(data, 0)) == list(range(12, 135))
    assert order(ready(tmp_path, hourly(200), seed=4), 0) != order(data, 0)


def test_loaders_give_every_window_as_float32_batches(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(200), batch_size=16)
    batches = list(data.test_dataloader())
    assert [len(batch.origin_B) for batch in batches] == [16, 16, 3]
    assert isinstance(batches[0], ForecastBatch)
    assert batches[0].target_BTC.dtype == torch.float32
    assert torch.cat([batch.origin_B for batch in batches]).tolist() == list(range(160, 195))


def test_batches_from_worker_processes_are_the_same(tmp_path: Path) -> None:
    plain = list(ready(tmp_path, hourly(200)).test_dataloader())
    others = list(ready(tmp_path, hourly(200), num_workers=1).test_dataloader())
    for a, b in zip(plain, others, strict=True):
        torch.testing.assert_close(a.target_BTC, b.target_BTC)


@given(value=st.floats(-1e6, 1e6), row=st.integers(140, 199), column=st.sampled_from(["y", "x"]))
def test_later_rows_change_no_training_batch(
    tmp_path_factory: pytest.TempPathFactory, value: float, row: int, column: str
) -> None:
    folder = tmp_path_factory.mktemp("data")
    frame = hourly(200).assign(x=hourly(200, seed=1)["y"])
    options: dict[str, Any] = {"past_covariates": ["x"], "static_covariates": []}
    before = ready(folder, frame, **options)
    frame.loc[row, column] = value
    after = ready(folder, frame, **options)
    for a, b in zip(whole(before, "train"), whole(after, "train"), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert before.schema() == after.schema()


def test_targets_are_z_scored_by_the_training_part(tmp_path: Path) -> None:
    frame = hourly(200)
    data = ready(tmp_path, frame)
    train = frame["y"][:140].to_numpy()
    batch = whole(data, "test")
    expected = (frame["y"][194:] - train.mean()) / train.std()
    np.testing.assert_allclose(batch.truth_BPC[-1, :, 0], expected, rtol=1e-5, atol=1e-6)
    restored = batch.truth_BPC[-1] * batch.std_BC[-1] + batch.mean_BC[-1]
    np.testing.assert_allclose(restored[:, 0], frame["y"][194:], rtol=1e-5, atol=1e-6)


def test_a_checkpoints_schema_prepares_other_data(tmp_path: Path) -> None:
    frame = hourly(200).assign(sky=["sun", "rain"] * 100)
    schema = ready(tmp_path, frame, future_covariates=["sky"]).schema()
    other = hourly(90, "2025-01-01", seed=5).assign(sky="snow", y=lambda f: f["y"] * 100)
    data = module(
        tmp_path, other, lookback=1, horizon=1, schema=schema, target="gone", split=[0, 0, 1.0]
    )
    data.setup("test")
    assert data.schema() == schema
    assert (data.lookback, data.horizon) == (12, 6)
    assert sizes(data) == [0, 0, 90 - 12 - 6 + 1]
    batch = whole(data, "test")
    scale = schema["target_scale"]["series"]
    np.testing.assert_allclose(batch.mean_BC[0], scale["mean"], rtol=1e-6)
    assert (batch.future_BPF[..., :2] == 0).all()  # snow was never seen
    with pytest.raises(UserError, match="the model's target needs column 'y'"):
        module(tmp_path, other.drop(columns="y"), schema=schema).setup("test")


def test_embedded_sources() -> None:
    sine = ForecastingDataModule(10, 1, source="sine", split=[0.8, 0.0, 0.2])
    sine.setup()
    assert (sine.name, sizes(sine)) == ("sine", [790, 0, 200])
    weather = ForecastingDataModule(
        168, 24, source="weather", time_column="time", id_column="origin", target="temp"
    )
    weather.setup()
    assert weather.name == "weather"
    assert weather.schema()["frequency"] == "h"
    assert len(weather.schema()["target_scale"]) == 3


def test_setup_reads_once(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(200))
    (tmp_path / "data.csv").unlink()
    data.setup("test")
    assert sizes(data)[2] == 35


# What cannot be used


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lookback": 0}, r"data\.lookback=0: a whole number of at least 1 is needed"),
        ({"horizon": -1}, r"data\.horizon=-1: a whole number of at least 1 is needed"),
        ({"horizon": 2.5}, r"data\.horizon=2\.5"),
        ({"stride": 0}, r"data\.stride=0"),
        ({"eval_stride": True}, r"data\.eval_stride=True"),
        ({"batch_size": 0}, r"data\.batch_size=0"),
        ({"num_workers": -1}, r"data\.num_workers=-1: a whole number of at least 0"),
        ({"season_length": 0}, r"data\.season_length=0"),
        ({"split": "informr"}, r"data\.split='informr' is unknown; did you mean 'informer'"),
        ({"split": [0.5, 0.5]}, r"not two dates"),
        ({"split": [0.7, 0.2, 0.2]}, "add up to 1"),
        ({"split": [0.7, 0.1, 0.1, 0.1]}, "give three fractions"),
        ({"split": ["2024-01-05", "2024-01-03"]}, "two dates in order are needed, within"),
        ({"split": ["2029-01-05", "2030-01-03"]}, "within the data's 2024-01-01"),
        ({"split": ["soon", "later"]}, "not two dates"),
        ({"split": "informer"}, r"needs 14400 steps .* found 200"),
        ({"frequency": "hour"}, r"data\.frequency='hour' is unknown"),
        ({"calendar": "hourly"}, r"data\.calendar='hourly' is unknown; did you mean 'hour'"),
        ({"on_duplicates": "keep"}, r"data\.on_duplicates='keep' is unknown"),
        ({"target": "z"}, r"data\.target needs column 'z'"),
        ({"path": "/nowhere/x.csv"}, "/nowhere/x.csv: no such file"),
        ({"path": None}, "data.path is not set"),
        ({"source": "excel"}, "data.source='excel' is unknown"),
        ({"lookback": 150, "min_lookback": 150}, r"part has 140 of the 200 .* needs 156 \(150 and"),
        ({"horizon": 30}, r"the val part has 20 of the 200 .* needs 30 \(the horizon"),
    ],
)
def test_impossible_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    hourly(200).to_csv(tmp_path / "data.csv", index=False)
    settings = {"path": str(tmp_path / "data.csv"), "lookback": 12, "horizon": 6}
    settings |= {"time_column": "t", "target": "y"}
    with pytest.raises(UserError, match=message) as error:
        ForecastingDataModule(**settings | options).setup()
    assert len(str(error.value).splitlines()) <= 2


def test_fewer_rows_than_lookback_and_horizon(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"data\.csv: too few rows: the train part has 7 of the 10 .* needs 9"
    ):
        ready(tmp_path, hourly(10))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(y=np.nan), "target 'y' of series 'series' has no value"),
        (
            lambda f: f.assign(y=f["y"].astype(object).where(f.index != 9, "?")),
            "row 10, column 'y'",
        ),
        (lambda f: f.assign(y=f["y"].where(f.index != 9, np.inf)), "row 10, column 'y': found inf"),
        (lambda f: f.iloc[::-1], "row 2 .* time runs backwards"),
        (lambda f: pd.concat([f, f.iloc[-1:]]), "row 201 .* repeats the time of row 200"),
        (lambda f: f.assign(t=f["t"].dt.date.astype(str)), "row 2 .* repeats the time of row 1"),
        (lambda f: f.iloc[:0], "found a header but no rows"),
        (lambda f: f.assign(y=f["y"].where(f.index < 5)), "none of the 123 train windows has"),
    ],
    ids="nan text inf backwards repeats dates empty early".split(),
)
def test_unusable_tables(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        ready(tmp_path, change(hourly(200)))
    assert "data.csv" in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_a_constant_series_is_usable(tmp_path: Path) -> None:
    data = ready(tmp_path, hourly(200).assign(y=3.3))
    for part in ("train", "test"):
        batch = whole(data, part)
        torch.testing.assert_close(batch.truth_BPC, torch.zeros_like(batch.truth_BPC))
        assert (batch.std_BC == 1).all()


def test_informer_needs_regular_hours() -> None:
    with pytest.raises(UserError, match="found no time column"):
        split_series(TimeGrid(["a"], np.array([0, 9]), np.arange(9)), "informer", 1, np.array([9]))
    with pytest.raises(UserError, match="dates need a time column"):
        split_series(TimeGrid(["a"], np.array([0, 9]), np.arange(9)), ["1", "2"], 1, np.array([9]))


# Real data


@pytest.mark.parametrize(("horizon", "val", "test"), [(96, 2785, 2785), (720, 2161, 2161)])
def test_etth1_has_the_published_windows(
    shared_data: Path, horizon: int, val: int, test: int
) -> None:
    path = shared_data / "ett" / "ETTh1.csv"
    data = ForecastingDataModule(720, horizon, path=str(path), time_column="date", split="informer")
    data.setup()
    assert sizes(data) == [8640 - 720 - horizon + 1, val, test]
    values = pd.read_csv(path).drop(columns="date").to_numpy()[: 12 * 30 * 24]
    scale = data.schema()["target_scale"]["series"]
    np.testing.assert_allclose(scale["mean"], values.mean(0))
    np.testing.assert_allclose(scale["std"], values.std(0))


def test_m4_hourly(shared_data: Path) -> None:
    data = ForecastingDataModule(
        168, 48, source="m4", path=str(shared_data / "m4" / "Hourly-train.csv"),
        frequency="h", split="last",
    )  # fmt: skip
    data.setup()
    assert sizes(data)[1:] == [414, 414]
    assert data.schema()["season_length"] == 24
    first = pd.read_csv(shared_data / "m4" / "Hourly-train.csv", nrows=1).iloc[0, 1:].dropna()
    batch = data.windows["test"].batch([0])
    truth = batch.truth_BPC[0, :, 0] * batch.std_BC[0] + batch.mean_BC[0]
    np.testing.assert_allclose(truth, first.iloc[-48:].astype(float), rtol=1e-5)


def test_m4_weekly_pads_what_is_young_and_names_what_is_too_short(shared_data: Path) -> None:
    path = str(shared_data / "m4" / "Weekly-train.csv")
    data = ForecastingDataModule(104, 13, source="m4", path=path, frequency="W", split="last")
    data.setup()
    assert sizes(data)[2] == 359
    assert "young series, padded with missing values: 65 (" in "\n".join(data.summary())
    whole = ForecastingDataModule(
        104, 13, source="m4", path=path, frequency="W", split="last", min_lookback=104
    )
    whole.setup()
    short = 359 - sizes(whole)[2]
    line = f"series shorter than 117 steps, in no window: {short} (W295, "
    assert any(each.startswith(line) for each in whole.summary())


def test_bike_demand(shared_data: Path) -> None:
    data = ForecastingDataModule(
        168,
        24,
        path=str(shared_data / "bike_sharing" / "hour.csv"),
        time_column=["dteday", "hr"],
        target="cnt",
        future_covariates=["temp", "hum", "windspeed", "weathersit"],
        categorical=["weathersit"],
    )
    data.setup()
    schema = data.schema()
    assert schema["calendar"] == ["hour", "halfday", "weekday", "yearday"]
    assert schema["missing_targets"]
    assert len(schema["categories"]["weathersit"]) == 4
    assert schema["future_size"] == 3 + 4 + 2 * 4
    assert schema["slow_size"] == 0
    assert data.series is not None
    assert data.series.grid.num_missing_steps == 165


def test_metro_traffic(shared_data: Path) -> None:
    data = ForecastingDataModule(
        168,
        24,
        path=str(shared_data / "metro_traffic" / "Metro_Interstate_Traffic_Volume.csv.gz"),
        time_column="date_time",
        target="traffic_volume",
        past_covariates=["temp", "weather_main"],
        future_covariates=["holiday"],
        on_duplicates="first",
    )
    data.setup()
    assert data.schema()["categories"]["holiday"][0] == "None"
    assert data.dropped["train"] > 0
    assert torch.isfinite(whole(data, "val").past_BTF).all()
