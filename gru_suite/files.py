"""Writing files so that a reader never meets half of one."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gru_suite.errors import UserError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside ``path`` that becomes ``path`` when the block ends well.

    Missing parent folders are made. If the block raises, the temporary file is removed and what
    stood at ``path`` before stays as it was.

    Args:
        path: the file to write.

    Yields:
        A name in the same folder with the same suffix (writers choose formats by it).

    Raises:
        UserError: the folder cannot be made or written to, or ``path`` is a folder.
    """
    final = Path(path)
    make_folder(final.parent)
    if final.is_dir():
        raise UserError(f"cannot write {final}: it is a folder, a file name is needed")
    # Unique per call: two processes may write the same file, and the last rename wins whole.
    temporary = final.with_name(f".{final.stem}-{uuid.uuid4().hex[:8]}{final.suffix}")
    try:
        yield temporary
        os.replace(temporary, final)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """Make ``folder`` and its parents where missing and check that files can be written there.

    Raises:
        UserError: it cannot be made, is no folder, or is not writable.
    """
    made = Path(folder)
    try:
        made.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"cannot write into {made}: it is a file, a folder is needed") from None
    except OSError as error:
        raise UserError(f"cannot make the folder {made}: {error.strerror or error}") from error
    # os.access answers yes to root even on a read-only mount's files, so the kernel is asked.
    probe = made / f".probe-{uuid.uuid4().hex[:8]}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write into {made}: {error.strerror or error}") from error
    return made
