"""A search: trials of a study of optuna, each a job of the sweep.

A study is shared by all processes that name its storage. What a killed process has left running is
found by its lock, which is then free, and continued.
"""

import json
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from gru_suite.errors import UserError
from gru_suite.results.run_record import is_alive
from gru_suite.sweeps.expansion import Composer, override_key
from gru_suite.sweeps.ledger import FAILED, FINISHED, PRUNED, STOPPED, SweepJob
from gru_suite.sweeps.outcome import Outcome, read_outcome
from gru_suite.sweeps.schedule import outcome_of
from gru_suite.sweeps.search_space import check_search, suggest
from gru_suite.training.search.study_store import TRIAL_VARIABLE, import_optuna, open_study

if TYPE_CHECKING:
    import optuna

# What a trial says of itself in the study.
_FOLDER, _OVERRIDES, _SURPLUS = "sweep_folder", "overrides", "surplus"
# A trial that has not said where it runs by then never will.
_ORPHANED = timedelta(minutes=10)


class Search:
    """The trials of a study as a queue of jobs.

    Args:
        config: of the sweep, with ``search`` and ``monitor``.
        composer: of the sweep.
        fixed: the overrides that all trials share.
    """

    def __init__(self, config: DictConfig, composer: Composer, fixed: Sequence[str]) -> None:
        options: Any = OmegaConf.to_container(config.search, resolve=True)
        self.options = check_search(options)
        self.composer, self.ledger = composer, composer.ledger
        self.folder = self.ledger.folder
        self.fixed = tuple(each for each in fixed if not _of_search(each))
        given = {override_key(each) for each in fixed}
        self.parameters = {
            name: spec for name, spec in self.options["parameters"].items() if name not in given
        }
        if config.monitor.metric is None:
            raise UserError("a search needs monitor.metric, which it optimizes")
        self.metric, mode = str(config.monitor.metric), str(config.monitor.mode)
        self.options["study"] = self.options["study"] or self.folder.name
        storage = self.options["storage"] or str(self.folder / "study.journal")
        # Jobs may have another working folder.
        self.storage = storage if "://" in storage else str(Path(storage).expanduser().absolute())
        self.optuna = import_optuna()
        self.study = open_study(self.storage, self.options["study"], mode)
        self.states = self.optuna.trial.TrialState

    # The queue

    def take(self) -> SweepJob | None:
        """Return a trial that a dead process has left, else a new one."""
        with self.ledger.alone():
            found = self._abandoned() or self._new()
        if found is None:
            return None
        number, overrides, claim = found
        job = self.composer.trial(number, (*self.fixed, *overrides))
        job.claim, job.label = claim, f"trial {number} ({' '.join(overrides)})"
        if is_alive(job.folder):
            # Started by a launcher whose jobs outlive this program.
            job.release()
            return None
        outcome = read_outcome(job.folder, job.config)
        if outcome.state in (FINISHED, PRUNED):
            # Its process has died before it could tell.
            print(f"{job.label}: was {outcome.state}, which the study is told now", flush=True)
            self._tell(job, outcome)
            return self.take()
        self.ledger.started(job)
        trial = {"storage": self.storage, "study": self.options["study"], "number": number}
        trial |= {key: self.options[key] for key in ("pruner", "pruner_trials", "pruner_epochs")}
        job.environment[TRIAL_VARIABLE] = json.dumps(trial)
        return job

    def done(self) -> bool:
        """Return whether the trials are all there, and none is running that this process sees."""
        trials = self.trials()
        running = [trial for trial in trials if trial.state == self.states.RUNNING]
        return len(trials) >= self.options["n_trials"] and not any(map(self._is_here, running))

    def ended(self, job: SweepJob, error: str | None) -> Outcome:
        """Tell the study what became of a trial."""
        return self._tell(job, outcome_of(job, error))

    def stopped(self, job: SweepJob) -> None:
        """Leave a trial running in the study, to be continued."""
        outcome = read_outcome(job.folder, job.config)
        if outcome.state in (FINISHED, PRUNED):
            self._tell(job, outcome)
            return
        self.ledger.settle(job, Outcome(STOPPED))
        job.release()

    # The study

    def trials(self) -> list["optuna.trial.FrozenTrial"]:
        """Return the trials that count."""
        return [t for t in self.study.get_trials(deepcopy=False) if _SURPLUS not in t.user_attrs]

    def best(self) -> "optuna.trial.FrozenTrial | None":
        """Return the best trial; None where none is complete."""
        complete = [trial for trial in self.trials() if trial.state == self.states.COMPLETE]
        sign = 1 if self.study.direction.name == "MINIMIZE" else -1
        return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def _abandoned(self) -> tuple[int, list[str], Any] | None:
        """Return a trial whose process is dead, claimed: number, overrides and lock."""
        for trial in self.trials():
            if trial.state != self.states.RUNNING:
                continue
            overrides = trial.user_attrs.get(_OVERRIDES)
            if overrides is None:
                self._close_orphan(trial)
            elif self._is_here(trial):
                claim = self.ledger.claim(trial.number)
                if claim is not None:
                    return trial.number, overrides, claim
        return None

    def _is_here(self, trial: "optuna.trial.FrozenTrial") -> bool:
        """Return whether a trial runs in a folder of this sweep, whose locks are seen here."""
        if trial.user_attrs.get(_FOLDER) != str(self.folder.absolute()):
            return False
        return self.ledger.claim_file(trial.number).is_file()

    def _close_orphan(self, trial: "optuna.trial.FrozenTrial") -> None:
        """Close a trial whose process has died before it had parameters; it does not count."""
        began = trial.datetime_start
        shared = self.options["storage"] is not None
        if shared and began is not None and datetime.now() - began < _ORPHANED:
            return
        self._close_surplus(self.optuna.trial.Trial(self.study, trial._trial_id))

    def _close_surplus(self, trial: "optuna.trial.Trial") -> None:
        trial.set_user_attr(_SURPLUS, True)
        self.study.tell(trial, state=self.states.FAIL, skip_if_finished=True)

    def _new(self) -> tuple[int, list[str], Any] | None:
        """Return a new trial; None where there are as many as wanted."""
        wanted = self.options["n_trials"]
        if len(self.trials()) >= wanted:
            return None
        trial = self.study.ask()
        before = [each for each in self.trials() if each.number < trial.number]
        if len(before) >= wanted:
            # Another machine was faster; its lock is not seen here.
            self._close_surplus(trial)
            return None
        claim = self.ledger.claim(trial.number)
        startup = self.options["startup_trials"] or max(4, min(10, wanted // 3))
        # By the number of the trial: a search that was killed draws no value again.
        seed = zlib.crc32(f"{self.options['seed']} {trial.number}".encode())
        self.study.sampler = self.optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        overrides = suggest(trial, self.parameters)
        trial.set_user_attr(_FOLDER, str(self.folder.absolute()))
        trial.set_user_attr(_OVERRIDES, overrides)
        return trial.number, overrides, claim

    def _tell(self, job: SweepJob, outcome: Outcome) -> Outcome:
        states, tell = self.states, self.study.tell
        if outcome.state == FINISHED and outcome.monitor is not None:
            tell(job.number, outcome.monitor, state=states.COMPLETE, skip_if_finished=True)
        elif outcome.state == PRUNED:
            tell(job.number, state=states.PRUNED, skip_if_finished=True)
        else:
            tell(job.number, state=states.FAIL, skip_if_finished=True)
        # A search compares what it optimizes, on validation data.
        shown = Outcome(
            outcome.state if outcome.state in (FINISHED, PRUNED) else FAILED,
            self.metric,
            outcome.monitor,
            "min" if self.study.direction.name == "MINIMIZE" else "max",
            outcome.monitor,
            outcome.error,
        )
        self.ledger.settle(job, shown)
        job.release()
        return shown


def run_search(
    config: DictConfig,
    composer: Composer,
    combinations: Sequence[tuple[str, ...]],
    run: Callable[..., Any],
) -> tuple["Search", Any]:
    """Run the trials that are left, and return the search.

    Raises:
        UserError: the options of the search are impossible.
    """
    if len(combinations) > 1:
        raise UserError(
            "a search takes one value of each key; give what varies to search.parameters, as "
            "choices"
        )
    search = Search(config, composer, combinations[0])
    began = len(search.trials())
    print(
        f"search for the best {search.metric}: {search.options['n_trials']} trials, {began} of "
        f"them begun, in {search.folder}",
        flush=True,
    )
    errors = run(search, composer.ledger)
    return search, errors


def _of_search(override: str) -> bool:
    return override_key(override).partition(".")[0] == "search"
