"""The ledger of a sweep: which job has which folder, and what became of it.

Several processes may write it: each change is made under a lock, and the file is written whole.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.locks import locked, try_lock
from gru_suite.sweeps.outcome import Outcome

FILE = "ledger.json"
# Locks and messages of the jobs; hidden, so that no search for runs looks into it.
PRIVATE = ".jobs"
WAITING, RUNNING, FINISHED, STOPPED = "waiting", "running", "finished", "stopped"
FAILED, PRUNED = "failed", "pruned"


@dataclass
class Entry:
    """A job in the ledger.

    Attributes:
        number: of the job, in the order of their first launch.
        folder: its run folder, relative to that of the sweep.
        config: the hash of its config, as in ``run.json``.
        overrides: of its command line.
        state: ``waiting``, ``running``, ``finished``, ``stopped``, ``failed`` or ``pruned``.
        starts: how often a process was started for it.
    """

    number: int
    folder: str
    config: str
    overrides: list[str]
    state: str = WAITING
    metric: str | None = None
    score: float | None = None
    direction: str = "none"
    monitor: float | None = None
    error: str | None = None
    starts: int = 0

    def settle(self, outcome: Outcome) -> None:
        """Take over what became of the job."""
        self.state = outcome.state or WAITING
        self.metric, self.score, self.direction = outcome.metric, outcome.score, outcome.direction
        self.monitor, self.error = outcome.monitor, outcome.error

    @property
    def outcome(self) -> Outcome:
        """The same as an outcome."""
        return Outcome(
            self.state, self.metric, self.score, self.direction, self.monitor, self.error
        )


@dataclass
class SweepJob:
    """A job of this launch.

    Attributes:
        key: under which the ledger has it.
        number: of the job.
        folder: the run folder.
        config: the hash of its config.
        overrides: of its command line, without those of Hydra.
        device: accelerator, devices and threads of its config.
        environment: variables for its process.
        claim: the lock that this process holds while it has the job.
        label: number, and the overrides in which it differs from the others.
    """

    key: str
    number: int
    folder: Path
    config: str
    overrides: tuple[str, ...]
    device: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    claim: TextIO | None = None
    label: str = ""

    @property
    def title(self) -> str:
        """Number and overrides, as in messages."""
        return f"job {self.number} ({' '.join(self.overrides)})"

    def release(self) -> None:
        """Give the job back."""
        if self.claim is not None:
            self.claim.close()
        self.claim = None


class Ledger:
    """The file ``ledger.json`` in the folder of a sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> dict[str, Entry]:
        """Return the jobs by key.

        Raises:
            UserError: the file is damaged.
        """
        path = self.folder / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return {key: Entry(**entry) for key, entry in content["jobs"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: damaged ({str(error).splitlines()[0]}); choose another folder with "
                "hydra.sweep.dir="
            ) from error

    def change(self, edit: Callable[[dict[str, Entry]], Any]) -> dict[str, Entry]:
        """Let ``edit`` change the jobs, alone among all processes; return them."""
        with self.alone():
            entries = self.read()
            edit(entries)
            content = {"jobs": {key: asdict(entry) for key, entry in entries.items()}}
            with atomic_path(self.folder / FILE) as temporary:
                temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            return entries

    def started(self, job: SweepJob) -> None:
        """Write that a process is started for a job."""

        def edit(entries: dict[str, Entry]) -> None:
            entries[job.key].starts += 1
            entries[job.key].state, entries[job.key].error = RUNNING, None

        self.change(edit)

    def settle(self, job: SweepJob, outcome: Outcome) -> None:
        """Write what became of a job."""
        self.change(lambda entries: entries[job.key].settle(outcome))

    def claim(self, number: int) -> TextIO | None:
        """Return a lock on a job, None where a living process has it."""
        return try_lock(self.claim_file(number))

    def claim_file(self, number: int) -> Path:
        """Return the file whose lock the processes of a job hold."""
        return self.folder / PRIVATE / f"{number}.lock"

    def error_file(self, number: int) -> Path:
        """Return the file in which a job leaves the message of its error."""
        return self.folder / PRIVATE / f"{number}.error"

    def alone(self) -> Any:
        """Return a context in which no other process changes the ledger."""
        return locked(self.folder / PRIVATE / "ledger.lock")
