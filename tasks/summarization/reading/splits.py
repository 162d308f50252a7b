"""Splits into train, val and test by group; documents that are left out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from gru_suite.data.splits import PARTS, split_units
from gru_suite.text.held_out import leave_out, missing_shares, with_held_out

from .documents import Document, Documents, Parts


def drop_unusable(part: Documents, max_bad_fraction: float) -> Documents:
    """Leave out documents that are empty or have neither summary nor labels, with a note.

    Args:
        part: the documents.
        max_bad_fraction: largest share of such documents.

    Raises:
        UserError: there are more of them.
    """
    reasons = {row: _what_is_missing(document) for row, document in enumerate(part.items)}
    bad = {row: reason for row, reason in reasons.items() if reason}
    places = [document.location for document in part.items]
    return leave_out(part, bad, places, "documents", max_bad_fraction)


def _what_is_missing(document: Document) -> str:
    if not document.sentences:
        return "an empty document"
    if document.references:
        return ""
    if document.labels is None:
        return "no summary"
    return "" if any(document.labels) else "no summary, and labels that keep no sentence"


def hold_out_missing(parts: Parts, split: Sequence[float], seed: int) -> Parts:
    """Split missing parts off train by group; documents of equal text are in one part, too.

    Args:
        parts: ``train``, and ``val`` and ``test`` where they exist.
        split: shares of train, val and test. Missing parts are held out in proportion to their
            shares.
        seed: of the random choice.

    Raises:
        UserError: ``split`` is not three shares that add up to 1.
    """
    shares = missing_shares(parts, split)
    if not shares:
        return {part: parts[part] for part in PARTS}
    train = parts["train"]
    part_of = split_units(_units(train), dict(reversed(shares.items())), str(seed))
    rows = [
        [row for row in range(len(train)) if part_of[_key(row)] == part]
        for part in ("train", *shares)
    ]
    return with_held_out(parts, shares, rows)


def count_overlap(part: Documents, train: Documents) -> int:
    """Return the number of documents of a part whose text is that of a training document."""
    texts = {document.text for document in train.items}
    return sum(document.text in texts for document in part.items)


def _key(row: int) -> str:
    return f"{row:09d}"


def _units(part: Documents) -> list[list[str]]:
    """Return the rows, as keys, that stay together."""
    by_group: dict[str, list[str]] = defaultdict(list)
    group_of_text: dict[str, str] = {}
    for row, document in enumerate(part.items):
        own = document.group or f"document {row}"
        by_group[group_of_text.setdefault(document.text, own)].append(_key(row))
    return list(by_group.values())


def cut_documents(part: Documents, max_sentences: int) -> Documents:
    """Cut long documents after their first sentences, with a note."""
    long = sum(len(document.sentences) > max_sentences for document in part.items)
    if not long:
        return part
    cut = [
        replace(
            document,
            sentences=document.sentences[:max_sentences],
            labels=document.labels and document.labels[:max_sentences],
        )
        for document in part.items
    ]
    note = f"cut after {max_sentences} sentences (data.max_sentences): {long} training documents"
    return Documents(cut, [*part.notes, note])
