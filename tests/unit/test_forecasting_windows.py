"""Windows: the gather, the borders between parts, and the windows a forecast starts from."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.batches.inference_windows import inference_windows
from gru_suite.tasks.forecasting.batches.series import SeriesSet
from gru_suite.tasks.forecasting.batches.windows import WindowSet, make_windows
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.reading.time_grid import TimeGrid


def make_series(lengths: list[int], missing: float = 0.0, seed: int = 0) -> SeriesSet:
    rng = np.random.default_rng(seed)
    steps, count = sum(lengths), len(lengths)
    target = rng.normal(size=(steps, 2))
    target[rng.random((steps, 2)) < missing] = np.nan
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    features = rng.normal(size=(steps, 3)).astype(np.float32)
    mean, std, naive = rng.random((3, count, 2)) + 0.5
    return SeriesSet(
        grid=TimeGrid([f"s{i}" for i in range(count)], offsets, np.arange(steps)),
        target=target,
        scaled=target.astype(np.float32),
        past=features,
        future=features[:, :1],
        static=rng.normal(size=(count, 1)).astype(np.float32),
        mean=mean,
        std=std,
        naive=naive,
        number_S=np.arange(count),
    )


@given(
    lengths=st.lists(st.integers(1, 25), min_size=1, max_size=5),
    lookback=st.integers(1, 6),
    horizon=st.integers(1, 5),
    stride=st.integers(1, 4),
    missing=st.sampled_from([0.0, 0.5, 0.9]),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_gather_equals_naive_slicing_within_the_part(
    lengths: list[int],
    lookback: int,
    horizon: int,
    stride: int,
    missing: float,
    cuts: tuple[float, float],
) -> None:
    series_set = make_series(lengths, missing)
    starts = np.array([int(min(cuts) * n) for n in lengths])
    ends = np.array([int(max(cuts) * n) for n in lengths])
    windows, dropped = make_windows(series_set, starts, ends, lookback, horizon, stride)
    expected = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        target = series_set[index].target
        for origin in range(max(start, lookback), end - horizon + 1, stride):
            past, future = target[origin - lookback : origin], target[origin : origin + horizon]
            seen = (~np.isnan(past)).any() and (~np.isnan(future)).any()
            expected.append((index, origin) if seen else None)
    kept = [pair for pair in expected if pair is not None]
    assert len(windows) == len(kept)
    assert dropped == len(expected) - len(kept)
    batch = windows.batch(torch.arange(len(windows)))
    for row, (index, origin) in enumerate(kept):
        series = series_set[index]
        assert starts[index] <= origin
        assert origin + horizon <= ends[index]
        assert (int(batch.series_B[row]), int(batch.origin_B[row])) == (index, origin)
        past, future = slice(origin - lookback, origin), slice(origin, origin + horizon)
        scaled = series_set.scaled[series_set.offsets[index] : series_set.offsets[index + 1]]
        np.testing.assert_array_equal(batch.target_BTC[row], scaled[past])
        np.testing.assert_array_equal(batch.truth_BPC[row], scaled[future])
        np.testing.assert_array_equal(batch.past_BTF[row], series.past[past])
        np.testing.assert_array_equal(batch.future_BPF[row], series.future[future])
        np.testing.assert_array_equal(batch.static_BS[row], series.static)
        np.testing.assert_allclose(batch.std_BC[row], series_set.std[index], rtol=1e-6)


def test_ways_to_index() -> None:
    series_set = make_series([12])
    windows, _ = make_windows(series_set, np.array([0]), np.array([12]), 3, 2)
    assert len(windows) == 8
    listed = windows.__getitems__([5, 0, 5])
    for other in (windows.batch(np.array([5, 0, 5])), windows.batch(torch.tensor([5, 0, 5]))):
        for a, b in zip(listed, other, strict=True):
            torch.testing.assert_close(a, b)
    torch.testing.assert_close(windows[-1].origin_B, torch.tensor([10]))
    with pytest.raises(IndexError):
        windows[8]
    assert [str(part.dtype) for part in listed] == ["torch.float32"] * 8 + ["torch.int64"] * 2


def test_a_panel_shorter_than_a_window_has_none() -> None:
    windows, dropped = make_windows(make_series([3]), np.array([0]), np.array([3]), 5, 2)
    assert (len(windows), dropped) == (0, 0)
    assert windows.batch([]).target_BTC.shape == (0, 5, 2)


def test_thousands_of_windows_take_milliseconds() -> None:
    windows, _ = make_windows(make_series([17_000]), np.array([0]), np.array([17_000]), 168, 24)
    index = torch.randperm(len(windows))[:2_000]
    windows.batch(index)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        windows.batch(index)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05  # a loop over windows takes 0.2 s here; the gather 0.003


# Inference


def hourly(count: int, **columns: Any) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=count, freq="h")
    return pd.DataFrame({"t": times, "y": np.sin(np.arange(count) / 4), **columns})


def schema_of(folder: Path, frame: pd.DataFrame, **options: Any) -> dict[str, Any]:
    frame.to_csv(folder / "train.csv", index=False)
    settings: dict[str, Any] = {"lookback": 12, "horizon": 6, "time_column": "t", "target": "y"}
    data = ForecastingDataModule(path=str(folder / "train.csv"), **settings | options)
    data.setup()
    return data.schema()


def test_inference_window_equals_the_data_modules(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = hourly(300, x=rng.normal(size=300), sky=rng.choice(["sun", "None"], 300))
    frame.to_csv(tmp_path / "train.csv", index=False)
    data = ForecastingDataModule(
        12,
        6,
        path=str(tmp_path / "train.csv"),
        time_column="t",
        target="y",
        past_covariates=["x"],
        future_covariates=["sky"],
    )
    data.setup()
    last = data.windows["test"].batch([len(data.windows["test"]) - 1])
    known = frame.copy()
    known.loc[294:, ["y", "x"]] = np.nan
    batch, windows, *_ = inference_windows(known, data.schema())
    for name in ("target_BTC", "past_BTF", "future_BPF", "mean_BC", "std_BC", "origin_B"):
        torch.testing.assert_close(getattr(batch, name), getattr(last, name), msg=name)
    assert torch.isnan(batch.truth_BPC).all()
    (window,) = windows
    assert window.series == "series"
    np.testing.assert_array_equal(window.past_time, frame["t"][282:294].to_numpy("M8[ns]"))
    np.testing.assert_array_equal(window.future_time, frame["t"][294:].to_numpy("M8[ns]"))
    known.to_csv(tmp_path / "input.csv", index=False)
    from_file, _, *_ = inference_windows(tmp_path / "input.csv", data.schema())
    torch.testing.assert_close(from_file.target_BTC, batch.target_BTC)


def test_calendar_of_the_horizon_needs_no_rows(tmp_path: Path) -> None:
    frame = hourly(300)
    schema = schema_of(tmp_path, frame)
    assert schema["calendar"] == ["hour", "halfday", "weekday"]
    batch, windows, *_ = inference_windows(frame, schema)
    expected = pd.date_range(frame["t"].iloc[-1] + pd.Timedelta("1h"), periods=6, freq="h")
    np.testing.assert_array_equal(windows[0].future_time, expected.to_numpy("M8[ns]"))
    angle = 2 * np.pi * expected.hour.to_numpy() / 24
    np.testing.assert_allclose(batch.future_BPF[0, :, 0], np.sin(angle), atol=1e-6)


def test_gaps_in_the_input_are_missing(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, hourly(300))
    batch, _, *_ = inference_windows(hourly(50).drop(index=[45, 46]), schema)
    missing = torch.isnan(batch.target_BTC[0, :, 0]).nonzero().ravel()
    assert missing.tolist() == [7, 8]


def test_each_series_starts_after_its_own_last_value(tmp_path: Path) -> None:
    frame = pd.concat([hourly(200).assign(id="a"), hourly(200).assign(id="b")])
    schema = schema_of(tmp_path, frame, id_column="id")
    known = pd.concat([hourly(40).assign(id="b"), hourly(30).assign(id="new")])
    known.iloc[35:40, known.columns.get_loc("y")] = np.nan
    batch, windows, *_ = inference_windows(known, schema)
    assert [window.series for window in windows] == ["b", "new"]
    assert batch.origin_B.tolist() == [35, 30]
    assert windows[0].future_time[0] == np.datetime64("2024-01-02T11")
    np.testing.assert_allclose(batch.mean_BC[1], hourly(30)["y"].mean(), rtol=1e-5)


def test_without_times_steps_are_numbered(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, hourly(300)[["y"]], time_column=None)
    _, windows, *_ = inference_windows(hourly(40)[["y"]], schema)
    assert windows[0].past_time.tolist() == list(range(28, 40))
    assert windows[0].future_time.tolist() == list(range(40, 46))


def test_m4_layout_at_inference(tmp_path: Path) -> None:
    values = np.arange(120.0).reshape(2, 60) % 7
    wide = pd.DataFrame(values, columns=[f"V{i + 2}" for i in range(60)])
    wide.insert(0, "V1", ["H1", "H2"])
    schema = schema_of(tmp_path, wide, source="m4", split="last", frequency="h", time_column=None)
    assert (schema["layout"], schema["season_length"]) == ("m4", 24)
    batch, windows, *_ = inference_windows(tmp_path / "train.csv", schema)
    assert [window.series for window in windows] == ["H1", "H2"]
    assert batch.target_BTC.shape == (2, 12, 1)


def test_too_few_rows(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, hourly(300))
    with pytest.raises(UserError, match=r"has 2 steps .* needs 3"):
        inference_windows(hourly(2), schema)
    short = hourly(20)
    short.loc[2:, "y"] = np.nan
    with pytest.raises(UserError, match=r"has 2 steps up to its last observed y, needs 3"):
        inference_windows(short, schema)
    young = inference_windows(hourly(5), schema)
    assert young.batch.target_BTC[0, :, 0].isnan().tolist() == [True] * 7 + [False] * 5
    assert len(young.names[0].past_time) == 12


def test_missing_columns_are_named(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, hourly(300, wind=1.5), past_covariates=["wind"])
    frame = hourly(40, wind=2.0)
    for column in ("y", "t", "wind"):
        with pytest.raises(UserError, match=f"needs column '{column}', which is not there"):
            inference_windows(frame.drop(columns=column), schema)
    with pytest.raises(UserError, match="did you mean 'winds'"):
        inference_windows(frame.rename(columns={"wind": "winds"}), schema)


def test_future_covariates_must_be_given(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, hourly(300, x=np.arange(300)), future_covariates=["x"])
    frame = hourly(40, x=np.arange(40.0))
    with pytest.raises(UserError, match=r"has 0 rows after .* needs 6 \(the horizon\)\nwith .* x "):
        inference_windows(frame, schema)
    frame.loc[34:, "y"] = np.nan
    batch, _, *_ = inference_windows(frame, schema)
    # x, and sine and cosine of hour, half a day and weekday.
    assert batch.future_BPF.shape == (1, 6, 7)
    frame.loc[37, "x"] = np.nan
    with pytest.raises(UserError, match="row 38, column 'x': a future covariate is missing"):
        inference_windows(frame, schema)


def test_input_of_another_frequency_is_refused(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, hourly(300))
    daily = hourly(40).assign(t=pd.date_range("2024-01-01", periods=40, freq="D"))
    with pytest.raises(UserError, match="rows lie at least 24 steps of frequency 'h' apart"):
        inference_windows(daily, schema)


def test_bad_values_at_inference(tmp_path: Path) -> None:
    schema = schema_of(tmp_path, hourly(300))
    for bad in ("x", np.inf):
        frame = hourly(40).astype({"y": object})
        frame.loc[20, "y"] = bad
        with pytest.raises(UserError, match=r"the given table: row 21, column 'y'"):
            inference_windows(frame, schema)
    with pytest.raises(UserError, match="no such file"):
        inference_windows(tmp_path / "none.csv", schema)


def test_window_set_takes_any_windows() -> None:
    windows = WindowSet(make_series([9, 9]), np.array([1, 0]), np.array([4, 5]), 2, 3)
    assert windows.batch([0, 1]).origin_B.tolist() == [4, 5]
