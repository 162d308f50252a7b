"""Texts and labels from tables: CSV, TSV, JSON lines, Parquet."""

from pathlib import Path

from gru_suite.data.tables.text_files import Column
from gru_suite.data.tables.text_tables import read_table, table_column, text_cells
from gru_suite.errors import UserError

from .labelled_texts import LabelledTexts


def read_labelled_table(
    path: Path,
    text_column: Column = "text",
    label_column: Column = "label",
    header: bool | None = None,
    encoding: str = "utf-8",
) -> LabelledTexts:
    """Read the texts and labels of a table.

    Args:
        path: CSV, TSV, JSON lines or Parquet.
        text_column: name, or number from 0.
        label_column: name, or number from 0.
        header: whether CSV and TSV have a header. None infers it: they do if a column is given by
            name, or if the label of the first line occurs in no other line.
        encoding: of a text file.

    Raises:
        UserError: the table is not readable, is empty, or lacks a column.
    """
    by_number = isinstance(text_column, int) and isinstance(label_column, int)
    has_header = header if header is not None else not by_number
    frame, notes = read_table(path, encoding, header=has_header)
    if (
        header is None
        and by_number
        and len(frame)
        and list(frame.columns) == [*range(frame.shape[1])]
    ):
        labels = table_column(frame, label_column, path.name, "data.label_column", has_header)
        if str(labels.iloc[0]) not in set(labels.iloc[1:].astype(str)):
            frame = frame.iloc[1:]
            notes.append(f"{path.name}: its first line was read as a header")
    texts = table_column(frame, text_column, path.name, "data.text_column", has_header)
    labels = table_column(frame, label_column, path.name, "data.label_column", has_header)
    if frame.empty:
        raise UserError(f"{path}: found no rows; at least one text is needed")
    return LabelledTexts(
        text_cells(texts, path.name),
        text_cells(labels, path.name),
        [f"{path.name}: row {number}" for number in range(1, len(frame) + 1)],
        notes,
    )
