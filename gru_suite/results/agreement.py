"""How processes that a launcher starts side by side agree on where their run begins.

The first process decides, before there is a process group, and the others read it in the run
folder, which they share for the checkpoints anyway.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gru_suite.errors import UserError
from gru_suite.files import atomic_path, make_folder
from gru_suite.launchers import Launch

FILE = ".start.json"
LAUNCHERS = ("srun", "torchrun")
"""Launchers that start all processes side by side."""

# Importing everything from a slow network drive can take minutes.
_PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = 0.1


@contextmanager
def telling_others(
    folder: Path, launch: Launch, checkpoint: Path | None, finished: bool
) -> Iterator[None]:
    """Tell the other processes of a start, for the time of the block, what the first has decided.

    Args:
        folder: the run folder.
        launch: what started this process.
        checkpoint: from which the run goes on; None for its beginning.
        finished: there is nothing left to do.
    """
    if launch.launcher not in LAUNCHERS:
        yield
        return
    name = None if checkpoint is None else str(checkpoint.relative_to(folder))
    with atomic_path(folder / FILE) as temporary:
        decision = {"start": launch.start, "checkpoint": name, "finished": finished}
        temporary.write_text(json.dumps(decision) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        # Of a finished run the others may not have read it yet.
        if not finished:
            (folder / FILE).unlink(missing_ok=True)


def hear_decision(
    folder: Path, launch: Launch, patience_seconds: float = _PATIENCE_SECONDS
) -> tuple[Path | None, bool]:
    """Wait for the decision of the first process; return the checkpoint, and if all is finished.

    Args:
        folder: the run folder.
        launch: what started this process.
        patience_seconds: how long to wait.

    Raises:
        UserError: it has not decided in this time.
    """
    make_folder(folder)
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        decision = _read(folder / FILE)
        # What a start before has left is not meant.
        if decision.get("start") == launch.start:
            name = decision["checkpoint"]
            return None if name is None else folder / name, bool(decision["finished"])
        time.sleep(_PAUSE_SECONDS)
    raise UserError(
        f"{folder}: process {launch.rank} has waited {patience_seconds:.0f} s for the first "
        "process of this run, which has not begun here: see its messages; all need this folder on "
        "a shared drive"
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content
