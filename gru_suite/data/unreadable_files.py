"""Files of a folder that are left out: unreadable ones, up to a limit, and those of other kinds."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
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


def find_files(folder: Path, wanted: Callable[[Path], bool]) -> tuple[list[Path], list[Path]]:
    """Return the files of a folder and its subfolders, sorted: those wanted, and the others.

    Hidden files are in neither list.

    Args:
        folder: to search.
        wanted: whether a path is that of a file to read, by its name.
    """
    files = sorted(each for each in folder.rglob("*") if each.name[:1] != "." and each.is_file())
    chosen = [each for each in files if wanted(each)]
    kept = set(chosen)
    return chosen, [each for each in files if each not in kept]


def others_note(others: Sequence[Path], root: Path, kind: str) -> list[str]:
    """Return a line that names the files of a folder that are not read; none without such files.

    Args:
        others: files of other kinds.
        root: the folder that their names begin at.
        kind: of the files that are read, such as ``sound file``.
    """
    if not others:
        return []
    names = (each.relative_to(root).as_posix() for each in others)
    return [
        f"left out {len(others):,} by {'its' if len(others) == 1 else 'their'} name, which is not "
        f"that of a {kind}: {_first_of(names, len(others))}"
    ]


def list_unreadable(unreadable: Mapping[str, str]) -> str:
    """List unreadable files with their reasons, the first ten of them."""
    listed = (f"{name} ({reason})" for name, reason in unreadable.items())
    return _first_of(listed, len(unreadable))


def _first_of(names: Iterable[str], count: int) -> str:
    more = [f"and {count - _MAX_LISTED} more"] if count > _MAX_LISTED else []
    return ", ".join([*islice(names, _MAX_LISTED), *more])


def report_left_out(
    folder: Path,
    num_files: int,
    unreadable: Mapping[str, str],
    others: Sequence[Path],
    kind: str,
    suffixes: Iterable[str],
) -> None:
    """Warn about the files of a folder of inputs that were left out.

    Args:
        folder: of the inputs.
        num_files: files of the kind, the unreadable ones among them.
        unreadable: reason by file name.
        others: files of other kinds.
        kind: of the files, such as ``sound file`` or ``video``.
        suffixes: of such files, for the message where there are none.

    Raises:
        UserError: no file is readable.
    """
    unreadable = dict(sorted(unreadable.items()))
    lines = others_note(others, folder, kind)
    if len(unreadable) == num_files:
        found = f": {list_unreadable(unreadable)}" if unreadable else f" ({', '.join(suffixes)})"
        first = f"input {folder}: no readable {kind} in this folder{found}"
        raise UserError("; ".join([first, *lines]))
    if unreadable:
        lines.append(f"left out {len(unreadable)} unreadable: {list_unreadable(unreadable)}")
    for line in lines:
        warnings.warn(line, stacklevel=3)


def check_complete(source: Path | BytesIO, riff_form: bytes) -> None:
    """Check that a file is not empty, and that a RIFF file is as long as its header says.

    Args:
        source: the file, or its content.
        riff_form: of the RIFF files that are checked: ``b"WAVE"`` or ``b"AVI "``.

    Raises:
        ValueError: it is empty or cut off; the message does not name the file.
    """
    try:
        size, head = _size_and_head(source)
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


def _size_and_head(source: Path | BytesIO) -> tuple[int, bytes]:
    if isinstance(source, BytesIO):
        content = source.getbuffer()
        return len(content), bytes(content[:12])
    with source.open("rb") as file:
        return source.stat().st_size, file.read(12)
