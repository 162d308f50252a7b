"""Parquet tables, checked."""

from pathlib import Path

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from gru_suite.errors import UserError


def read_parquet(path: Path, content: bytes | None = None) -> pd.DataFrame:
    """Read a Parquet file.

    Args:
        path: the file, for messages and, without ``content``, to read.
        content: its bytes, such as those of a compressed file.

    Raises:
        UserError: it is damaged, or not Parquet.
    """
    try:
        table = pq.read_table(path if content is None else pa.BufferReader(content))
        # Bytes that are not text would fail later, when a value is looked at.
        table.validate(full=True)
        frame: pd.DataFrame = table.to_pandas()
    except Exception as error:
        # Damaged metadata make pyarrow and pandas raise any exception.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not readable as a Parquet table ({reason})") from None
    return frame
