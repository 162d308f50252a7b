"""Pairs of texts from a table or two line-aligned files, by what the path says."""

from collections.abc import Sequence
from pathlib import Path

from gru_suite.data.tables.text_files import TABLE_SUFFIXES, Column
from gru_suite.errors import UserError

from .aligned_files import read_aligned_files
from .pair_tables import read_pair_table
from .text_pairs import TextPairs


def read_pairs(
    path: str | Sequence[str],
    source: Column = "source",
    target: Column = "target",
    header: bool | None = None,
    encoding: str = "utf-8",
) -> TextPairs:
    """Read pairs of texts.

    Args:
        path: a table; two line-aligned text files; or the common beginning of their names, which
            end in ``.<source>`` and ``.<target>``, gzipped or not.
        source: column, or end of a file's name.
        target: column, or end of a file's name.
        header: whether CSV and TSV have a header; None infers it.
        encoding: of text files.

    Raises:
        UserError: nothing of that kind is there, or it cannot be read.
    """
    if not isinstance(path, str):
        if len(path) != 2:
            raise UserError(
                f"data.path has {len(path)} files: two line-aligned ones are needed, sources first"
            )
        return read_aligned_files(Path(path[0]), Path(path[1]), encoding)
    found = Path(path)
    if found.name.removesuffix(".gz").lower().endswith(TABLE_SUFFIXES) or found.is_file():
        return read_pair_table(found, source, target, header, encoding)
    first, second = _with_end(found, str(source)), _with_end(found, str(target))
    if first is None and second is None:
        raise UserError(
            f"{path}: no such file, nor {found.name}.{source} and {found.name}.{target}; give a "
            "table, two line-aligned files, or the beginning of their names"
        )
    if first is None or second is None:
        there = sorted(each.name for each in found.parent.glob(f"{found.name}.*"))
        missing = source if first is None else target
        raise UserError(f"{path}: there is no {found.name}.{missing}; there are {', '.join(there)}")
    return read_aligned_files(first, second, encoding)


def _with_end(path: Path, end: str) -> Path | None:
    for name in (f"{path.name}.{end}", f"{path.name}.{end}.gz"):
        if (path.parent / name).is_file():
            return path.parent / name
    return None
