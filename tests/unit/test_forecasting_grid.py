"""Rows on regular steps: frequencies, gaps, duplicates, disorder; and the calendar of the steps."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.batches.calendar_features import (
    calendar_features,
    choose_calendar,
    num_slow_cycles,
)
from gru_suite.tasks.forecasting.reading.frequency import infer_season_length, parse_frequency
from gru_suite.tasks.forecasting.reading.tables import read_table
from gru_suite.tasks.forecasting.reading.time_grid import TimeGrid, align_table


def table(times: pd.DatetimeIndex | list[str], **columns: object) -> pd.DataFrame:
    return read_table(pd.DataFrame({"t": times, **columns}))


def hours(count: int, start: str = "2024-01-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="h")


def grid_of(frame: pd.DataFrame, **options: object) -> TimeGrid:
    return align_table(frame, "t", options.pop("id_column", None), **options)[1]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alias", "expected", "season"),
    [
        ("s", "s", 3600),
        ("min", "min", 1440),
        ("15min", "15min", 96),
        ("h", "h", 24),
        ("2h", "2h", 12),
        ("5h", "5h", 1),
        ("D", "D", 7),
        ("B", "B", 5),
        ("W-TUE", "W", 52),
        ("MS", "MS", 12),
        ("ME", "ME", 12),
        ("QS", "QS", 4),
        ("YS", "YS", 1),
        ("10D", "10D", 1),
    ],
)
def test_frequency_is_inferred_and_extrapolates_as_pandas_does(
    alias: str, expected: str, season: int
) -> None:
    times = pd.date_range("2023-01-02 00:00", periods=60, freq=alias)
    grid = grid_of(table(times[:40]))
    assert grid.frequency is not None
    assert grid.frequency.alias == expected
    assert grid.num_gaps == 0
    assert infer_season_length(grid.frequency) == season
    ahead = grid.cut(np.array([30]), 30)
    assert ahead.time is not None
    np.testing.assert_array_equal(ahead.time, times[30:].to_numpy("datetime64[ns]"))
    assert (ahead.rows[10:] == -1).all()


@pytest.mark.parametrize(("old", "new"), [("H", "h"), ("T", "min"), ("M", "ME"), ("A", "YE")])
def test_old_names_of_frequencies(old: str, new: str) -> None:
    assert parse_frequency(old) == parse_frequency(new)
    assert parse_frequency(f"3{old}").count == 3 * parse_frequency(new).count


@pytest.mark.parametrize("bad", ["hourly", "0h", "", "1.5h", "2B"])
def test_unknown_frequency(bad: str) -> None:
    with pytest.raises(UserError, match=r"data\.frequency=.* is unknown; "):
        parse_frequency(bad)


def test_month_ends_and_other_days_of_the_month() -> None:
    ends = grid_of(table(["2023-01-31", "2023-02-28", "2023-03-31"])).cut(np.array([0]), 5)
    assert ends.time is not None
    assert ends.time.astype("M8[D]")[-2:].astype(str).tolist() == ["2023-04-30", "2023-05-31"]
    days = grid_of(table(["2023-01-15", "2023-02-15", "2023-03-15"])).cut(np.array([0]), 4)
    assert days.time is not None
    assert str(days.time[-1].astype("M8[D]")) == "2023-04-15"


def test_gaps_become_steps_without_a_row_and_are_reported_once() -> None:
    frame = table(hours(20).delete([5, 6, 12]))
    grid = grid_of(frame)
    assert grid.lengths.tolist() == [20]
    assert np.flatnonzero(grid.rows == -1).tolist() == [5, 6, 12]
    assert (grid.num_gaps, grid.num_missing_steps) == (2, 3)
    assert grid.first_gap == "'series' after 2024-01-01 04:00:00"


def test_long_tables_with_mixed_rows_of_series_of_other_spans() -> None:
    a, b = hours(5), hours(3, "2024-02-01")
    times = a.append(b)
    order = [5, 0, 1, 6, 2, 3, 7, 4]
    names = np.array(["a"] * 5 + ["b"] * 3)
    grid = grid_of(table(times[order], id=names[order]), id_column="id")
    assert grid.names == ["b", "a"]
    assert grid.lengths.tolist() == [3, 5]
    assert grid.rows.tolist() == [0, 3, 6, 1, 2, 4, 5, 7]


def test_numeric_names_of_series_do_not_depend_on_their_type() -> None:
    whole = table(hours(4), id=[1, 1, 2, 2])
    floats = table(hours(4), id=[1.0, 1.0, 2.0, 2.0])
    assert grid_of(whole, id_column="id").names == ["1", "2"]
    assert grid_of(floats, id_column="id").names == ["1", "2"]


def test_without_a_time_column_rows_count_as_evenly_spaced() -> None:
    frame = read_table(pd.DataFrame({"id": ["a", "b", "a", "b", "b"], "x": range(5)}))
    _, grid = align_table(frame, None, "id")
    assert grid.time is None
    assert grid.rows.tolist() == [0, 2, 1, 3, 4]


def test_missing_name_of_a_series() -> None:
    with pytest.raises(UserError, match="row 2, column 'id': a series name is missing"):
        grid_of(table(hours(3), id=["a", None, "a"]), id_column="id")


def test_unsorted_times_name_the_row_and_can_be_sorted() -> None:
    frame = table(hours(6)[[0, 1, 4, 2, 3, 5]])
    with pytest.raises(UserError, match=r"row 4 \(2024-01-01 02:00:00\).*backwards") as error:
        grid_of(frame)
    assert "data.sort=true" in str(error.value)
    assert grid_of(frame, sort=True).rows.tolist() == [0, 1, 3, 4, 2, 5]


def test_duplicate_times_name_the_rows() -> None:
    frame = table(hours(4)[[0, 1, 1, 2, 3]], x=range(5))
    with pytest.raises(UserError, match=r"row 3 .*repeats the time of row 2 \(1 such rows\)"):
        grid_of(frame)


@pytest.mark.parametrize(
    ("choice", "expected"), [("first", [0, 1, 4]), ("last", [0, 3, 4]), ("mean", [0, 2, 4])]
)
def test_duplicate_times_resolved(choice: str, expected: list[float]) -> None:
    frame = table(hours(3)[[0, 1, 1, 1, 2]], x=range(5), sky=list("abcde"))
    frame, grid = align_table(frame, "t", None, on_duplicates=choice)
    assert frame["x"].to_numpy()[grid.rows].tolist() == expected
    with pytest.raises(UserError, match="on_duplicates='median' is unknown"):
        align_table(frame, "t", None, on_duplicates="median")


def test_irregular_times_have_no_frequency() -> None:
    minutes = np.cumsum([0, 7, 13, 5, 11, 3, 17, 2, 19])
    frame = table(pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, "min"))
    with pytest.raises(UserError, match=r"row 2 .*frequency is mixed.*1 of 8 rows"):
        grid_of(frame)


@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("2024-01-01", periods=100, freq="D").append(hours(20, "2024-04-10 01:00")),
        pd.date_range("2024-01-01", periods=30, freq="D").append(hours(200, "2024-01-31")),
        hours(50).append(pd.date_range("2024-01-03 02:30", periods=20, freq="h")),
    ],
    ids=["daily then hourly", "few days then hours", "shifted by half an hour"],
)
def test_mixed_frequency_names_the_row_and_the_way_out(times: pd.DatetimeIndex) -> None:
    with pytest.raises(UserError, match=r"row \d+ .*the frequency is mixed") as error:
        grid_of(table(times))
    assert "data.frequency" in str(error.value)


def test_a_given_frequency_reads_a_mixed_table_as_gaps() -> None:
    times = pd.date_range("2024-01-01", periods=30, freq="D").append(hours(200, "2024-01-31"))
    grid = grid_of(table(times), frequency=parse_frequency("h"))
    assert grid.num_missing_steps == 30 * 23


def test_a_given_frequency_must_fit() -> None:
    with pytest.raises(UserError, match="rows lie at least 24 steps of frequency 'h' apart"):
        grid_of(
            table(pd.date_range("2024-01-01", periods=9, freq="D")), frequency=parse_frequency("h")
        )
    with pytest.raises(UserError, match="is not on the steps of frequency 'D'"):
        grid_of(table(hours(30)), frequency=parse_frequency("D"))


def test_a_time_far_off_is_named_and_does_not_fill_the_memory() -> None:
    frame = table(pd.DatetimeIndex(["1990-01-01"]).append(hours(100)))
    with pytest.raises(UserError, match=r"row 2 .*would fill 298\d\d\d steps; check this time"):
        grid_of(frame)


def test_a_single_row_has_no_frequency() -> None:
    with pytest.raises(UserError, match="no series has two rows"):
        grid_of(table(hours(1)))
    assert grid_of(table(hours(1)), frequency=parse_frequency("h")).lengths.tolist() == [1]


@given(
    alias=st.sampled_from(["7min", "h", "D", "W", "MS", "QE", "B"]),
    keep=st.lists(st.booleans(), min_size=3, max_size=80),
)
def test_every_row_lands_on_its_time(alias: str, keep: list[bool]) -> None:
    times = pd.date_range("2021-03-01", periods=len(keep) + 2, freq=alias)[[True, *keep, True]]
    grid = grid_of(table(times), frequency=parse_frequency(alias)) if _touch(keep) else None
    if grid is None:
        return
    assert grid.time is not None
    found = grid.rows >= 0
    np.testing.assert_array_equal(grid.rows[found], np.arange(len(times)))
    np.testing.assert_array_equal(grid.time[found], times.to_numpy("datetime64[ns]"))


def _touch(keep: list[bool]) -> bool:
    """Some neighbours lie one step apart; otherwise the frequency does not fit."""
    every = [True, *keep, True]
    return any(a and b for a, b in pairwise(every))


def test_calendar_is_chosen_by_frequency_and_span() -> None:
    hourly, daily, weekly = (parse_frequency(alias) for alias in ("h", "D", "W"))
    assert choose_calendar("auto", hourly, 0.4) == []
    assert choose_calendar("auto", hourly, 3) == ["hour", "halfday"]
    assert choose_calendar("auto", hourly, 250) == ["hour", "halfday", "weekday"]
    assert choose_calendar("auto", hourly, 400) == ["hour", "halfday", "weekday", "yearday"]
    assert choose_calendar("auto", daily, 400) == ["weekday", "yearday"]
    assert choose_calendar("auto", weekly, 400) == ["yearday"]
    assert choose_calendar("auto", parse_frequency("MS"), 800) == ["month"]
    assert choose_calendar("auto", parse_frequency("YS"), 8000) == []
    assert choose_calendar("auto", None, 0) == []
    assert choose_calendar("none", hourly, 400) == []
    assert choose_calendar(["monthday"], hourly, 1) == ["monthday"]
    assert choose_calendar("weekday", daily, 1) == ["weekday"]
    with pytest.raises(UserError, match=r"data\.calendar='hours' is unknown; did you mean 'hour'"):
        choose_calendar(["hours"], hourly, 1)
    with pytest.raises(UserError, match="needs timestamps"):
        choose_calendar(["hour"], None, 0)


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("10s", ["hour", "halfday", "weekday"]),
        ("15min", ["hour", "halfday", "weekday"]),
        ("6h", ["hour", "halfday", "weekday"]),
        ("8h", ["hour", "weekday"]),
        ("12h", ["hour", "weekday"]),
        ("18h", ["weekday"]),
        ("D", ["weekday"]),
        ("B", ["weekday"]),
        ("3D", ["weekday"]),
        ("W", []),
    ],
)
def test_a_cycle_needs_two_steps(alias: str, expected: list[str]) -> None:
    assert choose_calendar("auto", parse_frequency(alias), 250) == expected


@pytest.mark.parametrize("alias", ["h", "6h", "8h", "12h", "D", "W"])
def test_no_two_cycles_are_the_same_wave(alias: str) -> None:
    names = choose_calendar("auto", parse_frequency(alias), 800)
    time = pd.date_range("2024-01-01 03:00", periods=840, freq=alias).to_numpy("datetime64[ns]")
    features = calendar_features(time, names)
    centred = features - features.mean(axis=0)
    # Sine and cosine of one cycle may be one wave (12h: two times a day), those of two may not.
    ranks = [np.linalg.matrix_rank(pair, tol=0.01) for pair in np.hsplit(centred, len(names))]
    assert min(ranks) >= 1
    assert np.linalg.matrix_rank(centred, tol=0.01) == sum(ranks)


def test_cycles_are_sorted_by_length_and_the_slow_ones_are_the_last() -> None:
    hourly = parse_frequency("h")
    names = choose_calendar(["yearday", "weekday", "halfday", "hour"], hourly, 3)
    assert names == ["halfday", "hour", "weekday", "yearday"]
    spans = {0.1: 4, 0.5: 3, 3: 2, 7: 1, 365: 1, 366: 0}
    assert {span: num_slow_cycles(names, span) for span in spans} == spans
    assert num_slow_cycles([], 1) == 0


def test_calendar_features_lie_on_circles_and_tell_the_time() -> None:
    time = hours(24 * 400).to_numpy("datetime64[ns]")
    names = ["hour", "halfday", "weekday", "monthday", "yearday", "month"]
    features = calendar_features(time, names)
    assert features.shape == (len(time), 12)
    np.testing.assert_allclose(features[:, ::2] ** 2 + features[:, 1::2] ** 2, 1, atol=1e-6)
    np.testing.assert_allclose(features[6, :2], [1, 0], atol=1e-6)  # 06:00
    np.testing.assert_allclose(features[6, 2:4], [0, -1], atol=1e-6)  # half of half a day
    np.testing.assert_allclose(features[0, 4:6], [0, 1], atol=1e-6)  # a Monday
    pairs = features.reshape(len(time), 6, 2).round(4)
    distinct = [len(np.unique(pairs[:, i], axis=0)) for i in range(6)]
    assert distinct == [24, 12, 7, 31, 366, 12]


def test_real_tables_have_the_frequencies_their_sources_state(shared_data: Path) -> None:
    for name, column, alias, steps in [
        ("ett/ETTh1.csv", "date", "h", 17_420),
        ("ett/ETTm1.csv.gz", "date", "15min", 69_680),
        ("exchange_rate/exchange_rate.csv", "date", "D", 7_588),
        ("illness/national_illness.csv", "date", "W", 966),
        ("bike_sharing/hour.csv", ["dteday", "hr"], "h", 17_544),
        ("bike_sharing/day.csv", "dteday", "D", 731),
    ]:
        _, grid = align_table(read_table(shared_data / name), column, None)
        assert grid.frequency is not None
        assert (grid.frequency.alias, int(grid.lengths[0])) == (alias, steps)


def test_metro_traffic_is_refused_then_read(shared_data: Path) -> None:
    frame = read_table(shared_data / "metro_traffic" / "Metro_Interstate_Traffic_Volume.csv.gz")
    with pytest.raises(UserError, match=r"repeats the time of row \d+ \(7629 such rows\)"):
        align_table(frame, "date_time", None)
    _, grid = align_table(frame, "date_time", None, on_duplicates="first")
    assert len(grid.rows) == 52_551
    assert (grid.rows >= 0).sum() == 48_204 - 7_629
    assert grid.first_gap == "'series' after 2012-10-03 06:00:00"
