"""Runs that are interrupted (Ctrl+C) or terminated (SIGTERM): exit code, and how to continue."""

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gru_suite.stopping import Terminated, request
from gru_suite.sweeps.processes import NUMBER, STOPPED_AT

# Attribute of an exception with the run folder.
_FOLDER = "gru_suite_folder"


def note_folder(error: BaseException, folder: str) -> None:
    """Attach the run folder to the exception that stops a run, and to its causes."""
    cause: BaseException | None = error
    while cause is not None:
        setattr(cause, _FOLDER, folder)
        cause = cause.__context__


def stopped_by(error: BaseException) -> BaseException | None:
    """Return the exception that a signal has caused, None where ``error`` has another cause.

    Lightning turns a KeyboardInterrupt into SystemExit, and code that a signal interrupts may fail
    in its own way: while it cleans up, or later, since compiled code has dropped the exception.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt | Terminated):
        cause = cause.__context__
    return error if cause is None and request.received else cause


def report_stop(cause: BaseException, words: Sequence[str]) -> int:
    """Print that a run was stopped, what it has kept and how to continue; return the exit code.

    Args:
        cause: what :func:`stopped_by` has returned.
        words: the arguments of the command line.
    """
    terminated = isinstance(cause, Terminated) or request.received == signal.SIGTERM
    text = "terminated" if terminated else "interrupted"
    if isinstance(cause, Exception):
        text += f" ({type(cause).__name__}: {cause})"
    folder = getattr(cause, _FOLDER, None)
    checkpoints = Path(folder, "checkpoints") if folder else None
    reached = getattr(cause, STOPPED_AT, None)
    if reached is not None:
        # The same line finds the sweep again.
        text += f"; {reached}, continue with: {shlex.join(['gru-suite', *words])}"
    elif NUMBER in os.environ:
        text += f" (job {os.environ[NUMBER]})"
    elif checkpoints is not None and (checkpoints / "last.ckpt").is_file():
        line = shlex.join(["gru-suite", f"resume={os.path.relpath(checkpoints.parent)}"])
        text += f"; its state is saved, continue with: {line}"
    print(f"gru-suite: {text}", file=sys.stderr)
    return 143 if terminated else 130
