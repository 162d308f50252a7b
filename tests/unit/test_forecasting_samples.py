import gzip
import hashlib
import io
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from gru_suite.tasks.forecasting.samples.weather import load_weather

PACKED = resources.files("gru_suite.tasks.forecasting") / "samples" / "weather.csv.gz"


@pytest.fixture(scope="module")
def weather() -> pd.DataFrame:
    return load_weather()


def test_the_file_is_the_one_the_note_describes() -> None:
    packed = PACKED.read_bytes()
    assert len(packed) < 500_000
    assert packed[4:8] == bytes(4)
    note = (
        resources.files("gru_suite.tasks.forecasting") / "samples" / "PROVENANCE.md"
    ).read_text()
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() in note


def test_columns_and_types(weather: pd.DataFrame) -> None:
    numbers = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
    numbers += ["wind_north", "wind_east"]
    assert list(weather.columns) == ["origin", "time", *numbers]
    assert weather["time"].dtype == np.dtype("datetime64[ns]")
    assert (weather[numbers].dtypes == np.float64).all()


def test_counts_that_the_note_states(weather: pd.DataFrame) -> None:
    assert len(weather) == 26_115
    assert weather.groupby("origin").size().to_dict() == {"EWR": 8_703, "JFK": 8_706, "LGA": 8_706}
    for _, station in weather.groupby("origin"):
        assert station["time"].is_monotonic_increasing
        assert not station["time"].duplicated().any()
        assert station["time"].iloc[0] == pd.Timestamp("2013-01-01 06:00")
        assert station["time"].iloc[-1] == pd.Timestamp("2013-12-30 23:00")
    missing = weather.isna().sum()
    assert missing[["wind_dir", "pressure", "precip", "visib"]].to_list() == [460, 2_729, 0, 0]
    # One and four in the file, and the two readings that cannot be right.
    assert missing[["temp", "dewp", "humid", "wind_speed"]].to_list() == [2, 2, 2, 5]


def test_impossible_readings_are_missing_and_nothing_else(weather: pd.DataFrame) -> None:
    assert weather["wind_speed"].max() < 43
    published = pd.read_csv(io.BytesIO(gzip.decompress(PACKED.read_bytes())))
    changed = published["wind_speed"].notna() & weather["wind_speed"].isna()
    assert published.loc[changed, "wind_speed"].to_list() == [1048.36058]
    changed = published["temp"].notna() & weather["temp"].isna()
    assert published.loc[changed, ["origin", "temp"]].to_numpy().tolist() == [["JFK", 13.1]]


def test_values_lie_in_their_ranges(weather: pd.DataFrame) -> None:
    ranges = {
        "temp": (10, 101),
        "dewp": (-10, 79),
        "humid": (12, 100),
        "wind_dir": (0, 360),
        "wind_speed": (0, 43),
        "precip": (0, 1.3),
        "pressure": (983, 1043),
        "visib": (0, 10),
    }
    for column, (low, high) in ranges.items():
        assert weather[column].dropna().between(low, high).all(), column


def test_wind_is_split_into_where_it_comes_from(weather: pd.DataFrame) -> None:
    north, east = weather["wind_north"], weather["wind_east"]
    unknown = weather["wind_dir"].isna() | weather["wind_speed"].isna()
    assert (north.isna() == unknown).all()
    assert (east.isna() == unknown).all()
    speed = weather["wind_speed"].where(~unknown)
    pd.testing.assert_series_equal(np.hypot(north, east), speed, check_names=False)
    for degrees, expected in {90: (0, 1), 180: (-1, 0), 270: (0, -1), 360: (1, 0)}.items():
        row = weather[(weather["wind_dir"] == degrees) & (weather["wind_speed"] > 0)].iloc[0]
        share = (row["wind_north"] / row["wind_speed"], row["wind_east"] / row["wind_speed"])
        assert share == pytest.approx(expected, abs=1e-9)


def test_the_note_names_every_column(weather: pd.DataFrame) -> None:
    note = PACKED.with_name("PROVENANCE.md").read_text()  # type: ignore[attr-defined]
    assert [name for name in weather.columns if f"`{name}`" not in note] == []


def test_hours_are_utc(weather: pd.DataFrame) -> None:
    # New York is warmest in the afternoon, five or four hours behind UTC.
    by_hour = weather.groupby(weather["time"].dt.hour)["temp"].mean()
    assert by_hour.idxmax() in (18, 19, 20)
    assert by_hour.idxmin() in (9, 10, 11)


def test_every_call_gives_a_table_of_its_own(weather: pd.DataFrame) -> None:
    changed = load_weather()
    changed["temp"] = 0.0
    pd.testing.assert_frame_equal(load_weather(), weather)
