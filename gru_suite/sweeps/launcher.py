"""A Hydra launcher that runs every job in a process of its own."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gru_suite.errors import UserError
from gru_suite.sweeps.expansion import Composer, override_key
from gru_suite.sweeps.ledger import FAILED, Ledger, SweepJob
from gru_suite.sweeps.processes import (
    ERROR_FILE,
    NUMBER,
    share_of_machine,
    spawn,
    visible_gpus,
)
from gru_suite.sweeps.schedule import ProcessPool, Queue, SweepQueue

# Of the sweep, not of its jobs.
_NOT_OF_A_JOB = ("hydra/launcher", "hydra/sweeper", "hydra.mode", "hydra.run.dir")
_NOT_OF_A_JOB_EITHER = ("hydra.launcher.", "hydra.sweeper.", "hydra.sweep.")


class ProcessLauncher(Launcher):
    """Runs every job as a command line of its own, ``jobs`` of them at once.

    One job at a time prints as a single run does; of several each writes ``job.log`` in its folder.
    """

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what the jobs need."""
        self.loader, self.config = hydra_context.config_loader, config
        # Hydra's flags of the command line, such as another root config.
        self.flags: Sequence[str] = getattr(task_function, "flags", ())
        self.verb: str = getattr(task_function, "verb", "train")
        self.full_error: str | None = getattr(task_function, "full_error", None)
        self.gpus: list[str] | None = None

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run jobs for another sweeper than ours."""
        ledger = Ledger(Path(str(self.config.hydra.sweep.dir)))
        jobs = Composer(self.loader, self.config, ledger).jobs([tuple(o) for o in job_overrides])
        self.run(SweepQueue(jobs, ledger), ledger)
        entries = ledger.read()
        returns = []
        for job in jobs:
            entry, found = entries[job.key], JobReturn(overrides=list(job.overrides))
            failed = entry.state == FAILED
            found.status = JobStatus.FAILED if failed else JobStatus.COMPLETED
            found.return_value = UserError(str(entry.error)) if failed else entry.monitor
            returns.append(found)
        return returns

    def run(self, queue: Queue, ledger: Ledger) -> None:
        """Run the jobs of a queue."""
        jobs = check_jobs(self.config)

        def start(job: SweepJob, slot: int) -> "subprocess.Popen[bytes]":
            return self._start(job, slot, jobs, ledger)

        ProcessPool(jobs, start, ledger, quiet=jobs > 1).run(queue)

    def _start(
        self, job: SweepJob, slot: int, jobs: int, ledger: Ledger
    ) -> "subprocess.Popen[bytes]":
        if self.gpus is None:
            self.gpus = visible_gpus() if jobs > 1 else []
        environment = {
            **os.environ,
            **share_of_machine(slot, jobs, job.device, self.gpus),
            **job.environment,
            NUMBER: str(job.number),
            ERROR_FILE: str(ledger.error_file(job.number).absolute()),
        }
        # In this process it has a value of ours.
        environment.pop("HYDRA_FULL_ERROR", None)
        if self.full_error is not None:
            environment["HYDRA_FULL_ERROR"] = self.full_error
        keep = [job.claim.fileno()] if job.claim is not None else []
        if jobs == 1:
            return spawn(self.words(job), environment, None, keep)
        job.folder.mkdir(parents=True, exist_ok=True)
        with (job.folder / "job.log").open("ab") as log:
            return spawn(self.words(job), environment, log, keep)

    def words(self, job: SweepJob) -> list[str]:
        """Return the command line of a job."""
        given: Any = OmegaConf.to_container(self.config.hydra.overrides.hydra)
        # Added anew for the root config of a rerun.
        kept = [
            each
            for each in given
            if override_key(each) not in _NOT_OF_A_JOB
            and not override_key(each).startswith(_NOT_OF_A_JOB_EITHER)
            and not each.startswith("+hydra.runtime.choices.")
        ]
        own = [f"hydra.run.dir={quoted(str(job.folder))}", "hydra.mode=RUN"]
        own += [f"++hydra.job.num={job.number}", f"++hydra.job.id={quoted(str(job.number))}"]
        return [self.verb, *job.overrides, *kept, *own, *self.flags]


def check_jobs(config: DictConfig) -> int:
    """Return ``jobs``, how many run at once.

    Raises:
        UserError: it is no whole number from 1 on.
    """
    jobs = config.get("jobs", 1)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise UserError(f"jobs={jobs}: a whole number of at least 1 is needed")
    return jobs


def quoted(text: str) -> str:
    """Return a text as the value of an override."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
