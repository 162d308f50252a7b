"""Pairs of texts from tables: CSV, TSV, JSON lines, Parquet, Excel."""

from pathlib import Path

from gru_suite.data.tables.text_files import Column
from gru_suite.errors import UserError

from .text_pairs import TextPairs


def read_pair_table(
    path: Path,
    source_column: Column = "source",
    target_column: Column = "target",
    header: bool | None = None,
    encoding: str = "utf-8",
) -> TextPairs:
    """Read the pairs of a table.

    Args:
        path: CSV, TSV, JSON lines, Parquet or Excel, gzipped or not.
        source_column: name, or number from 0.
        target_column: name, or number from 0.
        header: whether CSV and TSV have a header. None: they do if a column is given by name.
        encoding: of a text file.

    Raises:
        UserError: the table is not readable, is empty, lacks a column or has a cell that is no
            text; or both columns are the same.
    """
    # As slow as pandas to import.
    from gru_suite.data.tables.text_tables import read_table, table_column, text_cells

    if source_column == target_column:
        raise UserError(
            f"data.source and data.target are both {source_column!r}; two columns are needed"
        )
    by_number = isinstance(source_column, int) and isinstance(target_column, int)
    has_header = header if header is not None else not by_number
    frame, notes = read_table(path, encoding, header=has_header)
    if frame.empty:
        raise UserError(f"{path}: found no rows; at least one pair of texts is needed")
    sides = [
        text_cells(table_column(frame, column, path.name, option, has_header), path.name)
        for column, option in (
            (source_column, "data.source"),
            (target_column, "data.target"),
        )
    ]
    places = [f"{path.name}: row {number}" for number in range(1, len(frame) + 1)]
    return TextPairs(sides[0], sides[1], places, notes)
