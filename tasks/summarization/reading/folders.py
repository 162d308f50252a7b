"""Documents and summaries as text files in a folder."""

import re
from collections import defaultdict
from pathlib import Path

from gru_suite.data.tables.text_files import FALLBACK_ENCODING, decode
from gru_suite.errors import UserError

from .documents import Document, Documents, Parts
from .sentences import split_sentences

PART_NAMES = {"train": "train", "val": "val", "valid": "val", "dev": "val", "test": "test"}
_SUMMARY = re.compile(r"(?P<name>.+)\.summary(\.[^.]+)?\.txt")
_NUMBERED = re.compile(r"(?P<name>.+)\.\d+\.txt")


def read_document_folder(folder: Path, encoding: str) -> Parts:
    """Read the text files of a folder.

    The rule: ``x.txt`` is a document and ``x.summary.txt`` its summary, further references are
    ``x.summary.2.txt`` and so on; or the documents are in ``documents/`` and the summaries under
    the same names in ``summaries/`` (further references: ``x.2.txt``). Either may lie in folders
    ``train``, ``val`` and ``test``.

    Args:
        folder: with such files.
        encoding: of the files.

    Raises:
        UserError: there is no such folder, or no document in it.
    """
    if not folder.is_dir():
        raise UserError(f"data.path={folder}: no such folder")
    parts = {
        PART_NAMES[each.name]: each
        for each in sorted(folder.iterdir())
        if each.is_dir() and each.name in PART_NAMES
    }
    found = {
        part: _read_part(path, encoding) for part, path in (parts or {"train": folder}).items()
    }
    if not any(len(part) for part in found.values()):
        raise UserError(
            f"data.path={folder}: found no documents; needs x.txt beside x.summary.txt, or "
            "documents/x.txt and summaries/x.txt"
        )
    return found


def _read_part(folder: Path, encoding: str) -> Documents:
    apart = (folder / "documents").is_dir()
    files = sorted((folder / "documents" if apart else folder).glob("*.txt"))
    summaries: dict[str, list[Path]] = defaultdict(list)
    if apart:
        names = {file.stem for file in files}
        for file in sorted((folder / "summaries").glob("*.txt")):
            numbered = _NUMBERED.fullmatch(file.name)
            of_another = numbered is not None and file.stem not in names
            summaries[numbered["name"] if numbered and of_another else file.stem].append(file)
    else:
        for file in files:
            if match := _SUMMARY.fullmatch(file.name):
                summaries[match["name"]].append(file)
        files = [file for file in files if not _SUMMARY.fullmatch(file.name)]
    documents, fallbacks = Documents(), 0
    for file in files:
        text, fell_back = _read(file, encoding)
        references = [_read(each, encoding)[0].strip() for each in summaries.pop(file.stem, [])]
        fallbacks += fell_back
        documents.items.append(
            Document(
                split_sentences(text),
                [" ".join(each.split()) for each in references if each],
                location=f"{folder.name}/{file.name}",
            )
        )
    if fallbacks:
        note = f"{fallbacks} documents not in {encoding}, read as {FALLBACK_ENCODING}"
        documents.notes.append(note)
    if summaries:
        first = next(iter(summaries.values()))[0].name
        documents.notes.append(f"left out, no document: {len(summaries)} summaries, as {first}")
    return documents


def _read(file: Path, encoding: str) -> tuple[str, bool]:
    text, fell_back = decode(file.read_bytes(), encoding)
    if "\0" in text:
        raise UserError(f"{file}: not a text file (it has zero bytes)")
    return text, fell_back
