"""Streams of series: what is missing, what can be pushed, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.inference.adaptive_intervals import memory_steps
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.forecasting.task import ForecastingTask
from gru_suite.testing.contract import build, compose_config

LOOKBACK, HORIZON = 12, 4


def table(num_rows: int, start: str = "2024-01-01", **columns: Any) -> pd.DataFrame:
    time = pd.date_range(start, periods=num_rows, freq="h")
    load = 5 + np.sin(np.arange(num_rows) / 3)
    return pd.DataFrame({"time": time, "load": load, **columns})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ForecastingModel:
    path = tmp_path_factory.mktemp("tables") / "load.csv"
    table(150).to_csv(path, index=False)
    return make([f"data.path={path}", "data=csv", "data.target=load", "data.time_column=time"])


@pytest.fixture(scope="module")
def timeless() -> ForecastingModel:
    return make(["data=sine"])


def make(overrides: list[str]) -> ForecastingModel:
    torch.manual_seed(0)
    sizes = [f"data.lookback={LOOKBACK}", f"data.horizon={HORIZON}", "debug=tiny"]
    made, _ = build(compose_config(["task=forecasting", *overrides, *sizes]))
    assert isinstance(made, ForecastingTask)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return made.model.eval()


def test_what_is_missing_is_said(model: ForecastingModel) -> None:
    stream = model.stream(2)
    assert stream.missing_steps == [3, 3]
    found = stream.push([table(2), table(12)])
    assert stream.missing_steps == [1, 0]
    assert stream.waiting == ["has 2 steps, needs 3: 1 more", ""]
    assert np.isnan(found.values_BPCQ[0]).all()
    np.testing.assert_array_equal(found.values_BPCQ[1], model.predict(table(12)).values_BPCQ[0])
    assert len(found.to_frame()) == 2 * HORIZON
    young = stream.push([table(7).iloc[2:], None])
    np.testing.assert_allclose(
        young.values_BPCQ[0], model.predict(table(7)).values_BPCQ[0], rtol=1e-6
    )
    stream.leave(0)
    assert stream.missing_steps == [0]


def test_arrays_go_on_at_the_frequency(model: ForecastingModel) -> None:
    whole = table(30)
    stream = model.stream()
    stream.push(whole.iloc[:20])
    stream.push(whole["load"].to_numpy()[20:24])
    found = stream.push(torch.from_numpy(whole[["load"]].to_numpy(copy=True)[24:]))
    expected = model.predict(whole)
    np.testing.assert_array_equal(found.values_BPCQ, expected.values_BPCQ)
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame())


def test_rows_without_times_are_counted(timeless: ForecastingModel) -> None:
    values = np.sin(np.arange(40) / 5)
    stream = timeless.stream()
    for start in range(0, 40, 3):
        found = stream.push(values[start : start + 3])
    expected = timeless.predict(pd.DataFrame({"value": values}))
    np.testing.assert_allclose(found.values_BPCQ, expected.values_BPCQ, atol=1e-6)
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame(), check_exact=False)
    kept = LOOKBACK + memory_steps(HORIZON)
    assert len(stream.state_dict()["rows"][0]["rows"]["target"]) <= kept


def test_a_saved_stream_goes_on(model: ForecastingModel, tmp_path: Path) -> None:
    stream, later = model.stream(), table(3, "2024-01-01 20:00")
    stream.push(table(20))
    torch.save(stream.state_dict(), tmp_path / "stream.pt")
    again = model.stream()
    again.load_state_dict(torch.load(tmp_path / "stream.pt", weights_only=True))
    ours, theirs = stream.push(later), again.push(later)
    np.testing.assert_array_equal(ours.values_BPCQ, theirs.values_BPCQ)
    np.testing.assert_array_equal(ours.windows[0].future_time, theirs.windows[0].future_time)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (table(1, "2024-01-01 19:00"), "pushed after one of 2024-01-01 19:00:00"),
        (table(1, "2024-01-01 20:30"), "not on the steps of frequency 'h'"),
        (table(1, "2024-01-02", load="much"), "found 'much', expected a number"),
        (table(1, "2024-01-02", load=np.inf), "found inf, expected a finite number"),
        (table(1, "2024-01-02").rename(columns={"load": "lod"}), "needs column 'load'"),
        (np.zeros((2, 3)), r"numbers of shape \(steps, 1\)"),
        (np.full((2, 1), np.inf), "holds infinity"),
        ("load.csv", "needs a DataFrame"),
        (np.zeros((2, 1), complex), "complex128"),
    ],
)
def test_bad_rows_leave_the_stream_as_it_was(
    model: ForecastingModel, chunk: Any, message: str
) -> None:
    stream, untouched = model.stream(), model.stream()
    for each in (stream, untouched):
        each.push(table(20))
    with pytest.raises(UserError, match=message):
        stream.push(chunk)
    later = table(2, "2024-01-01 20:00")
    ours, theirs = stream.push(later), untouched.push(later)
    np.testing.assert_array_equal(ours.values_BPCQ, theirs.values_BPCQ)


def test_the_first_rows_must_say_when_they_are(model: ForecastingModel) -> None:
    with pytest.raises(UserError, match="the first rows of a stream must be a DataFrame"):
        model.stream().push(np.zeros((3, 1)))


def test_long_gaps_and_missing_ends_do_not_fill_the_memory(model: ForecastingModel) -> None:
    stream, whole = model.stream(), table(100)
    whole.loc[20:80, "load"] = np.nan
    for start in range(0, 100, 10):
        found = stream.push(whole.iloc[start : start + 10])
        kept = 2 * (LOOKBACK + memory_steps(HORIZON)) + HORIZON
        assert len(stream.state_dict()["rows"][0]["rows"]["target"]) <= kept
    np.testing.assert_allclose(found.values_BPCQ, model.predict(whole).values_BPCQ, rtol=1e-6)


def test_rows_known_ahead_need_times() -> None:
    other = make(["data=sine"])
    other.schema = {**other.schema, "future_covariates": ["plan"]}
    with pytest.raises(UserError, match=r"without data\.time_column cannot follow a stream"):
        other.stream()
