"""Unreadable files of a data set or a folder: checked, listed, and refused above a limit."""

import warnings
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from gru_suite.errors import UserError

_MAX_LISTED = 10
# Sizes in the header of a RIFF file that was written to a pipe.
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def check_unreadable(
    unreadable: Mapping[str, str], num_files: int, max_bad_fraction: float, kind: str
) -> None:
    """Check the number of unreadable files against the limit.

    Args:
        unreadable: reason by file name.
        num_files: all files, the unreadable ones among them.
        max_bad_fraction: largest share of unreadable files.
        kind: of the files, such as ``sound`` or ``video``.

    Raises:
        UserError: there are more; lists the first of them.
    """
    if len(unreadable) > max_bad_fraction * num_files:
        raise UserError(
            f"{len(unreadable)} of {num_files} {kind} files cannot be read, more than "
            f"data.max_bad_fraction={max_bad_fraction:g} allows: {list_unreadable(unreadable)}"
        )


def list_unreadable(unreadable: Mapping[str, str]) -> str:
    """List unreadable files with their reasons, the first ten of them."""
    listed = [f"{name} ({reason})" for name, reason in islice(unreadable.items(), _MAX_LISTED)]
    more = [f"and {len(unreadable) - _MAX_LISTED} more"] if len(unreadable) > _MAX_LISTED else []
    return ", ".join(listed + more)


def report_left_out(
    folder: Path, num_files: int, unreadable: Mapping[str, str], kind: str, suffixes: str
) -> None:
    """Warn about the unreadable files of a folder of inputs.

    Args:
        folder: of the inputs.
        num_files: all files, the unreadable ones among them.
        unreadable: reason by file name.
        kind: of the files, such as ``sound file`` or ``video``.
        suffixes: of such files, for the message where there are none.

    Raises:
        UserError: no file is readable.
    """
    unreadable = dict(sorted(unreadable.items()))
    if len(unreadable) == num_files:
        found = f": {list_unreadable(unreadable)}" if unreadable else f" ({suffixes})"
        raise UserError(f"input {folder}: no readable {kind} in this folder{found}")
    if unreadable:
        listed = list_unreadable(unreadable)
        warnings.warn(f"left out {len(unreadable)} unreadable: {listed}", stacklevel=3)


def check_complete(path: Path, riff_form: bytes) -> None:
    """Check that a file is not empty, and that a RIFF file is as long as its header says.

    Args:
        path: the file.
        riff_form: of the RIFF files that are checked: ``b"WAVE"`` or ``b"AVI "``.

    Raises:
        ValueError: it is empty or cut off; the message does not name the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise ValueError(f"cannot be opened: {error.strerror or error}") from error
    if not size:
        raise ValueError("the file is empty")
    if head[:4] != b"RIFF" or head[8:12] != riff_form:
        return
    promised = int.from_bytes(head[4:8], "little")
    # Some writers omit the padding byte that they count.
    if promised not in _UNKNOWN_SIZES and size < promised + 8 - 1:
        raise ValueError(f"cut off after {size:,} of {promised + 8:,} bytes")
