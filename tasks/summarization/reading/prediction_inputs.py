"""Documents to predict, from strings, tables and files."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gru_suite.data.tables.text_files import TABLE_SUFFIXES, Column, read_text
from gru_suite.errors import UserError

from .sentences import split_sentences
from .tables import column_documents, document_sentences

# Names of files are shorter, and asking for longer ones is an error on most systems.
_LONGEST_PATH = 250


def read_documents(raw: Any, column: Column, encoding: str) -> list[list[str]]:
    """Return the sentences of each document of an input of ``SummarizationModel.predict``.

    Args:
        raw: a text, a sequence of texts (or of lists of sentences), a table, or the path of a text
            file (one document) or a table.
        column: the document column of the training data.
        encoding: of text files.

    Raises:
        UserError: the input is none of these, or has elements other than texts.
    """
    if isinstance(raw, str):
        if len(raw) < _LONGEST_PATH and "\n" not in raw and Path(raw).is_file():
            warnings.warn(
                f"{raw!r} was read as a text itself; to read the file give pathlib.Path(...)",
                stacklevel=3,
            )
        return [split_sentences(raw)]
    if isinstance(raw, Path):
        return _read_file(raw, column, encoding)
    items: list[Any]
    if isinstance(raw, list | tuple):
        items = list(raw)
    else:
        # pandas is slow to import, and strings and lists of them do not need it.
        import numpy as np
        import pandas as pd

        if isinstance(raw, pd.DataFrame):
            items = column_documents(raw, column, "the given table")
        elif isinstance(raw, Sequence | np.ndarray | pd.Series) and not isinstance(raw, bytes):
            items = list(raw)
        else:
            raise UserError(
                f"input of type {type(raw).__name__}: needs a text, a list of texts, a pandas "
                "DataFrame, or the pathlib.Path of a file"
            )
    for row, item in enumerate(items):
        if not isinstance(item, str | list | tuple) and not hasattr(item, "ndim"):
            raise UserError(
                f"document {row} is {type(item).__name__}; a text, or a list of its sentences, is "
                "needed"
            )
    return [document_sentences(item, f"document {row}") for row, item in enumerate(items)]


def _read_file(path: Path, column: Column, encoding: str) -> list[list[str]]:
    name = path.name.removesuffix(".gz").lower()
    if not name.endswith(TABLE_SUFFIXES):
        return [split_sentences(read_text(path, encoding)[0])]
    # As slow as pandas to import.
    from gru_suite.data.tables.text_tables import read_table

    # Columns by number are those of a table without a header.
    frame, _ = read_table(path, encoding, header=isinstance(column, str))
    found = column_documents(frame, column, path.name)
    return [
        document_sentences(each, f"{path.name}: row {row}") for row, each in enumerate(found, 1)
    ]
