"""Atomic writing of files."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gru_suite.errors import UserError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` at the end of the block.

    Missing parent folders are created. If the block raises, the temporary file is removed and an
    existing file at ``path`` is unchanged.

    Args:
        path: the file to write.

    Yields:
        A path in the same folder with the same suffix, by which writers choose formats.

    Raises:
        UserError: the folder cannot be created or written to, or ``path`` is a folder.
    """
    final = Path(path)
    make_folder(final.parent)
    if final.is_dir():
        raise UserError(f"cannot write {final}: it is a folder, a file name is needed")
    # Unique per call: of two processes that write the same file, the last rename wins.
    temporary = final.with_name(f".{final.stem}-{uuid.uuid4().hex[:8]}{final.suffix}")
    try:
        yield temporary
        os.replace(temporary, final)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def existing_folder(path: object) -> Path | None:
    """Return a path, with ``~`` expanded, where it is one and an existing folder; else None."""
    if not isinstance(path, str | os.PathLike):
        return None
    folder = Path(path).expanduser()
    return folder if folder.is_dir() else None


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """Create ``folder`` and its parents if missing, and check that it is writable.

    Raises:
        UserError: it cannot be created, is not a folder, or is not writable.
    """
    made = Path(folder)
    try:
        made.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"cannot write into {made}: it is a file, a folder is needed") from None
    except OSError as error:
        raise UserError(f"cannot make the folder {made}: {error.strerror or error}") from error
    # os.access is true for root on a read-only mount, so a file is created.
    probe = made / f".probe-{uuid.uuid4().hex[:8]}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write into {made}: {error.strerror or error}") from error
    return made
