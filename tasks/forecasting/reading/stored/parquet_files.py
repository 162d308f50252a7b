"""Parquet files of one long table, read in blocks of rows."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from gru_suite.errors import UserError

SUFFIXES = (".parquet", ".pq")
# Rows in memory at once, whatever the size of a file's row groups.
BLOCK_ROWS = 1 << 18


def find_parquet(path: str | None) -> list[Path] | None:
    """Return the Parquet files of a folder or of a pattern such as ``data/part-*.parquet``, sorted.

    Returns:
        The files; None where the path is that of one file, or a folder without Parquet files.

    Raises:
        UserError: no file fits the pattern.
    """
    if path is None:
        return None
    place = Path(path).expanduser()
    if place.is_dir():
        found = [each for each in place.rglob("*") if each.suffix.lower() in SUFFIXES]
        return sorted(each for each in found if each.name[:1] not in "._") or None
    if place.is_file() or not glob.has_magic(str(place)):
        return None
    found = [Path(name) for name in sorted(glob.glob(str(place), recursive=True))]
    if not found:
        raise UserError(f"data.path={path}: no file fits this pattern")
    for each in found:
        if each.suffix.lower() not in SUFFIXES:
            raise UserError(f"data.path={path}: {each.name} is no Parquet file")
    return found


def read_head(files: Sequence[Path]) -> pd.DataFrame:
    """Return the first rows of the files, and check that all have their columns.

    Raises:
        UserError: a file is damaged, lacks a column, or all are empty.
    """
    schemas = [(path, _column_names(path)) for path in files]
    wanted = schemas[0][1]
    for path, names in schemas:
        missing = [name for name in wanted if name not in names]
        if missing:
            raise UserError(f"{path}: has no column {missing[0]!r}, which {files[0].name} has")
    for block in read_blocks(files, wanted):
        return block
    raise UserError(f"{files[0].parent}: the Parquet files have no rows")


def read_blocks(
    files: Sequence[Path], columns: Sequence[str], id_column: str | None = None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of all files in order, in blocks whose index counts the rows of their file.

    Args:
        files: of one table.
        columns: to read.
        id_column: is read as a categorical, which takes less memory.

    Raises:
        UserError: a file is damaged.
    """
    for path in files:
        row = 0
        file = _opened(path, id_column)
        try:
            for batch in file.iter_batches(BLOCK_ROWS, columns=list(columns)):
                batch.validate(full=True)
                block: pd.DataFrame = batch.to_pandas(ignore_metadata=True)
                block.index = pd.RangeIndex(row, row + len(block))
                block.attrs["source"] = path.name
                row += len(block)
                if len(block):
                    yield block
        except Exception as error:
            # Damaged pages make pyarrow raise any exception.
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path}: not readable as a Parquet table ({_reason(error)})") from None


def _column_names(path: Path) -> list[str]:
    # Without the unnamed index that pandas writes.
    names: list[str] = _opened(path).schema_arrow.names
    return [name for name in names if not name.startswith("__index_level_")]


def _opened(path: Path, id_column: str | None = None) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, read_dictionary=[id_column] if id_column else None)
    except Exception as error:
        raise UserError(f"{path}: not readable as a Parquet table ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
