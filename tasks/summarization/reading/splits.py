"""Splits into train, val and test by group; documents that are left out."""

from collections.abc import Sequence
from dataclasses import replace

from gru_suite.data.held_out import hold_out_groups, leave_out, missing_shares, with_held_out

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
    return with_held_out(parts, shares, hold_out_groups(_groups(parts["train"]), shares, seed))


def count_overlap(part: Documents, train: Documents) -> int:
    """Return the number of documents of a part whose text is that of a training document."""
    texts = {document.text for document in train.items}
    return sum(document.text in texts for document in part.items)


def _groups(part: Documents) -> list[str]:
    """Return the group of each document; of a copy that of the first one with its text."""
    group_of_text: dict[str, str] = {}
    return [
        group_of_text.setdefault(document.text, document.group or f"document {row}")
        for row, document in enumerate(part.items)
    ]


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
