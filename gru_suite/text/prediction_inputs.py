"""Texts to predict, from strings, tables and files."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gru_suite.data.tables.text_files import TABLE_SUFFIXES, Column, read_lines
from gru_suite.errors import UserError

# Names of files are shorter, and asking for longer ones is an error on most systems.
_LONGEST_PATH = 250


def read_texts(raw: Any, column: Column, encoding: str, depth: int = 1) -> list[str]:
    """Return the texts of an input of a model of texts.

    Args:
        raw: a text, a sequence of texts, a table, or the path of a text file or a table.
        column: the text column of the training data.
        encoding: of text files.
        depth: calls between this one and that of ``predict``, whose caller is warned.

    Raises:
        UserError: the input is none of these, or has elements other than texts.
    """
    if isinstance(raw, str):
        if len(raw) < _LONGEST_PATH and Path(raw).is_file():
            warnings.warn(
                f"{raw!r} was read as a text itself; to read the file give pathlib.Path(...)",
                stacklevel=depth + 2,
            )
        return [raw]
    if isinstance(raw, Path):
        return _read_file(raw, column, encoding)
    if not isinstance(raw, list | tuple):
        # pandas is slow to import, and strings and lists of them do not need it.
        import pandas as pd

        from gru_suite.data.tables.text_tables import column_texts

        if isinstance(raw, pd.DataFrame):
            return column_texts(raw, column, "the given table")
        if not isinstance(raw, Sequence | np.ndarray | pd.Series) or isinstance(raw, bytes):
            raise UserError(
                f"input of type {type(raw).__name__}: needs a text, a list of texts, a pandas "
                "DataFrame, or the pathlib.Path of a file of texts"
            )
    texts = list(raw)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(f"text {row} is {type(text).__name__}; strings are needed")
    return texts


def _read_file(path: Path, column: Column, encoding: str) -> list[str]:
    if not path.name.removesuffix(".gz").lower().endswith(TABLE_SUFFIXES):
        return read_lines(path, encoding)[0]
    # As slow as pandas to import.
    from gru_suite.data.tables.text_tables import column_texts, read_table

    # Columns by number are those of a table without a header.
    frame, _ = read_table(path, encoding, header=isinstance(column, str))
    return column_texts(frame, column, path.name)
