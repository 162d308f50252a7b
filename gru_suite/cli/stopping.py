"""Runs that are interrupted (Ctrl+C) or terminated (SIGTERM): exit code, and how to continue."""

import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Attribute of an exception with the run folder.
_FOLDER = "gru_suite_folder"


class Terminated(SystemExit):
    """SIGTERM, as batch systems send it at the end of a job's time."""


@contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """Raise :class:`Terminated` at SIGTERM within the block.

    A handler of the calling program, and other threads than the main one, are left alone.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(signum: int, frame: Any) -> None:
    # A second one must not interrupt what ends the run.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated(128 + signum)


def note_folder(error: BaseException, folder: str) -> None:
    """Attach the run folder to the exception that stops a run, and to its causes."""
    cause: BaseException | None = error
    while cause is not None:
        setattr(cause, _FOLDER, folder)
        cause = cause.__context__


def report_stop(cause: BaseException, words: Sequence[str]) -> int:
    """Print that a run was stopped, what it has kept and how to continue; return the exit code.

    Args:
        cause: KeyboardInterrupt or :class:`Terminated`.
        words: the arguments of the command line.
    """
    terminated = isinstance(cause, Terminated)
    text = "terminated" if terminated else "interrupted"
    folder = getattr(cause, _FOLDER, None)
    last = Path(folder, "checkpoints", "last.ckpt") if folder else None
    if last is not None and last.is_file():
        line = shlex.join(["gru-suite", *words, f"checkpoint={last}"])
        text += f"; the checkpoints of all finished epochs are kept, continue with: {line}"
    print(f"gru-suite: {text}", file=sys.stderr)
    return 143 if terminated else 130
