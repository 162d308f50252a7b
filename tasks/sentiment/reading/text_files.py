"""Labelled texts, and text files: decoding, lines."""

import codecs
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gru_suite.errors import UserError, nearest

# Every byte is a letter in it, so it never fails; the old data sets are written in it.
FALLBACK_ENCODING = "latin-1"
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq")
_KNOWN_ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16", "ascii", "iso-8859-15", "shift_jis")

Column = str | int
"""A column of a table, by name or by number from 0."""


@dataclass
class Texts:
    """Texts with their labels.

    Attributes:
        texts: as they stand in the file.
        labels: empty where a label is missing.
        places: what messages call each text: file and row, or its path.
        notes: what a person should know of the reading.
    """

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> "Texts":
        """Return some of the texts, with all notes."""
        columns = (self.texts, self.labels, self.places)
        texts, labels, places = ([column[row] for row in rows] for column in columns)
        return Texts(texts, labels, places, list(self.notes))


def check_encoding(encoding: str) -> None:
    """Refuse a name that no codec has.

    Raises:
        UserError: as said.
    """
    try:
        codecs.lookup(encoding)
    except LookupError:
        hint = nearest(str(encoding), _KNOWN_ENCODINGS)
        raise UserError(f"data.encoding={encoding}: no such encoding{hint}") from None


def decode(raw: bytes, encoding: str) -> tuple[str, bool]:
    """Decode bytes, by ``FALLBACK_ENCODING`` where they are not in ``encoding``.

    A byte order mark is obeyed and removed.

    Returns:
        The text, and whether the fallback was used.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace"), False
    try:
        return raw.decode(encoding).removeprefix("\ufeff"), False
    except UnicodeDecodeError:
        return raw.decode(FALLBACK_ENCODING), True


def read_text(path: Path, encoding: str = "utf-8") -> tuple[str, list[str]]:
    """Read a text file, packed by gzip or not.

    Returns:
        The text, and a note where the fallback encoding was used.

    Raises:
        UserError: no such file, an empty one, or one that is not text.
    """
    check_encoding(encoding)
    raw = read_bytes(path)
    if not raw.strip():
        raise UserError(f"{path}: the file is empty; it needs at least one text")
    text, fell_back = decode(raw, encoding)
    if "\0" in text:
        raise UserError(f"{path}: not a text file (it holds zero bytes)")
    note = f"{path.name}: not in {encoding}, read as {FALLBACK_ENCODING}"
    return text, [note] if fell_back else []


def read_lines(path: Path, encoding: str = "utf-8") -> tuple[list[str], list[str]]:
    """Read the lines of a text file; blank ones stay, so numbers are those of the file.

    Returns:
        The lines without their ends, and notes as of :func:`read_text`.
    """
    text, notes = read_text(path, encoding)
    # Not splitlines: it also cuts at characters that latin-1 texts hold as accents and dashes.
    return text.removesuffix("\n").replace("\r\n", "\n").split("\n"), notes


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked where its name ends in ``.gz``.

    Raises:
        UserError: no such file, or it is damaged.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; the path of a file is needed")
    if not path.is_file():
        beside = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
        raise UserError(f"{path}: no such file{nearest(path.name, beside)}")
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
