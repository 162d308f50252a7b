"""CSV and Parquet tables, and their columns as numbers or categories.

* An empty field and ``NaN``, ``NA``, ``nan``, ``null`` are missing. ``None`` is not: in
  published tables it is a category ("no holiday").
* Nothing is repaired silently. Text in a numeric column, an infinite value or an unreadable time is
  an error that names the file, the row (counted from 1 below the header) and the column.
"""

import codecs
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from gru_suite.data.tables.excel import EXCEL_SUFFIXES, read_excel
from gru_suite.data.tables.parquet import read_parquet
from gru_suite.errors import UserError, nearest

from .number_formats import COMMA, MISSING, parse_columns, units_row

# Of Western European texts, as spreadsheets write them on Windows.
FALLBACK_ENCODING = "cp1252"
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_HEAD_BYTES = 4096
# From this share of numbers on, a text column is numeric with typing errors, not categorical.
NUMERIC_SHARE = 0.9


def read_table(source: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Read a table and check that it has rows and distinct column names.

    Args:
        source: path of a CSV (separated by comma, semicolon or tab; also compressed, as
            ``.csv.gz``), Excel or Parquet file, or a DataFrame, which is not changed.

    Returns:
        The table, rows numbered from 0 in its index; ``attrs["source"]`` is its name in messages,
        ``attrs["notes"]`` has notes on how it was read.

    Raises:
        UserError: the file is missing, empty, has no rows, or is not a table.
    """
    notes: list[str] = []
    first = 0
    if isinstance(source, pd.DataFrame):
        table = source.copy(deep=False)
        if source.index.name is not None and source.index.name not in source.columns:
            table = source.reset_index()  # times are often the index
        label = "the given table"
    else:
        table, notes = _read_file(Path(source))
        label = Path(source).name
        # Below a row of units, rows are numbered from the second on.
        first = table.index.start if isinstance(table.index, pd.RangeIndex) else 0
    table.index = pd.RangeIndex(first, first + len(table))
    table.columns = pd.Index([str(column).strip() for column in table.columns])
    table.attrs["source"] = label
    if not table.columns.is_unique:
        repeated = table.columns[table.columns.duplicated()][0]
        raise UserError(f"{label}: two columns are called {repeated!r}; column names must differ")
    if isinstance(source, pd.DataFrame):
        notes += parse_columns(table, None)
    table.attrs["notes"] = [f"{label}: {note}" for note in notes]
    if table.empty:
        raise UserError(f"{label}: found a header but no rows; data rows are needed")
    return table


def _read_file(path: Path) -> tuple[pd.DataFrame, list[str]]:
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the path of a CSV or Parquet file")
    if not path.is_file():
        beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, sorted(beside)) if beside else ""
        raise UserError(f"{path}: no such file{hint}")
    if path.suffix.lower() in {".parquet", ".pq"}:
        return read_parquet(path), []
    if path.suffix.lower() in EXCEL_SUFFIXES:
        missing = list(MISSING)
        table = read_excel(path, na_values=missing)
        units = units_row(table)
        if units:
            table = _below_units(read_excel(path, na_values=missing, skiprows=[1]))
        table = _without_empty_end(table)
        return table, [*_units_note(units), *parse_columns(table, None)]
    notes: list[str] = []
    try:
        encoding = _marked_encoding(path)
        try:
            table, separator = _read_separated(path, encoding)
        except UnicodeDecodeError:
            encoding = FALLBACK_ENCODING
            notes.append(f"not in UTF-8, read as {encoding}")
            table, separator = _read_separated(path, encoding)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file is empty; a header and data rows are needed") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not readable as a CSV or Parquet table ({reason})") from None
    if not isinstance(table.index, pd.RangeIndex):
        raise UserError(
            f"{path}: the rows have more fields than the header; every column needs a name"
        )
    units = units_row(table)
    skipped = [1] if units else None
    if units:
        table = _below_units(_read_csv(path, separator, encoding, skiprows=skipped))
        notes += _units_note(units)
    formats = parse_columns(table, separator)
    if any(COMMA.name in note for note in formats):
        # With a decimal comma, columns such as 1.234 are whole numbers, which pandas cannot know.
        table = _read_csv(path, separator, encoding, dtype=str, skiprows=skipped)
        formats = parse_columns(table, separator)
    return table, [*notes, *formats]


def _marked_encoding(path: Path) -> str:
    """Return the encoding by the byte order mark of a file, UTF-8 without one."""
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start and path.suffix.lower() not in _COMPRESSED:
        raise ValueError("zero bytes: not a text file")
    return "utf-8-sig"


def _read_separated(path: Path, encoding: str) -> tuple[pd.DataFrame, str]:
    """Return a table and its separator: a comma, or what else the header has."""
    table = _read_csv(path, ",", encoding)
    if table.shape[1] == 1:
        header = str(table.columns[0])
        separator = max(";\t", key=header.count)
        if separator in header:
            return _read_csv(path, separator, encoding), separator
    return table, ","


def _read_csv(path: Path, separator: str, encoding: str, **options: Any) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(
        path,
        sep=separator,
        encoding=encoding,
        **options,
        keep_default_na=False,
        na_values=list(MISSING),
        low_memory=False,
        skipinitialspace=True,
    )
    return _without_empty_end(table)


def _units_note(units: list[str]) -> list[str]:
    return [f"row 1 left out, which has units: {', '.join(units)}"] if units else []


def _below_units(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose rows are numbered from 2, below the row of units."""
    return table.set_axis(pd.RangeIndex(1, len(table) + 1))


def _without_empty_end(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the empty rows that spreadsheets write below it."""
    empty_N = table.isna().all(axis=1).to_numpy()
    last = len(table) - int(empty_N[::-1].argmin()) if not empty_N.all() else len(table)
    return table.iloc[:last]


def check_columns(table: pd.DataFrame, columns: list[str], option: str) -> None:
    """Raise UserError for the first column, asked for by ``option``, that the table lacks."""
    for column in columns:
        if column not in table.columns:
            raise UserError(
                f"{table_name(table)}: {option} needs column {column!r}, which is not"
                f" there{nearest(column, [str(name) for name in table.columns])}"
            )


def table_name(table: pd.DataFrame) -> str:
    """Return the table's name for messages."""
    return str(table.attrs.get("source", "the given table"))


def describe_row(table: pd.DataFrame, row: int) -> str:
    """Return file and number of a row (from 1 below the header) for messages."""
    return f"{table_name(table)}: row {int(table.index[row]) + 1}"


def check_values(table: pd.DataFrame, column: str, bad: NDArray[np.bool_], expected: str) -> None:
    """Raise UserError that names the first bad value of a column, and what is expected."""
    if bad.any():
        row = int(bad.argmax())
        value = table[column].iloc[row]
        found = repr(value) if isinstance(value, str) else str(value)
        raise UserError(
            f"{describe_row(table, row)}, column {column!r}: found {found}, expected {expected} "
            f"({int(bad.sum())} such rows)"
        )


def numeric_column(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column as float64, NaN where it is missing.

    Raises:
        UserError: a value is text or infinite; the first such row is named.
    """
    values = table[column]
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub":
        numbers = np.asarray(values, dtype=np.float64)  # ten times as fast as the next
    elif types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers, bad = _parse_numbers(values)
        check_values(table, column, bad, "a number")
    check_values(table, column, np.isinf(numbers), "a finite number or an empty field")
    return numbers


def _parse_numbers(values: "pd.Series[Any]") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the numbers, NaN elsewhere, and the mask of values neither numeric nor missing."""
    if types.is_datetime64_any_dtype(values.dtype):
        return np.full(len(values), np.nan), np.ones(len(values), dtype=bool)
    plain = values.astype(object)
    numbers = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.isnan(numbers) & ~plain.isna().to_numpy() & ~plain.isin(MISSING).to_numpy()
    return numbers, bad


def is_categorical(table: pd.DataFrame, column: str) -> bool:
    """Return whether a covariate column is categorical rather than numeric.

    Raises:
        UserError: nearly all values are numbers, so that the others are typing errors.
    """
    values = table[column]
    if types.is_numeric_dtype(values.dtype):
        return False
    _, bad = _parse_numbers(values)
    present = int(values.notna().sum())
    if bad.any() and bad.sum() <= (1 - NUMERIC_SHARE) * present:
        numeric_column(table, column)
    return bool(bad.any())


def category_column(table: pd.DataFrame, column: str) -> NDArray[np.object_]:
    """Return a column as text, ``None`` where missing; integers without a decimal point."""
    values = table[column]
    if types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        missing = np.isnan(numbers)
        levels, codes = np.unique(numbers, return_inverse=True)
        text = np.array([f"{level:.15g}" for level in levels], dtype=object)[codes]
    else:
        plain = values.astype(object)
        missing = (plain.isna() | plain.isin(MISSING)).to_numpy()
        text = plain.to_numpy(copy=True)
        if not all(type(value) is str for value in text[~missing]):
            text = np.array([str(value) for value in text], dtype=object)
    text[missing] = None
    return text
