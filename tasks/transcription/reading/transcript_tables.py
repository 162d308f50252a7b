"""Tables of recordings and transcripts."""

from pathlib import Path

from gru_suite.data.splits import find_groups
from gru_suite.data.tables.text_files import Column
from gru_suite.data.tables.text_tables import read_table, table_column, text_cells
from gru_suite.errors import UserError, nearest

from .utterances import Utterances

PATH_NAMES = ("path", "file", "filename", "audio", "wav", "recording")
TEXT_NAMES = ("text", "sentence", "transcript", "transcription")


def read_transcript_table(
    path: Path,
    audio_dir: Path | None = None,
    path_column: Column | None = None,
    text_column: Column | None = None,
    group_column: Column | None = None,
    group_regex: str | None = None,
    encoding: str = "utf-8",
    part_column: Column | None = None,
) -> Utterances:
    """Read a table with a column of sound files and one of transcripts.

    Args:
        path: the table: CSV, TSV, JSON lines, Parquet or Excel, with a header.
        audio_dir: folder that the paths are relative to; None is the folder of the table.
        path_column: name or number of the column of paths; None takes the first of
            ``PATH_NAMES`` that there is.
        text_column: of the transcripts; None takes the first of ``TEXT_NAMES``.
        group_column: of the speakers.
        group_regex: finds the speaker in a path, without ``group_column``.
        encoding: of a text file.
        part_column: the part of each recording; None where the table has none.

    Raises:
        UserError: the table cannot be read, a column is missing, or no file is where it says.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    frame, notes = read_table(path, encoding)
    names = [str(name) for name in frame.columns]
    if path_column is None:
        path_column = _first_of(names, PATH_NAMES, path, "data.path_column")
    if text_column is None:
        text_column = _first_of(names, TEXT_NAMES, path, "data.text_column")
    files = text_cells(
        table_column(frame, path_column, path.name, "data.path_column", True), path.name
    )
    texts = text_cells(
        table_column(frame, text_column, path.name, "data.text_column", True), path.name
    )
    if group_column is not None:
        column = table_column(frame, group_column, path.name, "data.group_column", True)
        groups = text_cells(column, path.name)
    else:
        groups = find_groups(files, group_regex) if group_regex else [""] * len(files)
    root = path.parent if audio_dir is None else audio_dir
    found = Utterances(notes=list(notes))
    for row, (file, text, group) in enumerate(zip(files, texts, groups, strict=True), 1):
        found.add(root / file, text, group, f"{path.name}: row {row}")
    if part_column is not None:
        column = table_column(frame, part_column, path.name, "parts", True)
        found.parts = text_cells(column, path.name)
    _check_files(found, root)
    return found


def _first_of(names: list[str], known: tuple[str, ...], path: Path, option: str) -> str:
    for name in known:
        for found in names:
            if found.lower() == name:
                return found
    raise UserError(
        f"{path.name}: none of its columns ({', '.join(names[:10])}) is called "
        f"{', '.join(known)}; set {option}"
    )


def _check_files(found: Utterances, root: Path) -> None:
    """Raise UserError where none of the first files is there; single ones are unreadable files."""
    first = [path for path in found.paths[:50] if path.name]
    if first and not any(path.is_file() for path in first):
        there = sorted(each.name for each in root.iterdir())[:200] if root.is_dir() else []
        raise UserError(
            f"{found.places[0]}: no such file: {first[0]}; paths are relative to {root} "
            f"(data.audio_dir){nearest(first[0].name, there)}"
        )
