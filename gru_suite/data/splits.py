"""Splits into training, validation and test by group."""

import math
import random
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from gru_suite.errors import UserError

PARTS = ("train", "val", "test")
# The split belongs to the data, so its seed is not that of the run.
_SEED = 0


def split_files(
    names: Sequence[str],
    classes: Sequence[str],
    group_regex: str | None,
    shares: Sequence[float],
    option: str = "data.split",
) -> list[tuple[str, str]]:
    """Assign groups and parts to files, deterministically.

    Args:
        names: distinct names, in which ``group_regex`` is searched.
        classes: the class of each file.
        group_regex: its first group (or the whole match) is the group, such as a speaker, and a
            group's files stay together. None splits by file, each class in the same proportions.
        shares: of training, validation and test.
        option: the name of ``shares`` in error messages.

    Returns:
        Group and part of each file; groups are empty without ``group_regex``.

    Raises:
        UserError: an invalid pattern, shares that do not add up to 1, or too few groups.
    """
    _check_shares(shares, option)
    groups = list(names) if group_regex is None else find_groups(names, group_regex)
    units: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, of_class, group in zip(names, classes, groups, strict=True):
        units["" if group_regex else of_class][group].append(name)
    if group_regex and len(units[""]) < 3:
        raise UserError(
            f"data.group_regex={group_regex!r} finds {len(units[''])} groups in the names of "
            f"{len(names)} files; training, validation and test need one each"
        )
    part_of: dict[str, str] = {}
    for key, by_group in units.items():
        part_of |= split_units(list(by_group.values()), {"test": shares[2], "val": shares[1]}, key)
    return [
        (group if group_regex else "", part_of[name])
        for name, group in zip(names, groups, strict=True)
    ]


def split_units(
    units: Sequence[list[str]], shares: Mapping[str, float], key: str = ""
) -> dict[str, str]:
    """Assign units of names to parts: whole units in random order until a part has its share.

    Args:
        units: names that stay together.
        shares: of the parts other than training, which gets the rest and at least one unit; in
            the order in which they are filled.
        key: seeds the random order.

    Returns:
        The part of each name.
    """
    order = sorted(units)
    random.Random(f"{_SEED} {key}").shuffle(order)
    total = sum(len(unit) for unit in order)
    part_of: dict[str, str] = {}
    for part, share in shares.items():
        wanted, taken = round(share * total), 0
        while len(order) > 1 and share > 0 and (taken == 0 or taken < wanted):
            unit = order.pop()
            taken += len(unit)
            part_of.update(dict.fromkeys(unit, part))
    part_of.update({name: "train" for unit in order for name in unit})
    return part_of


def choose_share(classes: Sequence[Any], share: float, seed: int) -> list[int]:
    """Choose a share of items at random, of each class at least one.

    A larger share with the same seed has all items of a smaller one.

    Args:
        classes: the class of each item.
        share: above 0, up to 1.
        seed: of the choice.

    Returns:
        Ascending numbers of the chosen items.
    """
    of_class: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(classes):
        of_class[str(name)].append(number)
    chosen: list[int] = []
    for name, numbers in of_class.items():
        random.Random(zlib.crc32(f"{seed} {name}".encode())).shuffle(numbers)
        chosen += numbers[: max(1, round(share * len(numbers)))]
    return sorted(chosen)


def find_groups(names: Sequence[str], pattern: str) -> list[str]:
    """Return the match of a pattern in each name: its first group, or the whole match.

    Raises:
        UserError: the pattern is invalid, or does not match a name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"data.group_regex={pattern!r}: not a pattern: {error}") from error
    groups = []
    for name in names:
        found = compiled.search(name)
        if found is None:
            raise UserError(f"data.group_regex={pattern!r}: does not match {name!r}")
        groups.append(found.group(1 if compiled.groups else 0) or "")
    return groups


def _check_shares(shares: Sequence[float], option: str) -> None:
    values = [float(share) for share in shares]
    if len(values) != 3 or min(values) <= 0 or not math.isclose(sum(values), 1, abs_tol=1e-6):
        raise UserError(
            f"{option}={list(shares)}: needs three shares above 0 that add up to 1, such as "
            "[0.8,0.1,0.1]"
        )
