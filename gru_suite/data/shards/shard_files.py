"""Names of shards: patterns with braces and wildcards, and shards of each part."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def find_shards(pattern: str | Sequence[str], option: str = "data.path") -> list[Path]:
    """Return the shards of a pattern such as ``shards-{000..009}.tar``, or of several, in order.

    Args:
        pattern: with braces, as in a shell, and wildcards; or a folder of ``.tar`` files.
        option: for messages.

    Raises:
        UserError: there is no such file.
    """
    names = [pattern] if isinstance(pattern, str) else [str(each) for each in pattern]
    found: list[Path] = []
    for name in [each for given in names for each in _expanded(given)]:
        path = Path(name).expanduser()
        if path.is_dir():
            matches = sorted(each for each in path.iterdir() if ".tar" in each.suffixes)
        elif glob.has_magic(str(path)):
            matches = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]
        else:
            matches = [path] if path.is_file() else []
        if not matches:
            raise UserError(f"{option}={name}: no such shard; give tar files of a WebDataset")
        found += matches
    return list(dict.fromkeys(found))


def _expanded(pattern: str) -> Iterator[str]:
    match = _BRACES.search(pattern)
    if match is None:
        yield pattern
        return
    numbers = _RANGE.fullmatch(match[1])
    choices = match[1].split(",")
    if numbers is not None:
        first, last = numbers[1], numbers[2]
        choices = [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)]
    for choice in choices:
        yield from _expanded(pattern[: match.start()] + choice + pattern[match.end() :])


def shards_by_part(
    path: str | Sequence[str] | None, given: Mapping[str, str | Sequence[str] | None]
) -> dict[str, list[Path]]:
    """Return the shards of training, validation and test.

    Args:
        path: of all shards: those that no part names are for training; where no part is named, the
            last tenth is for test and the tenth before it for validation, at least one shard each.
        given: patterns by part; None for a part that is not named.

    Raises:
        UserError: a part is without shards, or two parts share one.
    """
    parts = {
        part: [] if (pattern := given.get(part)) is None else find_shards(pattern, f"data.{part}")
        for part in PARTS
    }
    named = [shard for shards in parts.values() for shard in shards]
    if len(set(named)) < len(named):
        twice = next(each for each in named if named.count(each) > 1)
        raise UserError(f"{twice}: is named for two parts; no shard may be in both")
    if path is not None:
        rest = [each for each in find_shards(path) if each not in named]
        if not named and len(rest) >= len(PARTS):
            tenth = max(1, len(rest) // 10)
            parts["test"], parts["val"] = rest[-tenth:], rest[-2 * tenth : -tenth]
            rest = rest[: -2 * tenth]
        parts["train"] += rest
    for part, shards in parts.items():
        if not shards:
            raise UserError(
                f"no shards for the {part} part: name them in data.{part}, such as "
                f"data.{part}='{part}-{{000..009}}.tar', or give three or more shards in data.path"
            )
    return parts
