"""Unreadable files of a data set: listed, and refused above a limit."""

from collections.abc import Mapping
from itertools import islice

from gru_suite.errors import UserError

_MAX_NAMED = 10


def check_bad(bad: Mapping[str, str], num_files: int, max_bad_fraction: float, kind: str) -> None:
    """Check the number of unreadable files against the limit.

    Args:
        bad: reason by file name.
        num_files: all files, the unreadable ones among them.
        max_bad_fraction: largest share of unreadable files.
        kind: of the files, such as ``sound`` or ``video``.

    Raises:
        UserError: there are more; lists the first of them.
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
