"""Documents and summaries from tables: CSV, TSV, JSON lines, Parquet, Excel."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru_suite.data.tables.text_files import Column
from gru_suite.errors import UserError

from .documents import Document, Documents
from .sentences import split_sentences

if TYPE_CHECKING:
    import pandas as pd


def read_document_table(
    path: Path,
    document_column: Column = "document",
    summary_column: Column | None = "summary",
    labels_column: Column | None = None,
    group_column: Column | None = None,
    encoding: str = "utf-8",
) -> Documents:
    """Read the documents of a table.

    A cell of a document is a text, which is split into sentences, or a list of sentences, which
    stay as they are. A cell of a summary is a text, or a list of references.

    Args:
        path: CSV, TSV, JSON lines, Parquet or Excel.
        document_column: name, or number from 0.
        summary_column: the same; None where the table has labels only.
        labels_column: of 0 and 1 for each sentence; None where the table has none.
        group_column: documents with the same value are in one part; None: each is its own group.
        encoding: of a text file.

    Raises:
        UserError: the table is not readable, is empty, lacks a column, or labels do not fit.
    """
    from gru_suite.data.tables.text_tables import read_table, table_column

    given = {
        "data.document_column": document_column,
        "data.summary_column": summary_column,
        "data.labels_column": labels_column,
        "data.group_column": group_column,
    }
    columns = {option: column for option, column in given.items() if column is not None}
    has_header = any(isinstance(column, str) for column in columns.values())
    frame, notes = read_table(path, encoding, header=has_header)
    if frame.empty:
        raise UserError(f"{path}: found no rows; at least one document is needed")
    cells = {
        option: list(table_column(frame, column, path.name, option, has_header))
        for option, column in columns.items()
    }
    documents = Documents(notes=notes)
    for row in range(len(frame)):
        location = f"{path.name}: row {row + 1}"
        values = {option: column[row] for option, column in cells.items()}
        sentences = document_sentences(values["data.document_column"], location)
        documents.items.append(
            Document(
                sentences,
                _references(values.get("data.summary_column")),
                _labels(values.get("data.labels_column"), len(sentences), location),
                location,
                cell_text(values.get("data.group_column")),
            )
        )
    return documents


def document_sentences(cell: Any, location: str) -> list[str]:
    """Return the sentences of a document: a text, or a list of sentences.

    Raises:
        UserError: the list has something else in it.
    """
    items = _as_list(cell)
    if items is None:
        return split_sentences(cell_text(cell))
    for item in items:
        if not isinstance(item, str):
            raise UserError(
                f"{location}: the document is a list with {type(item).__name__} in it; a text or "
                "a list of sentences is needed"
            )
    return [" ".join(item.split()) for item in items if item.strip()]


def column_documents(frame: "pd.DataFrame", column: Column, table: str) -> list[Any]:
    """Return the documents to predict of a table; those of its only column if it has just one.

    Raises:
        UserError: the column is not there.
    """
    from gru_suite.data.tables.text_tables import table_column

    if frame.shape[1] == 1 and column not in frame.columns:
        return list(frame.iloc[:, 0])
    return list(table_column(frame, column, table, "the model", isinstance(column, str)))


def cell_text(cell: Any) -> str:
    """Return a cell as text, empty where it is missing."""
    from gru_suite.data.tables.text_tables import cell_text as as_text

    return as_text(cell)


def _as_list(cell: Any) -> list[Any] | None:
    """Return a list or array as a list, and None for other cells."""
    if isinstance(cell, list | tuple):
        return list(cell)
    # Parquet's lists.
    return list(cell) if getattr(cell, "ndim", None) == 1 else None


def _references(cell: Any) -> list[str]:
    items = _as_list(cell)
    texts = [cell_text(each) for each in (items if items is not None else [cell])]
    return [text for text in texts if text]


def _labels(cell: Any, num_sentences: int, location: str) -> list[bool] | None:
    """Return the labels of a document's sentences.

    Raises:
        UserError: there are more or fewer than sentences, or others than 0 and 1.
    """
    items = _as_list(cell)
    if items is None:
        text = cell_text(cell)
        if not text:
            return None
        try:
            items = json.loads(text) if text.startswith("[") else text.replace(",", " ").split()
        except json.JSONDecodeError:
            items = [text]
    found = [str(each) for each in items]
    allowed = {"0": False, "1": True, "True": True, "False": False, "1.0": True, "0.0": False}
    if len(found) != num_sentences or any(each not in allowed for each in found):
        raise UserError(
            f"{location}: found {len(found)} labels ({' '.join(found[:6])}) for {num_sentences} "
            "sentences; a 0 or 1 for each sentence is needed, and a document as a list of "
            "sentences makes their number certain"
        )
    return [allowed[each] for each in found]
