"""Numbers as spreadsheets write them: decimal comma, thousands separators, currency and percent.

A column is read in a format only if all its values fit and no other format fits; ``1,234`` alone is
ambiguous, and is read by the separator of the file: a semicolon goes with a decimal comma.
"""

import re
from typing import Any, NamedTuple

import pandas as pd
from pandas.api import types

# Currency signs, percent signs, spaces and apostrophes within numbers.
_REMOVED = r"[€$£¥₹%\s\u00a0\u202f'\u2019]|\b(?:EUR|USD|GBP|CHF)\b"
# Text of a missing value.
MISSING = ("", "NaN", "NA", "nan", "null")


class NumberFormat(NamedTuple):
    """A way to write numbers.

    Attributes:
        name: in notes to users.
        pattern: regular expression of a number.
        thousands: separator of groups of three digits.
        decimal: decimal separator.
    """

    name: str
    pattern: str
    thousands: str
    decimal: str


COMMA = NumberFormat("decimal commas", r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?", ".", ",")
POINT = NumberFormat("decimal points", r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", ",", ".")


def number_format(values: "pd.Series[Any]", separator: str | None) -> NumberFormat | None:
    """Return the format of a column of text; None where it is not of numbers, or ambiguous.

    Args:
        values: the column.
        separator: of the file's columns; None where it is not known.
    """
    if not _may_be_numbers(values):
        return None
    text = _stripped(values).dropna()
    if text.empty or not text.str.contains(r"\d").all():
        return None
    fitting = [each for each in (COMMA, POINT) if text.str.fullmatch(each.pattern).all()]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    if not text.str.contains(r"[.,]").any():
        # Whole numbers, with signs or spaces.
        return POINT
    return None if separator is None else COMMA if separator == ";" else POINT


def parse_numbers(values: "pd.Series[Any]", form: NumberFormat) -> "pd.Series[float]":
    """Return a column of text as numbers, NaN where it is missing."""
    text = _stripped(values).str.replace(form.thousands, "", regex=False)
    return pd.to_numeric(text.str.replace(form.decimal, ".", regex=False)).astype(float)


def parse_columns(table: pd.DataFrame, separator: str | None) -> list[str]:
    """Convert the columns of text that are numbers as spreadsheets write them, in place.

    Args:
        table: the table.
        separator: of the file's columns; None where it is not known.

    Returns:
        A note for each format, for the summary of the data.
    """
    columns: dict[str, list[str]] = {}
    for name in table.columns:
        values = table[name]
        if not types.is_string_dtype(values.dtype):
            continue
        form = number_format(values, separator)
        if form is None:
            continue
        if (pd.to_numeric(values, errors="coerce").isna() & ~_stripped(values).isna()).any():
            columns.setdefault(form.name, []).append(str(name))
        table[name] = parse_numbers(values, form)
    return [f"numbers read with {form}: {', '.join(names)}" for form, names in columns.items()]


def _may_be_numbers(values: "pd.Series[Any]") -> bool:
    """Return whether the first text of a column is a number, which all have to be.

    Most columns of text are names or times, and one look is faster than all patterns.
    """
    for value in values:
        text = re.sub(_REMOVED, "", value) if isinstance(value, str) else ""
        if text not in MISSING:
            return any(re.fullmatch(each.pattern, text) for each in (COMMA, POINT))
    return True


def units_row(table: pd.DataFrame) -> list[str]:
    """Return the units in the first row of a table, below which columns are numbers; else none.

    Args:
        table: a column with units and numbers is one of text.
    """
    units = []
    for name in table.columns if len(table) > 2 else ():
        first, rest = table[name].iloc[0], table[name].iloc[1:].dropna()
        if pd.isna(first):
            continue
        if not isinstance(first, str) or any(letter.isdigit() for letter in first):
            return []
        numeric = pd.to_numeric(rest, errors="coerce").notna().all()
        if len(rest) and (numeric or number_format(rest.astype(str), ";") is not None):
            units.append(first)
    return units


def _stripped(values: "pd.Series[Any]") -> "pd.Series[Any]":
    text = values.where(values.map(lambda value: isinstance(value, str)))
    text = text.str.replace(_REMOVED, "", regex=True)
    return text.mask(text.isin(MISSING))
