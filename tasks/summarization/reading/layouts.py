"""Data sets in their published layout: SciTLDR."""

from pathlib import Path

from gru_suite.errors import UserError

from .documents import Parts
from .tables import read_document_table

_FILES = {"train": "train.jsonl", "val": "dev.jsonl", "test": "test.jsonl"}


def read_scitldr(folder: Path, encoding: str) -> Parts:
    """Read SciTLDR (Cachola et al. 2020, arXiv 2004.15011) as published.

    ``source`` is the list of sentences and ``target`` that of the references. Where ``test.jsonl``
    is not there, the official dev part is the test part, and the caller holds out training papers
    for validation: a part that selects the epoch must not be the one that is scored.

    Args:
        folder: of ``train.jsonl``, ``dev.jsonl`` and, if there, ``test.jsonl``.
        encoding: of the files.

    Raises:
        UserError: there is no such folder or no ``train.jsonl`` in it.
    """
    if not (folder / _FILES["train"]).is_file():
        found = sorted(each.name for each in folder.iterdir())[:6] if folder.is_dir() else []
        raise UserError(
            f"data.path={folder}: has no {_FILES['train']}; found {', '.join(found) or 'nothing'}"
        )
    parts = {
        part: read_document_table(
            folder / name, "source", "target", group_column="paper_id", encoding=encoding
        )
        for part, name in _FILES.items()
        if (folder / name).is_file()
    }
    if "test" not in parts and "val" in parts:
        parts["test"] = parts.pop("val")
        parts["test"].notes.append(
            "no test part here: the official dev part is scored as test, and papers of train are "
            "held out for validation"
        )
    return parts
