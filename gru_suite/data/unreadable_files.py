"""Files of a data set that cannot be read: named, and too many of them refused."""

from collections.abc import Mapping
from itertools import islice

from gru_suite.errors import UserError

_MAX_NAMED = 10


def check_bad(bad: Mapping[str, str], num_files: int, max_bad_fraction: float, kind: str) -> None:
    """Refuse data of which too much cannot be read.

    Args:
        bad: reason by file name.
        num_files: all files, the unreadable ones among them.
        max_bad_fraction: share of unreadable files that is left out without stopping.
        kind: what the files are, such as ``sound`` or ``video``.

    Raises:
        UserError: there are more; names the first of them.
    """
    if len(bad) > max_bad_fraction * num_files:
        raise UserError(
            f"{len(bad)} of {num_files} {kind} files cannot be read, more than "
            f"data.max_bad_fraction={max_bad_fraction:g} allows: {name_bad(bad)}"
        )


def name_bad(bad: Mapping[str, str]) -> str:
    """List unreadable files with their reasons, the first ten of them."""
    named = [f"{name} ({reason})" for name, reason in islice(bad.items(), _MAX_NAMED)]
    more = [f"and {len(bad) - _MAX_NAMED} more"] if len(bad) > _MAX_NAMED else []
    return ", ".join(named + more)
