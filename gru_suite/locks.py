"""File locks of the operating system: free as soon as no process holds them, however it ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def try_lock(path: Path, wait: bool = False) -> TextIO | None:
    """Return the locked file, None where another process holds it.

    The lock is held until the file is closed in this process and in those that have inherited it.

    Args:
        path: the file, created where it is missing.
        wait: for the other process, instead of returning None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a", encoding="utf-8")
    try:
        import fcntl
    except ImportError:
        # A system without such locks: every other process is taken for dead.
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        file.close()
        return None
    return file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock and hold it in the block."""
    file = try_lock(path, wait=True)
    try:
        yield
    finally:
        if file is not None:
            file.close()
