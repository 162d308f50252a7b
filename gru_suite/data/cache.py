"""The cache of decoded and generated data: its folder, keys of content, and locked builds."""

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, TypeVar

from gru_suite.errors import UserError
from gru_suite.files import make_folder

T = TypeVar("T")
# Files processed at once: enough for all cores, few enough for the memory.
_CHUNK = 512
_BLOCK_BYTES = 1 << 20
_LOCK_NAME = "lock"


def cache_folder(kind: str, chosen: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of decoded and generated data.

    Args:
        kind: of the data, such as ``audio``: a folder in the system's cache folder.
        chosen: a folder to use as it is; None is the system's.
    """
    if chosen:
        return Path(chosen).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "gru-suite" / kind


def content_key(files: Sequence[Path], settings: str) -> str:
    """Return a key that changes with any file's content, their order and the settings.

    Raises:
        UserError: a file cannot be opened.
    """

    def digest(path: Path) -> bytes:
        hashed = hashlib.blake2b(digest_size=16)
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    hashed.update(block)
        except OSError as error:
            raise UserError(f"{path}: cannot be opened: {error.strerror or error}") from error
        return hashed.digest()

    key = hashlib.blake2b(settings.encode(), digest_size=16)
    for part in in_threads(digest, files):
        key.update(part)
    return key.hexdigest()


def in_threads(function: Callable[[Path], T], files: Sequence[Path]) -> Iterator[T]:
    """Yield the result of ``function`` for each file, in order, computed by threads."""
    # For functions that release the GIL: hashing, file system, codecs.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), _CHUNK):
            yield from pool.map(function, files[start : start + _CHUNK])


def build_once(folder: Path, opened: Callable[[], T | None], build: Callable[[], T]) -> T:
    """Open an entry of the cache, or build it under a lock.

    Args:
        folder: of the entry; its lock file names the process that builds.
        opened: opens the entry; None where it is absent or incomplete.
        build: makes it.

    Returns:
        The result of ``opened`` or ``build``.

    Raises:
        UserError: the cache cannot be written, or is full.
    """
    found = opened()
    if found is not None:
        return found
    make_folder(folder)
    with _locked(folder / _LOCK_NAME):
        # Another process may have built it while this one waited.
        found = opened()
        return build() if found is None else found


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder of generated files; generate it atomically where it is missing.

    Args:
        folder: its name determines its content: of two processes the first one wins.
        make: writes the files into an empty folder.

    Raises:
        UserError: the cache cannot be written.
    """
    if folder.is_dir():
        return folder
    make_folder(folder.parent)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name.partition('-')[0]}-") as name:
        new = Path(name) / "new"
        new.mkdir()
        make(new)
        try:
            new.rename(folder)
        except OSError:
            # Another process was faster.
            if not folder.is_dir():
                raise
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file lock, which the system releases when the process ends in any way."""
    with path.open("a+b") as file:
        if not _try_lock(file):
            file.seek(0)
            owner = file.read().decode("utf-8", "replace").strip() or "another process"
            print(f"waiting for {owner}, which builds {path.parent}", flush=True)
            _wait_for_lock(file)
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {platform.node()}".encode())
        file.flush()
        try:
            yield
        finally:
            _unlock(file)


if sys.platform == "win32":
    import msvcrt

    # Beyond the owner's name, which other processes read.
    _LOCKED_BYTE = 4096

    def _try_lock(file: BinaryIO) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_for_lock(file: BinaryIO) -> None:
        # LK_LOCK gives up after ten seconds.
        while True:
            file.seek(_LOCKED_BYTE)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            except OSError:
                continue
            return

    def _unlock(file: BinaryIO) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # Some network file systems have no locks; entries are still written atomically.
            return True
        return True

    def _wait_for_lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
