"""Tables as spreadsheets write them: number formats, encodings, totals, empty rows."""

import codecs
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.forecasting.reading.tables import describe_row, numeric_column, read_table

EURO = ["99.974,03", "1.002,5", "7,25", "-12,00", "1.234.567"]
EURO_NUMBERS = [99974.03, 1002.5, 7.25, -12.0, 1234567.0]


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_decimal_commas(tmp_path: Path) -> None:
    text = "Datum;Umsatz\n" + "".join(f"0{i}.01.2024;{v}\n" for i, v in enumerate(EURO, 1))
    table = read_table(write(tmp_path, text))
    assert numeric_column(table, "Umsatz").tolist() == EURO_NUMBERS
    assert table.attrs["notes"] == ["table.csv: numbers read with decimal commas: Umsatz"]


def test_points_are_thousands_where_another_column_has_decimal_commas(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a;b;c\n1.234;0,5;x\n2.500;1,5;y\n"))
    assert table["a"].tolist() == [1234.0, 2500.0]
    assert table["b"].tolist() == [0.5, 1.5]
    assert table["c"].tolist() == ["x", "y"]
    # In a file with commas a point is a decimal point.
    assert read_table(write(tmp_path, "a,b\n1.234,x\n"))["a"].tolist() == [1.234]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (['"1,234"', '"56"', '"1,000,000"'], [1234.0, 56.0, 1e6]),
        (["$12.50", '"$1,000.00"', "-$3"], [12.5, 1000.0, -3.0]),
        (["12%", "7.5 %", "100%"], [12.0, 7.5, 100.0]),
        (["1'234.50", "5 000", "3"], [1234.5, 5000.0, 3.0]),
        (["€ 5", "EUR 6", ""], [5.0, 6.0, np.nan]),
    ],
)
def test_thousands_currency_and_percent(
    cells: list[str], numbers: list[float], tmp_path: Path
) -> None:
    table = read_table(write(tmp_path, "n,y\n" + "".join(f"a,{cell}\n" for cell in cells)))
    np.testing.assert_array_equal(numeric_column(table, "y"), numbers)


@pytest.mark.parametrize("cells", [["1.5", "2,5"], ["12", "x"], ["1,23.4", "5"], ["1,2345", "1"]])
def test_what_fits_no_format_is_an_error_with_its_row(cells: list[str], tmp_path: Path) -> None:
    text = "n,y\n" + "".join(f'a,"{cell}"\n' for cell in cells)
    table = read_table(write(tmp_path, text))
    if cells == ["1,2345", "1"]:
        # No thousands, so a decimal comma.
        assert numeric_column(table, "y").tolist() == [1.2345, 1.0]
        return
    with pytest.raises(UserError, match=r"row \d, column 'y': found .*, expected a number"):
        numeric_column(table, "y")


def test_in_a_given_table_an_ambiguous_comma_is_an_error() -> None:
    with pytest.raises(UserError, match="expected a number"):
        numeric_column(read_table(pd.DataFrame({"y": ["1,234", "5,678"]})), "y")
    table = read_table(pd.DataFrame({"y": ["1,5", "2,25"]}))
    assert numeric_column(table, "y").tolist() == [1.5, 2.25]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "Größe,y\nü,1\nß,2\n", encoding))
    assert list(table.columns) == ["Größe", "y"]
    assert table["Größe"].tolist() == ["ü", "ß"]
    assert bool(table.attrs["notes"]) == (encoding == "cp1252")
    big_endian = codecs.BOM_UTF16_BE + "a,b\n1,2\n".encode("utf-16-be")
    (tmp_path / "other.csv").write_bytes(big_endian)
    assert read_table(tmp_path / "other.csv")["b"].tolist() == [2]


def test_empty_rows_below_the_table_are_no_rows(tmp_path: Path) -> None:
    assert len(read_table(write(tmp_path, "a;b\n1;2\n;\n3;4\n;\n;\n\n"))) == 3


def test_a_damaged_parquet_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    pd.DataFrame({"a": range(99)}).to_parquet(tmp_path / "a.parquet")
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    draw = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(content)
        for at in draw.integers(0, len(broken), 4):
            broken[at] ^= int(draw.integers(1, 256))
        (tmp_path / "b.parquet").write_bytes(broken)
        message = ""
        try:
            read_table(tmp_path / "b.parquet")
        except UserError as error:
            message = str(error)
        assert "\n" not in message


def totals(folder: Path, rows: int = 100) -> Path:
    days = pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d")
    lines = [f"{day},{index % 7}" for index, day in enumerate(days)]
    return write(folder, "\n".join(["day,y", *lines, "Total,300"]) + "\n")


def test_rows_of_totals(tmp_path: Path) -> None:
    options = {"source": "csv", "path": str(totals(tmp_path)), "time_column": "day", "target": "y"}
    options |= {"lookback": 7, "horizon": 2}
    with pytest.raises(UserError, match=r"row 101, column 'day'.*\n.*data\.max_bad_fraction="):
        ForecastingDataModule(**options).setup()
    data = ForecastingDataModule(**options, max_bad_fraction=0.02)
    data.setup()
    assert any("rows without a time, left out: 101" in line for line in data.summary())
    assert data.series is not None
    assert len(data.series.target) == 100
    again = ForecastingDataModule(**options, schema=data.schema())
    again.setup()
    assert len(again.windows["test"]) == len(data.windows["test"])


# Workbooks, and rows of units


def units_table() -> pd.DataFrame:
    times = [f"2024-01-{day:02d}" for day in range(1, 9)]
    rows = [[time, 3.5 + day, "sun"] for day, time in enumerate(times)]
    return pd.DataFrame([["", "°C", ""], *rows], columns=["day", "temp", "sky"])


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_row_of_units_is_left_out_and_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    frame = units_table()
    frame.to_csv(path, index=False) if name == "a.csv" else frame.to_excel(path, index=False)
    table = read_table(path)
    assert table["temp"].tolist() == [3.5 + day for day in range(8)]
    assert table.attrs["notes"] == [f"{name}: row 1 left out, which has units: °C"]
    assert describe_row(table, 0) == f"{name}: row 2"


def test_a_text_in_the_first_row_of_numbers_is_no_unit(tmp_path: Path) -> None:
    frame = units_table().iloc[1:].assign(wind=1.5)
    frame.iloc[0, 1] = "?"
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert len(read_table(tmp_path / "a.csv")) == 8


def test_a_workbook_is_read_as_a_table(tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=5, freq="h")
    frame = pd.DataFrame({"t": times, "y": [1.0, 2.5, None, 4.0, 5.0], "text": ["1.234,5"] * 5})
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    table = read_table(tmp_path / "a.xlsx")
    assert table["y"].isna().sum() == 1
    assert table["text"].tolist() == [1234.5] * 5
    assert str(table["t"].dtype).startswith("datetime64")
    (tmp_path / "b.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:1000])
    with pytest.raises(UserError, match=r"b\.xlsx: not readable as an Excel workbook"):
        read_table(tmp_path / "b.xlsx")


def test_a_workbook_without_the_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"y": [1.0]}).to_excel(tmp_path / "a.xlsx", index=False)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"pip install 'gru-suite\[excel\]'"):
        read_table(tmp_path / "a.xlsx")
