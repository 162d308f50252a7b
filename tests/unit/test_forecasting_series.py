"""What a schema learns from the training part, and how series are encoded by it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.batches.scaling import target_statistics
from gru_suite.tasks.forecasting.batches.schema import fit_schema, resolve_columns
from gru_suite.tasks.forecasting.batches.series import encode_series
from gru_suite.tasks.forecasting.reading.tables import read_table
from gru_suite.tasks.forecasting.reading.time_grid import TimeGrid, align_table

OPTIONS: dict[str, Any] = {
    "time_column": None,
    "id_column": None,
    "target": None,
    "past_covariates": [],
    "future_covariates": [],
    "static_covariates": [],
    "categorical": [],
}


def fit(
    frame: pd.DataFrame, train_end: int, lookback: int = 2, horizon: int = 1, **options: Any
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table as it is used, and the schema of its first ``train_end`` steps."""
    settings = {name: options.pop(name) for name in list(options) if name not in OPTIONS}
    frame = read_table(frame)
    columns = resolve_columns(frame, OPTIONS | options)
    frame, grid = align_table(frame, columns["time_column"], columns["id_column"])
    ends_S = np.full(len(grid.names), train_end)
    reading = {"layout": "table", "on_duplicates": "error", "sort": False}
    return frame, fit_schema(frame, grid, columns, ends_S, lookback, horizon, **settings) | reading


def test_schema_is_plain_data_that_torch_loads_safely(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "t": pd.date_range("2024-01-01", periods=60, freq="h").repeat(2),
            "id": ["a", "b"] * 60,
            "y": np.arange(120.0),
            "sky": ["sun", "rain", "None"] * 40,
            "size": [1, 2] * 60,
        }
    )
    _, schema = fit(
        frame,
        40,
        time_column="t",
        id_column="id",
        target="y",
        future_covariates="sky",
        static_covariates="size",
    )
    assert json.loads(json.dumps(schema)) == schema
    torch.save(schema, tmp_path / "schema.pt")
    assert torch.load(tmp_path / "schema.pt", weights_only=True) == schema
    assert schema["targets"] == ["y"]
    assert schema["frequency"] == "h"
    assert schema["season_length"] == 24
    assert schema["categories"] == {"sky": ["rain", "sun", "None"]}  # 27, 27 and 26 times
    assert schema["calendar"] == ["hour", "halfday"]
    assert (schema["past_size"], schema["future_size"], schema["static_size"]) == (7, 7, 1)
    assert schema["slow_size"] == 0
    assert set(schema["target_scale"]) == {"a", "b"}


def test_cycles_longer_than_the_training_part_are_the_last_features_and_counted() -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=400, freq="h"), "y": range(400)})
    calendar = ["yearday", "hour", "weekday"]
    options: dict[str, Any] = {"time_column": "t", "calendar": calendar}
    frame, schema = fit(frame, 200, **options)
    assert schema["calendar"] == ["hour", "weekday", "yearday"]
    # 199 hours are more than a week and less than a year.
    assert (schema["future_size"], schema["slow_size"]) == (6, 2)
    future = encode_series(frame, schema).future
    days = np.arange(400) // 24 / 366
    np.testing.assert_allclose(future[:, -2], np.sin(2 * np.pi * days), atol=1e-6)
    assert fit(frame, 100, **options)[1]["slow_size"] == 4
    assert fit(frame, 200, time_column="t")[1]["slow_size"] == 0
    assert fit(frame[["y"]], 200)[1]["slow_size"] == 0


def test_scales_come_from_the_training_part_only() -> None:
    frame = pd.DataFrame({"y": [1.0, 3.0, 5.0, 100.0], "x": [0.0, 2.0, 4.0, -9.0]})
    _, schema = fit(frame, 3, target="y", past_covariates="x")
    scale = schema["target_scale"]["series"]
    assert scale["mean"] == [3.0]
    assert scale["std"] == pytest.approx([np.std([1, 3, 5])])
    assert scale["naive"] == [2.0]
    assert schema["covariate_scale"]["x"] == pytest.approx([2.0, np.std([0, 2, 4])])


def test_missing_values_are_masked_and_flagged() -> None:
    frame = pd.DataFrame(
        {"y": [1.0, np.nan, 3.0, 4.0], "x": [1.0, np.nan, 3.0, np.nan], "z": [0.0, 1, 2, np.nan]}
    )
    frame, schema = fit(frame, 3, target="y", past_covariates=["x", "z"])
    assert schema["missing_flags"] == ["x"]
    assert schema["missing_targets"]
    series_set = encode_series(frame, schema)
    np.testing.assert_array_equal(series_set.scaled[:, 0], np.float32([-1, np.nan, 1, 2]))
    np.testing.assert_allclose(series_set.past[:, 0], [-1, 0, 1, 0])
    np.testing.assert_array_equal(series_set.past[:, 1], [0, 1, 0, 1])
    assert series_set.past[3, 2] == 0  # missing where training had none: the mean, and no indicator


def test_categories_unknown_and_missing_are_all_zero() -> None:
    frame = pd.DataFrame({"y": range(6), "sky": ["sun", "sun", "rain", "fog", None, "sun"]})
    frame, schema = fit(frame, 3, target="y", future_covariates="sky")
    assert schema["categories"]["sky"] == ["sun", "rain"]
    expected = [[1, 0], [1, 0], [0, 1], [0, 0], [0, 0], [1, 0]]
    np.testing.assert_array_equal(encode_series(frame, schema).future, expected)


def test_numbers_can_be_categories_and_only_the_frequent_ones_count() -> None:
    codes = [code for code in range(70) for _ in range(2 if code > 5 else 1)]
    frame = pd.DataFrame({"y": np.arange(len(codes)), "code": codes})
    options: dict[str, Any] = {"target": "y", "past_covariates": "code", "categorical": "code"}
    _, schema = fit(frame, len(codes), **options)
    assert len(schema["categories"]["code"]) == 64 == schema["past_size"]
    assert not {"0", "1", "2", "3", "4", "5"} & set(schema["categories"]["code"])


def test_constant_series_and_covariates_do_not_divide_by_zero() -> None:
    frame = pd.DataFrame({"y": [0.1] * 9, "x": [7] * 9})
    frame, schema = fit(frame, 6, target="y", past_covariates="x")
    assert schema["target_scale"]["series"]["std"] == [1.0]
    assert schema["target_scale"]["series"]["naive"] == [1.0]
    series_set = encode_series(frame, schema)
    np.testing.assert_allclose(series_set.scaled, 0, atol=1e-7)
    np.testing.assert_array_equal(series_set.past, 0)


def test_naive_error_falls_back_to_neighbours() -> None:
    grid = TimeGrid(["a", "b"], np.array([0, 6, 9]), np.arange(9))
    target = np.array([[0.0], [1], [0], [1], [0], [1], [5], [6], [8]])
    _, _, naive = target_statistics(target, grid, np.array([6, 3]), 2, 1)
    assert naive.ravel().tolist() == [1.0, 3.0]  # a repeats every 2 steps
    _, _, naive = target_statistics(target, grid, np.array([6, 3]), 4, 1)
    assert naive.ravel().tolist() == [1.0, 1.5]  # b is shorter than a season


def test_statistics_equal_those_of_each_series_alone() -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([30, 7, 51])
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    target = rng.normal(size=(88, 2)) * 1e-3 + 1e6
    target[rng.random((88, 2)) < 0.2] = np.nan
    ends = np.array([20, 7, 33])
    found = target_statistics(target, TimeGrid(list("abc"), offsets, np.arange(88)), ends, 3, 5)
    for i in range(3):
        part = target[offsets[i] : offsets[i] + ends[i]]
        np.testing.assert_allclose(found[0][i], np.nanmean(part, 0))
        np.testing.assert_allclose(found[1][i], np.nanstd(part, 0), rtol=1e-5)
        np.testing.assert_allclose(found[2][i], np.nanmean(np.abs(part[3:] - part[:-3]), 0))


def test_a_series_without_training_part_is_scaled_by_its_first_lookback() -> None:
    grid = TimeGrid(["late"], np.array([0, 5]), np.arange(5))
    mean, std, _ = target_statistics(
        np.array([[np.nan], [2], [4], [90], [99]]), grid, np.array([0]), 1, 2
    )
    assert (mean.item(), std.item()) == (3.0, 1.0)


def test_large_values_keep_their_precision() -> None:
    frame = pd.DataFrame({"y": 1e9 + np.arange(8.0)})
    frame, schema = fit(frame, 8)
    steps = np.diff(encode_series(frame, schema).scaled[:, 0])
    np.testing.assert_allclose(steps, 1 / np.std(np.arange(8)), rtol=1e-5)


def test_unknown_series_are_scaled_by_themselves_and_known_ones_by_the_schema() -> None:
    frame, schema = fit(pd.DataFrame({"id": ["a"] * 4, "y": [1.0, 3, 5, 7]}), 4, id_column="id")
    other = read_table(pd.DataFrame({"id": ["a"] * 2 + ["new"] * 2, "y": [9.0, 9, 100, 300]}))
    series_set = encode_series(other, schema)
    assert series_set.mean.ravel().tolist() == [4.0, 200.0]
    assert series_set.std[1].tolist() == [100.0]
    known = encode_series(frame, schema)
    np.testing.assert_array_equal(series_set.mean[0], known.mean[0])


def test_series_views() -> None:
    times = pd.date_range("2024-01-01", periods=4, freq="h")
    frame, schema = fit(
        pd.DataFrame({"t": times, "y": [1.0, 2, 3, 4]}), 4, time_column="t", calendar=["hour"]
    )
    series = encode_series(frame, schema)[0]
    assert series.name == "series"
    assert series.time is not None
    assert series.time[3] == times[3].to_datetime64()
    assert series.target.shape == (4, 1)
    assert series.past.shape == series.future.shape == (4, 2)
    assert series.static.shape == (0,)


def test_targets_default_to_all_other_columns() -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024", periods=4), "a": 1, "b": 2, "x": 3})
    _, schema = fit(frame, 3, time_column="t", past_covariates="x")
    assert schema["targets"] == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "tmep"}, r"data\.target needs column 'tmep'.*did you mean 'temp'"),
        ({"target": "temp", "past_covariates": "humd"}, r"data\.past_covariates.*mean 'humid'"),
        ({"target": "temp", "id_column": "city"}, r"data\.id_column needs column 'city'"),
        ({"target": "temp", "time_column": "date"}, r"data\.time_column needs column 'date'"),
        ({"target": "temp", "past_covariates": "temp"}, "'temp' has two roles"),
        ({"target": ["temp", "temp"]}, "names 'temp' twice"),
        ({"target": "temp", "categorical": "humid"}, "'humid' is no covariate"),
        ({"past_covariates": ["temp", "humid", "text"]}, "no column is left as target"),
        ({"target": "text"}, "row 1, column 'text': found 'x', expected a number"),
        ({"time_column": ["a", "b", "c"]}, "give one column each"),
    ],
)
def test_wrong_columns(options: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame({"temp": range(5), "humid": range(5), "text": list("xyzuv")})
    with pytest.raises(UserError, match=message):
        fit(frame, 3, **options)


def test_targets_without_any_value_or_of_booleans() -> None:
    frame = pd.DataFrame({"id": list("aabb"), "y": [1, 2, np.nan, np.nan], "b": True})
    with pytest.raises(UserError, match=r"target 'y' of series 'b' has no value in any of 2 steps"):
        fit(frame, 2, id_column="id", target="y")
    with pytest.raises(UserError, match="target 'b' holds true and false"):
        fit(frame, 2, id_column="id", target="b")


def test_static_covariates_do_not_change() -> None:
    frame = pd.DataFrame({"id": list("aabb"), "y": range(4), "place": list("xxyz")})
    with pytest.raises(UserError, match=r"row 4, column 'place': found 'z'.*began with 'y'"):
        fit(frame, 2, id_column="id", target="y", static_covariates="place")
    frame["place"] = list("xxyy")
    frame, schema = fit(frame, 2, id_column="id", target="y", static_covariates="place")
    np.testing.assert_array_equal(encode_series(frame, schema).static, [[1, 0], [0, 1]])


def test_a_table_without_the_schemas_columns_names_the_nearest() -> None:
    frame, schema = fit(
        pd.DataFrame({"y": range(5), "x": range(5)}), 3, target="y", future_covariates="x"
    )
    with pytest.raises(UserError, match="the model's target needs column 'y'"):
        encode_series(frame.drop(columns="y"), schema)
    with pytest.raises(UserError, match="the model's future covariates needs column 'x'"):
        encode_series(frame.drop(columns="x"), schema)
