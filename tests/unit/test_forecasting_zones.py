"""Time zones: found, kept from input to output, and the days on which clocks change."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import gru_suite
from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.forecasting.reading.tables import read_table
from gru_suite.tasks.forecasting.reading.time_grid import align_table
from gru_suite.tasks.forecasting.results.window_plots import window_times

BERLIN = "Europe/Berlin"


def aware(start: str, end: str, freq: str = "h", zone: str = BERLIN) -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq=freq, tz=zone)


def table(times: pd.DatetimeIndex) -> pd.DataFrame:
    """A table whose value follows the local clock."""
    return pd.DataFrame({"time": times, "y": np.sin(times.hour / 24 * 2 * np.pi) + times.day / 50})


def as_text(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    times = pd.DatetimeIndex(frame["time"])
    texts = {
        "offset": times.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "clock": times.strftime("%Y-%m-%d %H:%M"),
        "utc": times.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
        "zone": times,
    }
    return frame.assign(time=texts[kind])


def module(frame: pd.DataFrame, path: Path, **options: object) -> ForecastingDataModule:
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    data = ForecastingDataModule(
        48,
        24,
        path=str(path),
        time_column="time",
        target="y",
        **options,  # type: ignore[arg-type]
    )
    data.setup()
    return data


@pytest.mark.parametrize("freq", ["h", "30min", "15min"])
@pytest.mark.parametrize("kind", ["offset", "clock", "zone"])
def test_days_on_which_clocks_change_have_their_hours(freq: str, kind: str) -> None:
    for start, end in (("2024-03-29", "2024-04-02"), ("2024-10-25", "2024-10-29")):
        frame = table(aware(start, end, freq))
        timezone = BERLIN if kind == "clock" else None
        _, grid = align_table(read_table(as_text(frame, kind)), "time", None, timezone=timezone)
        assert grid.num_gaps == 0
        assert len(grid.rows) == len(frame)
        assert grid.zone is not None
        pd.testing.assert_index_equal(
            grid.zone.aware(grid.time).as_unit("ns"),
            pd.DatetimeIndex(frame["time"]).as_unit("ns"),
            check_names=False,
        )


def test_an_hour_that_is_shown_twice_is_told_apart_by_series() -> None:
    times = aware("2024-10-26", "2024-10-28")
    both = pd.concat([table(times).assign(id="a"), table(times[5:]).assign(id="b")])
    clock = as_text(both, "clock")
    _, grid = align_table(read_table(clock), "time", "id", timezone=BERLIN)
    assert grid.lengths.tolist() == [len(times), len(times) - 5]
    assert grid.num_gaps == 0


def test_clock_times_without_the_zone_name_the_option() -> None:
    clock = as_text(table(aware("2024-10-26", "2024-10-28")), "clock")
    with pytest.raises(UserError, match=r"repeats the time of row 27(.|\n)*data\.timezone,"):
        align_table(read_table(clock), "time", None)


def test_a_time_that_clocks_skip_is_named() -> None:
    clock = as_text(table(aware("2024-03-30", "2024-04-01")), "clock")
    clock.loc[26, "time"] = "2024-03-31 02:30"
    with pytest.raises(UserError, match=r"2024-03-31 02:30.*clocks in Europe/Berlin have"):
        align_table(read_table(clock), "time", None, timezone=BERLIN)


@pytest.mark.parametrize("name", ["Europe/Berlln", "3"])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(UserError, match=rf"data\.timezone={name}: no such time zone"):
        ForecastingDataModule(48, 24, timezone=name)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2024-01-01T00:00+01:00", "2024-01-01T01:00-05:00"], "no one zone has"),
        (["2024-01-01T00:00+01:00", "2024-01-01T01:00"], "some times state a zone"),
        (
            [pd.Timestamp("2024-01-01", tz=BERLIN), pd.Timestamp("2024-01-02", tz="Asia/Tokyo")],
            "the times are of 2 zones: Asia/Tokyo, Europe/Berlin",
        ),
    ],
)
def test_a_table_of_two_zones_is_refused(times: list[object], message: str) -> None:
    frame = pd.DataFrame({"time": pd.Series(times, dtype=object), "y": [1.0, 2.0]})
    with pytest.raises(UserError, match=message):
        align_table(read_table(frame), "time", None)


def test_days_are_counted_on_the_calendar(tmp_path: Path) -> None:
    frame = table(aware("2023-01-01", "2024-06-01", "D"))
    data = module(as_text(frame, "offset"), tmp_path / "a.csv")
    schema = data.schema()
    assert schema["frequency"] == "D"
    assert schema["zone"] == {"name": BERLIN, "calendar": True, "clock": False}
    assert data.series is not None
    assert data.series.grid.num_gaps == 0


def test_a_single_offset_is_a_zone_too(tmp_path: Path) -> None:
    frame = table(aware("2024-01-01", "2024-02-01"))
    data = module(as_text(frame, "offset"), tmp_path / "a.csv")
    assert data.schema()["zone"]["name"] == "+01:00"
    assert data.summary()[0].endswith("frequency h in +01:00, season 24")


# From input to output


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return table(aware("2024-09-15", "2024-11-05"))


def model_of(data: ForecastingDataModule) -> ForecastingModel:
    torch.manual_seed(0)
    return ForecastingModel(backbone={"hidden_size": 8}, schema=data.schema()).eval()


@pytest.mark.parametrize("kind", ["offset", "clock", "zone"])
def test_forecasts_are_told_in_the_zone_of_the_input(
    frame: pd.DataFrame, kind: str, tmp_path: Path
) -> None:
    timezone = BERLIN if kind == "clock" else None
    path = tmp_path / ("a.parquet" if kind == "zone" else "a.csv")
    data = module(as_text(frame, kind), path, timezone=timezone)
    assert data.schema()["zone"]["name"] == BERLIN
    assert data.schema()["calendar"][:2] == ["hour", "halfday"]
    model = model_of(data)
    found = model.predict(path)
    times = found.to_frame()["time"]
    assert str(times.dtype.tz) == BERLIN
    assert str(times[0]) == "2024-11-05 01:00:00+01:00"
    assert found.to_dict()["time"][0] == "2024-11-05T01:00:00+01:00"
    written = model.predict_file(path, tmp_path / "out.csv")[0].read_text().splitlines()
    assert written[1].startswith("2024-11-05 01:00:00+01:00,")
    panel = found.panel(0, 0)
    assert str(panel.forecast_time_P[0]) == "2024-11-05T01:00:00.000000000"
    assert window_times(data.windows["test"], 0).zone is not None
    # The same hours however they are written.
    expected = model_of(module(frame, tmp_path / "b.parquet")).predict(frame)
    np.testing.assert_allclose(found.values_BPCQ, expected.values_BPCQ, rtol=1e-6)
    stream = model.stream()
    whole = as_text(frame, kind)
    for start in range(0, len(whole), 400):
        pushed = stream.push(whole.iloc[start : start + 400])
    pd.testing.assert_frame_equal(pushed.to_frame(), found.to_frame(), rtol=1e-5)


def test_calendar_features_follow_the_clock(frame: pd.DataFrame, tmp_path: Path) -> None:
    data = module(as_text(frame, "offset"), tmp_path / "a.csv", calendar=["hour"])
    assert data.series is not None
    noon = pd.DatetimeIndex(frame["time"]).hour.to_numpy() == 12
    hour = data.series.future
    np.testing.assert_allclose(hour[noon, 1], -1, atol=1e-6)
    np.testing.assert_allclose(hour[noon, 0], 0, atol=1e-6)


def test_a_split_by_dates_is_by_the_clock(frame: pd.DataFrame, tmp_path: Path) -> None:
    data = module(as_text(frame, "offset"), tmp_path / "a.csv", split=["2024-10-20", "2024-10-28"])
    assert data.series is not None
    grid = data.series.grid
    assert grid.time is not None
    assert grid.zone is not None
    starts = grid.zone.aware(grid.time[[data.borders.train_ends_S[0], data.borders.val_ends_S[0]]])
    assert [str(each) for each in starts] == [
        "2024-10-20 00:00:00+02:00",
        "2024-10-28 00:00:00+01:00",
    ]


def test_another_kind_of_times_than_in_training_is_refused(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    aware_model = model_of(module(as_text(frame, "offset"), tmp_path / "a.csv"))
    with pytest.raises(UserError, match="the times state no zone, those of the training data did"):
        aware_model.predict(as_text(frame.iloc[:200], "clock"))
    clock = module(as_text(frame, "clock"), tmp_path / "b.csv", timezone=BERLIN)
    with pytest.raises(UserError, match="were clock times in Europe/Berlin: give them as those"):
        model_of(clock).predict(as_text(frame, "offset"))
    naive = module(as_text(frame.iloc[:900], "clock"), tmp_path / "c.csv")
    assert naive.schema()["zone"] is None
    with pytest.raises(UserError, match=r"state a zone \(Europe/Berlin\), those of the training"):
        model_of(naive).predict(frame)


def test_another_zone_than_in_training_is_kept(frame: pd.DataFrame, tmp_path: Path) -> None:
    model = model_of(module(as_text(frame, "offset"), tmp_path / "a.csv"))
    found = model.predict(as_text(frame, "utc"))
    assert str(found.to_frame()["time"][0]) == "2024-11-05 00:00:00+00:00"
    expected = model.predict(as_text(frame, "offset"))
    np.testing.assert_array_equal(found.values_BPCQ, expected.values_BPCQ)


def test_the_zone_goes_through_a_checkpoint(frame: pd.DataFrame, tmp_path: Path) -> None:
    from trainers import quiet_trainer

    from gru_suite.tasks.forecasting.task import ForecastingTask

    data = module(as_text(frame, "offset"), tmp_path / "a.csv")
    task = ForecastingTask(backbone={"hidden_size": 8}, schema=data.schema())
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=1)
    trainer.fit(task, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    found = gru_suite.load(tmp_path / "a.ckpt").predict(tmp_path / "a.csv")
    assert str(found.to_frame()["time"][0]) == "2024-11-05 01:00:00+01:00"


def test_the_usage_on_the_card_states_the_zone(frame: pd.DataFrame, tmp_path: Path) -> None:
    model = model_of(module(as_text(frame, "offset"), tmp_path / "a.csv"))
    lines = "\n".join(model.usage())
    assert 'freq="h", tz="Europe/Berlin")' in lines
    exec(lines, {"model": model})
