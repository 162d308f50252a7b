"""Tables with columns of texts: CSV, TSV, JSON lines, Parquet, Excel."""

import csv
import io
import json
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from gru_suite.errors import UserError, nearest

from .excel import EXCEL_SUFFIXES, read_excel
from .parquet import read_parquet
from .text_files import TABLE_SUFFIXES, Column, read_bytes, read_lines, read_text


def column_texts(frame: pd.DataFrame, column: Column, table: str) -> list[str]:
    """Return the texts to predict of a table; those of its only column if it has just one.

    Args:
        frame: the table.
        column: name or number of the text column in the training data.
        table: name of the table in messages.

    Raises:
        UserError: the column is not there.
    """
    if frame.shape[1] == 1 and column not in frame.columns:
        return text_cells(frame.iloc[:, 0], table)
    return text_cells(
        table_column(frame, column, table, "the model", isinstance(column, str)), table
    )


def text_cells(series: "pd.Series[Any]", table: str) -> list[str]:
    """Return the cells of a column as texts.

    Args:
        series: the column.
        table: name of the table in messages.

    Raises:
        UserError: a cell is a list or an object, as JSON lines and Parquet can have.
    """
    for row, value in enumerate(series, 1):
        if isinstance(value, dict | list | tuple) or hasattr(value, "__array_interface__"):
            kind = "an object" if isinstance(value, dict) else "a list"
            raise UserError(
                f"{table}: row {row} of column {series.name!r} is {kind}; a text is needed"
            )
    return [cell_text(each) for each in series]


def cell_text(value: Any) -> str:
    """Return a cell as text, empty where it is missing; 1.0 and 1 are the same label."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is pd.NA else str(value).strip()


def table_column(
    frame: pd.DataFrame, column: Column, table: str, option: str, has_header: bool
) -> "pd.Series[Any]":
    """Return a column by its name or number.

    Args:
        frame: the table.
        column: name, or number from 0.
        table: name of the table in messages.
        option: what names the column, for messages.
        has_header: whether the table's columns have names.

    Raises:
        UserError: the column is not there, or two have its name.
    """
    if isinstance(column, int):
        if not -frame.shape[1] <= column < frame.shape[1]:
            raise UserError(
                f"{table}: {option} is column {column}, and there are {frame.shape[1]} columns, "
                "numbered from 0"
            )
        return frame.iloc[:, column]
    if column not in frame.columns:
        names = [str(name) for name in frame.columns]
        hint = nearest(column, names)
        if not has_header:
            hint = "; with data.header=false give its number, from 0"
        raise UserError(f"{table}: {option} needs column {column!r}, which is not there{hint}")
    series = frame[column]
    if isinstance(series, pd.DataFrame):
        raise UserError(f"{table}: two columns are called {column!r}; give the column's number")
    return series


def read_table(
    path: Path, encoding: str = "utf-8", header: bool | None = True
) -> tuple[pd.DataFrame, list[str]]:
    """Read CSV (comma, semicolon or tab), TSV, JSON lines, Parquet or Excel, gzipped or not.

    Quotes have their usual meaning in CSV, and none in TSV, as data sets are published.

    Args:
        path: the file.
        encoding: of a text file.
        header: whether CSV and TSV have a header; otherwise columns are 0, 1, ...

    Returns:
        The table, cells of CSV and TSV as text; and the notes of :func:`read_text`.

    Raises:
        UserError: the file is not a readable table; the message names the line where there is one.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in (".parquet", ".pq"):
        return read_parquet(path, read_bytes(path)), []
    if suffix in EXCEL_SUFFIXES:
        options = {} if header else {"header": None}
        return read_excel(path, dtype=str, na_values=[""], **options).fillna(""), []
    if suffix in (".jsonl", ".ndjson"):
        lines, notes = read_lines(path, encoding)
        return _parse_json_lines(path, lines), notes
    if suffix not in (".csv", ".tsv", ".txt"):
        raise UserError(
            f"{path}: unknown format of a table; needs one of {', '.join(TABLE_SUFFIXES)}"
        )
    text, notes = read_text(path, encoding)
    separator = "\t" if suffix == ".tsv" else _separator(text)
    try:
        with warnings.catch_warnings():
            # Of cells beyond the header, which would be lost.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                header=0 if header else None,
                dtype=str,
                keep_default_na=False,
                quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
                index_col=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise UserError(f"{path}: not readable as a table ({reason})") from None
    return frame, notes


def _separator(text: str) -> str:
    first = text.partition("\n")[0]
    return "," if "," in first else max(";\t", key=first.count)


def _parse_json_lines(path: Path, lines: list[str]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}: line {number} is not JSON ({error.msg})") from None
        if not isinstance(row, dict):
            raise UserError(
                f"{path}: line {number} is {type(row).__name__}, needs an object such as "
                '{"text": "...", "label": "..."}'
            )
        rows.append(row)
    return pd.DataFrame(rows)
