"""Layouts of table files: one row a step, or one row a series as in M4."""

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from gru_suite.errors import UserError

from .tables import numeric_column, read_table, table_name

M4_ID, M4_VALUE = "series", "value"


def read_layout(source: pd.DataFrame | str | Path, layout: str) -> pd.DataFrame:
    """Read a table; in layout ``m4`` as columns ``series`` and ``value``."""
    table = read_table(source)
    return (
        from_m4(table) if layout == "m4" and not {M4_ID, M4_VALUE} <= set(table.columns) else table
    )


def from_m4(table: pd.DataFrame) -> pd.DataFrame:
    """Convert M4's layout (a name, then values, padded on the right) to one row for each value."""
    ids, columns = table.columns[0], table.columns[1:]
    if len(columns) == 0:
        raise UserError(
            f"{table_name(table)}: found one column; M4's layout is a name and then the values of a"
            " series"
        )
    if (
        types.is_numeric_dtype(table[ids].dtype)
        or table[ids].isna().any()
        or not table[ids].is_unique
    ):
        raise UserError(
            f"{table_name(table)}: the first column must give each row's series a name of its own"
        )
    values = np.stack([numeric_column(table, name) for name in columns], axis=1)
    observed = ~np.isnan(values)
    lengths = np.where(observed.any(axis=1), values.shape[1] - observed[:, ::-1].argmax(axis=1), 0)
    if (lengths == 0).any():
        raise UserError(
            f"{table_name(table)}: series {table[ids].iloc[int(lengths.argmin())]!r} has no values"
        )
    inside = np.arange(values.shape[1]) < lengths[:, None]
    codes = np.repeat(np.arange(len(table)), lengths)
    names = pd.Categorical.from_codes(codes, categories=pd.Index(table[ids].astype(str)))
    long_table = pd.DataFrame({M4_ID: names, M4_VALUE: values[inside]})
    long_table.attrs.update(table.attrs)
    return long_table
