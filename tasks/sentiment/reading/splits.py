"""Splits into train, val and test; checks of texts and labels."""

from collections.abc import Sequence

from gru_suite.data.held_out import hold_out_rows, leave_out, missing_shares, with_held_out
from gru_suite.errors import UserError, nearest

from .labelled_texts import LabelledTexts, Parts


def drop_unusable(part: LabelledTexts, max_bad_fraction: float) -> LabelledTexts:
    """Drop texts that are empty or have no label, with a note.

    Args:
        part: the texts.
        max_bad_fraction: largest share of such texts.

    Raises:
        UserError: there are more of them.
    """
    bad = {
        row: "an empty text" if label else "no label"
        for row, (text, label) in enumerate(zip(part.texts, part.labels, strict=True))
        if not text.strip() or not label
    }
    return leave_out(part, bad, part.locations, "rows", max_bad_fraction)


def hold_out_missing(parts: Parts, split: Sequence[float], seed: int) -> Parts:
    """Split missing parts off train, stratified by class, with copies of a text in one part.

    Args:
        parts: ``train``, and ``val`` and ``test`` where they exist.
        split: shares of train, val and test. Missing parts are held out in proportion to their
            shares.
        seed: of the random choice.

    Raises:
        UserError: ``split`` is not three shares that add up to 1.
    """
    shares = missing_shares(parts, split)
    train = parts["train"]
    chosen = hold_out_rows(train.texts, train.labels, list(shares.values()), seed)
    return with_held_out(parts, shares, chosen)


def order_labels(labels: Sequence[str], wanted: Sequence[str] | None = None) -> list[str]:
    """Return the class names: ``wanted``, or those that occur, sorted (numbers by value).

    Raises:
        UserError: there are fewer than two, or one of ``wanted`` does not occur.
    """
    found = set(labels)
    for label in wanted or ():
        if label not in found:
            raise UserError(f"data.labels: {label!r} does not occur{nearest(label, sorted(found))}")
    if len(found) < 2:
        raise UserError(
            f"found one label only, {next(iter(found))!r}, in {len(labels)} training texts; "
            "classification needs at least two"
            if found
            else "found no training texts"
        )
    if wanted:
        return list(wanted)
    if all(label.lstrip("-").isdecimal() for label in found):
        return sorted(found, key=int)
    return sorted(found)


def class_indices(part: LabelledTexts, labels: Sequence[str]) -> list[int]:
    """Return the index in ``labels`` of each text's label.

    Raises:
        UserError: a label is not among them.
    """
    indices = {label: index for index, label in enumerate(labels)}
    for label, location in zip(part.labels, part.locations, strict=True):
        if label not in indices:
            raise UserError(
                f"{location}: found label {label!r}, which no training text has"
                f"{nearest(label, labels)}"
            )
    return [indices[label] for label in part.labels]


def count_overlap(part: LabelledTexts, train: LabelledTexts) -> int:
    """Return the number of texts of a part that are also training texts, character by character."""
    train_texts = set(train.texts)
    return sum(text in train_texts for text in part.texts)
