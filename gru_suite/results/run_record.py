"""State of a run in its folder: ``run.json``, and a lock that the running process holds.

The lock is the operating system's, so it is free as soon as the process is gone, however it ended:
a run whose record says ``running`` and whose lock is free was killed.
"""

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.stopping import request

FILE, LOCK = "run.json", ".lock"
RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
# A trial of a search that was hopeless.
PRUNED = "pruned"

# Where a run starts and how it is watched does not make it another run.
_NOT_OF_THE_RUN = ("resume", "checkpoint", "logger", "jobs", "search")


class RunRecord:
    """The record of one run, written at its start, at its end, and where facts become known.

    Args:
        folder: the run folder.
        facts: what to keep from the start: ``config`` (see :func:`config_hash`) and others.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        before = read_record(folder) or {}
        now = _now()
        self.content: dict[str, Any] = {
            "state": RUNNING,
            "started": now,
            "ended": None,
            "error": None,
            "command": shlex.join(["gru-suite", *sys.argv[1:]]),
            "process": os.getpid(),
            **facts,
        }
        if before.get("config") == self.content.get("config"):
            # A run that continues.
            self.content["started"] = before.get("started", now)
        self.write()

    def write(self, **facts: Any) -> None:
        """Add facts and write the file."""
        self.content.update(facts)
        with atomic_path(self.folder / FILE) as temporary:
            temporary.write_text(json.dumps(self.content, indent=2) + "\n", encoding="utf-8")

    def end(self, state: str, error: str | None = None) -> None:
        """Write the state that the run ends in."""
        self.write(state=state, ended=_now(), error=error)


@contextmanager
def recording(folder: Path, **facts: Any) -> Iterator[RunRecord]:
    """Record a run from here to the end of the block.

    Raises:
        UserError: another process runs in this folder.
    """
    with locked(folder):
        record = RunRecord(folder, facts)
        try:
            yield record
        except BaseException as error:
            if request.received or isinstance(error, KeyboardInterrupt | SystemExit):
                record.end(STOPPED)
                raise
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            record.end(FAILED, text)
            raise
        if record.content["state"] == RUNNING:
            record.end(FINISHED)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder.

    Raises:
        UserError: another process holds it.
    """
    file = _lock(folder)
    if file is None:
        process = (read_record(folder) or {}).get("process", "?")
        raise UserError(f"{folder}: a run is running in this folder already (process {process})")
    try:
        yield
    finally:
        file.close()


def is_alive(folder: Path) -> bool:
    """Return whether a process runs in this folder."""
    if not (folder / LOCK).exists():
        return False
    file = _lock(folder)
    if file is None:
        return True
    file.close()
    return False


def _lock(folder: Path) -> TextIO | None:
    """Return the locked file, None where another process holds it."""
    file = (folder / LOCK).open("a", encoding="utf-8")
    try:
        import fcntl
    except ImportError:
        # A system without such locks: every run is taken for dead.
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the content of ``run.json``; None where there is none."""
    try:
        content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def state_of(folder: Path) -> str | None:
    """Return the state of the run in a folder; ``stopped`` where it was killed, None for no run."""
    record = read_record(folder)
    if record is None:
        return None
    state = str(record.get("state"))
    return STOPPED if state == RUNNING and not is_alive(folder) else state


def config_hash(config: Mapping[str, Any]) -> str:
    """Return a short hash of a composed config, equal for runs that are the same training."""
    kept = {key: value for key, value in config.items() if key not in _NOT_OF_THE_RUN}
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
