"""Reading tables: what is missing, a number, a category or a time; and how files can be bad."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.reading import timestamps
from gru_suite.tasks.forecasting.reading.layouts import from_m4
from gru_suite.tasks.forecasting.reading.tables import (
    category_column,
    check_columns,
    is_categorical,
    numeric_column,
    read_table,
)
from gru_suite.tasks.forecasting.samples.sources import load_source, make_sine


def time_column_values(table: pd.DataFrame, column: str | list[str]) -> np.ndarray:
    return timestamps.time_column_values(table, column, np.zeros(len(table), np.int64))[0]


def write(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def assert_short(message: str) -> None:
    assert 1 <= len(message.splitlines()) <= 2, message


def test_missing_words_and_the_word_none(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y\n1,None\n,NaN\nNA,sun\nnan,\nnull,None\n")
    frame = read_table(path)
    numbers = numeric_column(frame, "x")
    assert numbers[0] == 1
    assert np.isnan(numbers[1:]).all()
    assert category_column(frame, "y").tolist() == ["None", None, "sun", None, "None"]


def test_separators_compression_and_parquet_agree(tmp_path: Path) -> None:
    comma = read_table(write(tmp_path, "a,b\n1,2.5\n3,4\n"))
    for separator in ";\t":
        text = f"a{separator}b\n1{separator}2.5\n3{separator}4\n"
        pd.testing.assert_frame_equal(read_table(write(tmp_path, text, "other.csv")), comma)
    with gzip.open(tmp_path / "data.csv.gz", "wt") as file:
        file.write("a,b\n1,2.5\n3,4\n")
    pd.testing.assert_frame_equal(read_table(tmp_path / "data.csv.gz"), comma)
    comma.to_parquet(tmp_path / "data.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "data.parquet"), comma)


def test_a_dataframe_is_not_changed_and_its_named_index_is_a_column() -> None:
    given = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="time"))
    frame = read_table(given)
    assert list(frame.columns) == ["time", "x"]
    assert list(given.columns) == ["x"]
    assert given.index.name == "time"
    assert given.attrs == {}


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "a\n1\n", "weather.csv")
    with pytest.raises(UserError, match=r"wether\.csv: no such file; did you mean 'weather\.csv'"):
        read_table(tmp_path / "wether.csv")
    with pytest.raises(UserError, match="no such file"):
        read_table(tmp_path / "no" / "folder.csv")
    with pytest.raises(UserError, match="is a folder"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"date,x\n", "found a header but no rows"),
        (b"a,a.1,b\n1,2,3\n1,2,3,4,5\n", "not readable as a CSV"),
        (b"a,b\n1,2,3\n1,2,3\n", "more fields than the header"),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe,\x80\n\x81\x82", "not readable as a CSV"),
    ],
)
def test_unusable_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_table(path)
    assert "data.csv" in str(error.value)
    assert_short(str(error.value))


@pytest.mark.parametrize("name", ["data.parquet", "data.csv.gz"])
def test_files_that_are_not_what_their_name_says(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"not readable as a (CSV or )?Parquet table"):
        read_table(write(tmp_path, "date,x\n1,2\n", name))


def test_truncated_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    (tmp_path / "data.csv.gz").write_bytes(whole[:-20])
    with pytest.raises(UserError, match="not readable"):
        read_table(tmp_path / "data.csv.gz")


def test_repeated_column_names() -> None:
    with pytest.raises(UserError, match="two columns are called 'x'"):
        read_table(pd.DataFrame([[1, 2]], columns=["x", "x"]))


def test_absent_column_names_the_nearest() -> None:
    frame = read_table(pd.DataFrame({"temp": [1], "humid": [2]}))
    with pytest.raises(UserError, match=r"data\.target needs column 'tmep'.*did you mean 'temp'"):
        check_columns(frame, ["tmep"], "data.target")


def test_text_in_a_numeric_column_names_row_and_column(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "x\n1\n2\nbroken\n4\nworse\n"))
    with pytest.raises(
        UserError, match=r"data\.csv: row 3, column 'x': found 'broken', .*2 such rows"
    ):
        numeric_column(frame, "x")


@pytest.mark.parametrize("value", ["inf", "-inf"])
def test_infinite_values_name_row_and_column(tmp_path: Path, value: str) -> None:
    frame = read_table(write(tmp_path, f"x\n1\n{value}\n"))
    with pytest.raises(UserError, match=rf"row 2, column 'x': found {value}, expected a finite"):
        numeric_column(frame, "x")


def test_numeric_column_takes_nullable_and_boolean_columns() -> None:
    frame = read_table(
        pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "b": [True, False], "o": [1, None]})
    )
    np.testing.assert_array_equal(numeric_column(frame, "n"), [1, np.nan])
    np.testing.assert_array_equal(numeric_column(frame, "b"), [1, 0])
    np.testing.assert_array_equal(numeric_column(frame, "o"), [1, np.nan])


def test_categories_and_typing_errors_are_told_apart() -> None:
    frame = read_table(
        pd.DataFrame({"sky": ["sun", "7", "rain"] * 10, "wind": ["5"] * 29 + ["5x"]})
    )
    assert is_categorical(frame, "sky")
    with pytest.raises(UserError, match=r"row 30, column 'wind': found '5x'"):
        is_categorical(frame, "wind")


def test_category_names_do_not_depend_on_the_type_of_numbers() -> None:
    whole = read_table(pd.DataFrame({"code": [1, 3, 2]}))
    floats = read_table(pd.DataFrame({"code": [1.0, np.nan, 2.5]}))
    assert category_column(whole, "code").tolist() == ["1", "3", "2"]
    assert category_column(floats, "code").tolist() == ["1", None, "2.5"]


@pytest.mark.parametrize(
    ("texts", "second"),
    [
        (["2024-01-31 18:00", "2024-02-01 18:00"], "2024-02-01T18:00"),
        (["2024-01-31T19:00:00+01:00", "2024-01-31T19:00:00+0100"], "2024-01-31T18:00"),
        (["1/2/11", "1/13/11"], "2011-01-13T00:00"),
        (["1/2/2011", "13/2/2011"], "2011-02-13T00:00"),
        (["1/2/2011 5:30 PM", "1/3/2011 6:30 AM"], "2011-01-03T06:30"),
        (["1.2.2011 10:00", "2.2.2011 10:00"], "2011-02-02T10:00"),
        (["1990/1/1 0:00", "1990/1/2 0:00"], "1990-01-02T00:00"),
    ],
)
def test_ways_to_write_a_time(texts: list[str], second: str) -> None:
    times = time_column_values(read_table(pd.DataFrame({"t": texts})), "t")
    assert times.dtype == np.dtype("datetime64[ns]")
    assert times[1] == np.datetime64(second)


def test_repeated_times_are_read_once_and_alike() -> None:
    texts = ["1/2/11", "1/3/11"] * 5
    times = time_column_values(read_table(pd.DataFrame({"t": texts})), "t")
    assert (times[::2] == np.datetime64("2011-01-02")).all()
    assert (times[1::2] == np.datetime64("2011-01-03")).all()


def test_date_and_hour_columns() -> None:
    frame = read_table(pd.DataFrame({"day": ["1/1/11", "1/1/11"], "hr": [0, 23]}))
    times = time_column_values(frame, ["day", "hr"])
    assert times.tolist() == np.array(["2011-01-01T00", "2011-01-01T23"], "M8[ns]").tolist()
    with pytest.raises(UserError, match=r"row 2, column 'hr': found 24, expected an hour"):
        time_column_values(read_table(frame.assign(hr=[0, 24])), ["day", "hr"])


@pytest.mark.parametrize("bad", ["soon", None, "2024-13-01"])
def test_unreadable_time_names_its_row(bad: str | None) -> None:
    frame = read_table(pd.DataFrame({"t": ["2024-01-01", bad, "2024-01-03"]}))
    with pytest.raises(UserError, match=r"row 2, column 't': found .*expected a timestamp"):
        time_column_values(frame, "t")


def test_numbers_and_far_times_are_no_timestamps() -> None:
    with pytest.raises(UserError, match="holds numbers, expected timestamps") as error:
        time_column_values(read_table(pd.DataFrame({"t": [1, 2]})), "t")
    assert_short(str(error.value))
    with pytest.raises(UserError, match="column 't'"):
        time_column_values(read_table(pd.DataFrame({"t": ["1066-10-14", "1066-10-15"]})), "t")


def test_m4_layout_becomes_rows_without_its_padding() -> None:
    wide = pd.DataFrame({"V1": ["H1", "H2"], "V2": [1, 4], "V3": [2, np.nan], "V4": [3, np.nan]})
    table = from_m4(read_table(wide))
    assert table["series"].tolist() == ["H1", "H1", "H1", "H2"]
    assert table["value"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"V1": ["H1"]}), "found one column"),
        (pd.DataFrame({"V1": [1, 2], "V2": [1, 2]}), "a name of its own"),
        (pd.DataFrame({"V1": ["a", "a"], "V2": [1, 2]}), "a name of its own"),
        (pd.DataFrame({"V1": ["a", "b"], "V2": [1, np.nan]}), "series 'b' has no values"),
        (pd.DataFrame({"V1": ["a"], "V2": ["x"]}), "row 1, column 'V2': found 'x'"),
    ],
)
def test_tables_not_in_m4_layout(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_m4(read_table(frame))


def test_sources() -> None:
    sine = make_sine()["value"]
    assert len(sine) == 1000
    assert sine.iloc[-1] == pytest.approx(np.sin(100.0))
    with pytest.raises(UserError, match=r"data\.source='cvs' is unknown; did you mean 'csv'"):
        load_source("cvs", None)
    with pytest.raises(UserError, match=r"data\.path is not set"):
        load_source("csv", None)


def test_metro_traffic_keeps_the_word_none(shared_data: Path) -> None:
    path = shared_data / "metro_traffic" / "Metro_Interstate_Traffic_Volume.csv.gz"
    frame = read_table(path)
    assert len(frame) == 48_204
    holidays = category_column(frame, "holiday")
    assert all(holidays)
    assert (holidays == "None").sum() > 48_000
    assert is_categorical(frame, "holiday")
