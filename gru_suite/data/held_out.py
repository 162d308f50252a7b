"""Rows that are left out, and rows of validation and test held out of those of training."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from gru_suite.data.splits import PARTS, split_units
from gru_suite.errors import UserError

_MAX_NAMED = 3


class Part(Protocol):
    """Rows of which some can be selected, with all notes on the reading."""

    notes: list[str]

    def select(self: "PartT", rows: list[int], /) -> "PartT":
        """Return some of the rows."""


PartT = TypeVar("PartT", bound=Part)


def leave_out(
    part: PartT, bad: Mapping[int, str], places: Sequence[str], items: str, max_bad_fraction: float
) -> PartT:
    """Leave out rows that cannot be used, with a note for each reason.

    Args:
        part: the rows.
        bad: the rows, and what was found in each, such as ``an empty text``.
        places: file and row of each.
        items: plural of what a row holds, such as ``texts``.
        max_bad_fraction: largest share of rows that are left out.

    Raises:
        UserError: there are more of them.
    """
    if not bad:
        return part
    first, of_all = next(iter(bad)), f"of {len(places)} {items}"
    if len(bad) > max_bad_fraction * len(places):
        raise UserError(
            f"{places[first]}: found {bad[first]} ({len(bad)} {of_all} cannot be used, "
            f"data.max_bad_fraction={max_bad_fraction:g} are allowed)"
        )
    kept = part.select([row for row in range(len(places)) if row not in bad])
    for reason in sorted(set(bad.values())):
        rows = [row for row, each in bad.items() if each == reason]
        named = ", ".join(places[row] for row in rows[:_MAX_NAMED])
        more = ", ..." if len(rows) > _MAX_NAMED else ""
        kept.notes.append(f"left out, {reason}: {len(rows)} {of_all}: {named}{more}")
    return kept


def missing_shares(parts: Container[str], split: Sequence[float]) -> dict[str, float]:
    """Return the share of the given training rows that each missing part gets.

    Args:
        parts: those that exist; ``train`` is one of them.
        split: shares of train, val and test. Missing parts are held out in proportion to their
            shares.

    Raises:
        UserError: ``split`` is not three shares that add up to 1.
    """
    shares = [float(share) for share in split]
    if len(shares) != 3 or min(shares) < 0 or shares[0] <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise UserError(
            f"data.split={list(split)}: needs the shares of train, val and test, which add up "
            "to 1, such as [0.8,0.1,0.1]"
        )
    wanted = {part: share for part, share in zip(PARTS, shares, strict=True) if part not in parts}
    total = shares[0] + sum(wanted.values())
    return {part: share / total for part, share in wanted.items()}


def hold_out_rows(
    texts: Sequence[str], classes: Sequence[str], shares: Sequence[float], seed: int
) -> list[list[int]]:
    """Choose rows to hold out, stratified by class, with copies of a text in one part.

    Args:
        texts: copies are equal here.
        classes: of each text; that of its first copy counts. At least one text of each stays.
        shares: of each part to hold out.
        seed: of the random choice.

    Returns:
        The rows that stay, then those of each part held out, each in ascending order.
    """
    if not shares:
        return [list(range(len(texts)))]
    rows_by_text: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        rows_by_text[text].append(row)
    by_class: dict[str, list[list[int]]] = defaultdict(list)
    for rows in rows_by_text.values():
        by_class[classes[rows[0]]].append(rows)
    generator = np.random.default_rng(seed)
    chosen: list[list[int]] = [[] for _ in range(len(shares) + 1)]
    for name in sorted(by_class):
        groups = by_class[name]
        order = generator.permutation(len(groups))
        start = 0
        for part, share in enumerate(shares, 1):
            end = min(start + round(share * len(groups)), len(groups) - 1)
            for index in order[start:end]:
                chosen[part].extend(groups[index])
            start = max(start, end)
        for index in order[start:]:
            chosen[0].extend(groups[index])
    return [sorted(rows) for rows in chosen]


def hold_out_groups(
    groups: Sequence[str], shares: Mapping[str, float], seed: int
) -> list[list[int]]:
    """Choose whole groups to hold out.

    Args:
        groups: of each row.
        shares: of each part to hold out.
        seed: of the random choice.

    Returns:
        The rows that stay, then those of each part held out, each in ascending order.
    """
    if not shares:
        return [list(range(len(groups)))]
    units: dict[str, list[str]] = defaultdict(list)
    for row, group in enumerate(groups):
        units[group].append(f"{row:09d}")
    part_of = split_units(list(units.values()), dict(reversed([*shares.items()])), str(seed))
    return [
        [row for row in range(len(groups)) if part_of[f"{row:09d}"] == part]
        for part in ("train", *shares)
    ]


def with_held_out(
    parts: Mapping[str, PartT], missing: Iterable[str], rows: Sequence[Sequence[int]]
) -> dict[str, PartT]:
    """Return train, val and test, of which missing ones are rows of train; it keeps the notes.

    Args:
        parts: those that exist; ``train`` is one of them.
        missing: the others.
        rows: of train that stay, then those of each missing part.
    """
    complete = dict(parts)
    for part, chosen in zip(["train", *missing], rows, strict=True):
        complete[part] = parts["train"].select(list(chosen))
        if part != "train":
            complete[part].notes = []
    return {part: complete[part] for part in PARTS}
