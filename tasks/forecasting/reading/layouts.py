"""Where tables come from: files as rows or as in M4, the embedded weather, a sine."""

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from gru_suite.errors import UserError, nearest

from .tables import numeric_column, read_table, source_of

SOURCES = ("csv", "m4", "sine", "weather")
M4_ID, M4_VALUE = "series", "value"
SINE_POINTS, SINE_END = 1_000, 100.0


def load_source(source: str, path: str | None) -> pd.DataFrame:
    """Read the training table of a ``data.source``.

    Args:
        source: ``csv`` (CSV or Parquet file), ``m4`` (file in M4's layout), ``sine`` or
            ``weather``.
        path: the file; not used by ``sine`` and ``weather``.
    """
    if source not in SOURCES:
        raise UserError(f"data.source={source!r} is unknown{nearest(str(source), SOURCES)}")
    if source == "sine":
        return read_table(make_sine())
    if source == "weather":
        from ..samples.weather import load_weather

        return read_table(load_weather())
    if path is None:
        raise UserError(
            f"data.path is not set; data.source={source} needs the path of a CSV or Parquet file"
        )
    return read_layout(path, "m4" if source == "m4" else "table")


def make_sine() -> pd.DataFrame:
    """Return the sine of 1,000 evenly spaced points over 0..100, one column ``value``."""
    return pd.DataFrame({"value": np.sin(np.linspace(0.0, SINE_END, SINE_POINTS))})


def read_layout(source: pd.DataFrame | str | Path, layout: str) -> pd.DataFrame:
    """Read a table; layout ``m4`` becomes rows of ``series`` and ``value``."""
    frame = read_table(source)
    return (
        from_m4(frame) if layout == "m4" and not {M4_ID, M4_VALUE} <= set(frame.columns) else frame
    )


def from_m4(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn M4's layout (a name, then the values, padded on the right) into one row a value."""
    ids, columns = frame.columns[0], frame.columns[1:]
    if len(columns) == 0:
        raise UserError(
            f"{source_of(frame)}: found one column; M4's layout is a name and then the values of a"
            " series"
        )
    if (
        types.is_numeric_dtype(frame[ids].dtype)
        or frame[ids].isna().any()
        or not frame[ids].is_unique
    ):
        raise UserError(
            f"{source_of(frame)}: the first column must give each row's series a name of its own"
        )
    values = np.stack([numeric_column(frame, name) for name in columns], axis=1)
    observed = ~np.isnan(values)
    lengths = np.where(observed.any(axis=1), values.shape[1] - observed[:, ::-1].argmax(axis=1), 0)
    if (lengths == 0).any():
        raise UserError(
            f"{source_of(frame)}: series {frame[ids].iloc[int(lengths.argmin())]!r} has no values"
        )
    inside = np.arange(values.shape[1]) < lengths[:, None]
    codes = np.repeat(np.arange(len(frame)), lengths)
    names = pd.Categorical.from_codes(codes, categories=pd.Index(frame[ids].astype(str)))
    table = pd.DataFrame({M4_ID: names, M4_VALUE: values[inside]})
    table.attrs.update(frame.attrs)
    return table
