"""Checks of pairs, and their split into train, val and test."""

from collections.abc import Sequence

from gru_suite.data.held_out import hold_out_rows, leave_out, missing_shares, with_held_out

from .text_pairs import Parts, TextPairs


def drop_unusable(pairs: TextPairs, max_bad_fraction: float) -> TextPairs:
    """Drop pairs of which a side is empty, with a note.

    Args:
        pairs: the pairs.
        max_bad_fraction: largest share of such pairs.

    Raises:
        UserError: there are more of them.
    """
    bad = {
        row: "an empty target" if source.strip() else "an empty source"
        for row, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True))
        if not source.strip() or not target.strip()
    }
    return leave_out(pairs, bad, pairs.places, "pairs", max_bad_fraction)


def hold_out_missing(parts: Parts, split: Sequence[float], seed: int) -> Parts:
    """Split missing parts off train, with pairs of the same source in one part.

    Sources are the same here if they differ in case and spaces only.

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
    keys = [source_key(source) for source in train.sources]
    chosen = hold_out_rows(keys, [""] * len(train), list(shares.values()), seed)
    return with_held_out(parts, shares, chosen)


def count_overlap(pairs: TextPairs, train: TextPairs) -> int:
    """Return the number of pairs whose source is a training source too, but for case and spaces."""
    train_keys = {source_key(source) for source in train.sources}
    return sum(source_key(source) in train_keys for source in pairs.sources)


def source_key(source: str) -> str:
    """Return what a source has in common with copies that differ in case and spaces."""
    return " ".join(source.casefold().split())
