"""A Hydra sweeper that keeps a ledger: a sweep that is launched again goes on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gru_suite.sweeps.expansion import Composer, expand
from gru_suite.sweeps.launcher import ProcessLauncher, check_jobs, quoted
from gru_suite.sweeps.ledger import FAILED, Entry, Ledger, SweepJob
from gru_suite.sweeps.processes import STOPPED_AT, SweepFailed
from gru_suite.sweeps.report import count_line, print_jobs, write_jobs
from gru_suite.sweeps.schedule import Queue, SweepQueue, run_batches


class LedgerSweeper(Sweeper):
    """Runs every combination of the overrides, or a search, by any launcher of Hydra.

    Args:
        max_batch_size: jobs that are given to another launcher than ours at once; None for all.
        params: further overrides by key, as of Hydra's basic sweeper.
    """

    def __init__(
        self, max_batch_size: int | None = None, params: Mapping[str, Any] | None = None
    ) -> None:
        self.config: DictConfig
        self.launcher: Launcher
        self.max_batch_size, self.params = max_batch_size, dict(params or {})

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher."""
        self.loader, self.config = hydra_context.config_loader, config
        # Fixed for all jobs, whatever their own overrides.
        self.folder = Path(str(config.hydra.sweep.dir))
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(self.folder))}")
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Entry]:
        """Run the jobs that are not finished, and tell of all.

        Raises:
            SweepFailed: jobs have failed.
        """
        check_jobs(self.config)
        combinations = expand(self.loader, self.params, arguments)
        ledger = Ledger(self.folder)
        composer = Composer(self.loader, self.config, ledger)
        if self.config.get("search") is not None:
            return self._search(composer, combinations)
        jobs = composer.jobs(combinations)
        keys = {job.key for job in jobs}
        self._save_config()
        print(f"sweep of {len(jobs)} jobs in {self.folder}", flush=True)
        errors = self.run(SweepQueue(jobs, ledger), ledger)
        return self.tell([entry for key, entry in ledger.read().items() if key in keys], errors)

    def _search(self, composer: Composer, combinations: Sequence[tuple[str, ...]]) -> list[Entry]:
        """Run the trials of a search; only one without a result fails the command."""
        from gru_suite.sweeps.search import run_search
        from gru_suite.sweeps.search_report import tell_best

        search, errors = run_search(self.config, composer, combinations, self.run)
        self._save_config()
        entries = list(composer.ledger.read().values())
        write_jobs(entries, self.folder / "jobs.csv")
        print_jobs(entries)
        print(f"{count_line(entries)}; sweep folder: {self.folder}", flush=True)
        if not tell_best(search, self.config.hydra.runtime.choices):
            raise SweepFailed(errors)
        return entries

    def _save_config(self) -> None:
        # As Hydra's basic sweeper does.
        OmegaConf.save(self.config, self.folder / "multirun.yaml")

    def run(self, queue: Queue, ledger: Ledger) -> list[tuple[str, Exception]]:
        """Run the jobs of a queue; return the errors that nothing has told of."""
        try:
            if isinstance(self.launcher, ProcessLauncher):
                self.launcher.run(queue, ledger)
                return []
            search = self.config.get("search") is not None
            limit = check_jobs(self.config) if search else self.max_batch_size
            failures = run_batches(queue, self._launch, limit)
            return [(f"{job.title}: ", error) for job, error in failures]
        except (KeyboardInterrupt, SystemExit) as error:
            entries = list(ledger.read().values())
            setattr(error, STOPPED_AT, count_line(entries))
            raise

    def _launch(self, jobs: Sequence[SweepJob]) -> list[Any]:
        """Run jobs by a launcher that is not ours."""
        overrides = []
        for job in jobs:
            subdir = job.folder.relative_to(self.folder)
            own = [f"hydra.sweep.subdir={quoted(str(subdir))}"]
            # Variables that the launcher sets in the process of the job.
            own += [
                f"++hydra.job.env_set.{name}={quoted(value)}"
                for name, value in job.environment.items()
            ]
            overrides.append([*job.overrides, *own])
        returns = self.launcher.launch(overrides, initial_job_idx=jobs[0].number)
        # The property raises the exception of a job that failed.
        return [each._return_value for each in returns]

    def tell(self, entries: list[Entry], errors: Sequence[tuple[str, Exception]]) -> list[Entry]:
        """Print and write the table of jobs.

        Raises:
            SweepFailed: jobs have failed.
        """
        write_jobs(entries, self.folder / "jobs.csv")
        print_jobs(entries)
        print(f"{count_line(entries)}; sweep folder: {self.folder}", flush=True)
        if any(entry.state == FAILED for entry in entries):
            raise SweepFailed(errors)
        return entries
