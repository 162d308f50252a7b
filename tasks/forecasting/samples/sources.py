"""Training tables by ``data.source``: a file, the embedded weather, a sine."""

import numpy as np
import pandas as pd

from gru_suite.errors import UserError, nearest

from ..reading.layouts import read_layout
from ..reading.tables import read_table
from .weather import load_weather

SOURCES = ("csv", "m4", "sine", "weather")
SINE_POINTS, SINE_END = 1_000, 100.0


def load_source(source: str, path: str | None) -> pd.DataFrame:
    """Read the training table of ``data.source``.

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
        return read_table(load_weather())
    if path is None:
        raise UserError(
            f"data.path is not set; data.source={source} needs the path of a CSV or Parquet file"
        )
    return read_layout(path, "m4" if source == "m4" else "table")


def make_sine() -> pd.DataFrame:
    """Return the sine of 1,000 evenly spaced points over 0..100, one column ``value``."""
    return pd.DataFrame({"value": np.sin(np.linspace(0.0, SINE_END, SINE_POINTS))})
