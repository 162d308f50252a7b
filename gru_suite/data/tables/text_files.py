"""Text files: encoding, compression, lines."""

import codecs
import gzip
from pathlib import Path

from gru_suite.errors import UserError, nearest

# It decodes any bytes, and the old data sets are written in it.
FALLBACK_ENCODING = "latin-1"
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".xlsx", ".xlsm")
_KNOWN_ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16", "ascii", "iso-8859-15", "shift_jis")

Column = str | int
"""A column of a table, by name or by number from 0."""


def check_encoding(encoding: str) -> None:
    """Check the value of ``data.encoding``.

    Raises:
        UserError: Python has no such encoding.
    """
    try:
        codecs.lookup(encoding)
    except LookupError:
        hint = nearest(str(encoding), _KNOWN_ENCODINGS)
        raise UserError(f"data.encoding={encoding}: no such encoding{hint}") from None


def decode(content: bytes, encoding: str) -> tuple[str, bool]:
    """Decode bytes, by ``FALLBACK_ENCODING`` where they are not valid in ``encoding``.

    A byte order mark takes precedence over ``encoding``, and is removed.

    Returns:
        The text, and whether the fallback was used.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace"), False
    try:
        return content.decode(encoding).removeprefix("\ufeff"), False
    except UnicodeDecodeError:
        return content.decode(FALLBACK_ENCODING), True


def read_text(path: Path, encoding: str = "utf-8") -> tuple[str, list[str]]:
    """Read a text file, gzipped or not.

    Returns:
        The text, and a note where the fallback encoding was used.

    Raises:
        UserError: the file does not exist, is empty or is not text.
    """
    check_encoding(encoding)
    content = read_bytes(path)
    if not content.strip():
        raise UserError(f"{path}: the file is empty; it needs at least one text")
    text, fell_back = decode(content, encoding)
    if "\0" in text:
        raise UserError(f"{path}: not a text file (it has zero bytes)")
    note = f"{path.name}: not in {encoding}, read as {FALLBACK_ENCODING}"
    return text, [note] if fell_back else []


def read_lines(path: Path, encoding: str = "utf-8") -> tuple[list[str], list[str]]:
    """Read the lines of a text file, blank ones included, so that line numbers stay right.

    Returns:
        The lines without line ends, and the notes of :func:`read_text`.
    """
    text, notes = read_text(path, encoding)
    # Not splitlines, which also splits at control characters that occur in latin-1 texts.
    return text.removesuffix("\n").replace("\r\n", "\n").split("\n"), notes


def read_bytes(path: Path) -> bytes:
    """Read a file, decompressed where its name ends in ``.gz``.

    Raises:
        UserError: the file does not exist or is damaged.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; the path of a file is needed")
    if not path.is_file():
        folder = path.parent
        files = folder.iterdir() if folder.is_dir() else ()
        names = sorted(each.name for each in files if each.is_file())
        raise UserError(f"{path}: no such file{nearest(path.name, names)}")
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
