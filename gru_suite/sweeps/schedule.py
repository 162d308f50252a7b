"""Which job is next, and the jobs that run at once."""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gru_suite.results.run_record import is_alive
from gru_suite.sweeps.ledger import FAILED, FINISHED, STOPPED, Ledger, SweepJob
from gru_suite.sweeps.outcome import Outcome, read_outcome
from gru_suite.sweeps.processes import describe_exit, kill

# Seconds between looks at the processes, and between those at jobs of other launches.
_POLL, _LOOK = 0.05, 0.5
# Seconds that stopped jobs have to save their state after a second signal.
_PATIENCE = 5.0


class Queue(Protocol):
    """Jobs to run, each taken by one process at a time."""

    def take(self) -> SweepJob | None:
        """Return a job to start, None where there is none at the moment."""

    def done(self) -> bool:
        """Return whether no job is left, here or in another launch of the same sweep."""

    def ended(self, job: SweepJob, error: str | None) -> Outcome:
        """Take note that a job has ended; ``error`` says why, where it ended in one."""

    def stopped(self, job: SweepJob) -> None:
        """Take note that a job was stopped with the sweep."""


class SweepQueue:
    """The jobs of a sweep in their order.

    Args:
        jobs: of this launch.
        ledger: of the sweep.
    """

    def __init__(self, jobs: Sequence[SweepJob], ledger: Ledger) -> None:
        self.jobs, self.ledger = list(jobs), ledger
        self.left: list[SweepJob] = []
        # Jobs that another launch had when this one looked.
        self._elsewhere: set[str] = set()
        finished = []
        for job in self.jobs:
            outcome = read_outcome(job.folder, job.config)
            if outcome.state == FINISHED:
                ledger.settle(job, outcome)
                finished.append(job.number)
            else:
                self.left.append(job)
        if finished:
            numbers = ", ".join(map(str, finished))
            verb = "is" if len(finished) == 1 else "are"
            print(
                f"{len(finished)} of {len(self.jobs)} jobs {verb} finished already: {numbers}",
                flush=True,
            )

    def take(self) -> SweepJob | None:
        """Return the first job that nobody has."""
        for job in list(self.left):
            claim = self.ledger.claim(job.number)
            if claim is None or is_alive(job.folder):
                if claim is not None:
                    claim.close()
                if job.key not in self._elsewhere:
                    self._elsewhere.add(job.key)
                    print(f"{job.label}: runs in another process, which is waited for", flush=True)
                continue
            job.claim = claim
            outcome = self._ended_elsewhere(job)
            if outcome is None:
                self.left.remove(job)
                self.ledger.started(job)
                return job
            self._settle(job, outcome)
        return None

    def _ended_elsewhere(self, job: SweepJob) -> Outcome | None:
        """Return how another launch has ended a job; None where it is to be run here."""
        outcome = read_outcome(job.folder, job.config)
        if outcome.state == FINISHED:
            return outcome
        entry = self.ledger.read()[job.key]
        if job.key in self._elsewhere and entry.state == FAILED:
            return entry.outcome
        return None

    def done(self) -> bool:
        """Return whether no job is left."""
        return not self.left

    def ended(self, job: SweepJob, error: str | None) -> Outcome:
        """Write what became of a job."""
        outcome = outcome_of(job, error)
        self._settle(job, outcome)
        return outcome

    def stopped(self, job: SweepJob) -> None:
        """Write that a job is unfinished, or what became of it in its last moment."""
        outcome = read_outcome(job.folder, job.config)
        if outcome.state not in (FINISHED, FAILED):
            outcome = Outcome(STOPPED)
        self._settle(job, outcome)

    def _settle(self, job: SweepJob, outcome: Outcome) -> None:
        self.ledger.settle(job, outcome)
        job.release()
        if job in self.left:
            self.left.remove(job)


def outcome_of(job: SweepJob, error: str | None) -> Outcome:
    """Return what became of a job that has ended; a run without a result has failed."""
    outcome = read_outcome(job.folder, job.config)
    if outcome.state in (FINISHED, "pruned"):
        return outcome
    reason = error or outcome.error or "it ended without a result"
    return Outcome(FAILED, error=" ".join(reason.split()))


class ProcessPool:
    """Runs jobs in processes, some at once.

    Args:
        jobs: that run at once.
        start: starts the process of a job in a slot from 0.
        ledger: of the sweep, where jobs leave the messages of their errors.
        quiet: whether the output of the jobs is not seen, so that lines tell of start and end.
    """

    def __init__(
        self,
        jobs: int,
        start: Callable[[SweepJob, int], "subprocess.Popen[bytes]"],
        ledger: Ledger,
        quiet: bool,
    ) -> None:
        self.jobs, self.start, self.ledger, self.quiet = jobs, start, ledger, quiet
        self.running: dict[int, tuple[SweepJob, subprocess.Popen[bytes], float]] = {}

    def run(self, queue: Queue) -> None:
        """Run all jobs of a queue; at a signal, stop them and raise its exception."""
        looked = 0.0
        try:
            while self.running or not queue.done():
                if len(self.running) < self.jobs and time.monotonic() - looked > _LOOK:
                    self._fill(queue)
                    looked = time.monotonic()
                time.sleep(_POLL)
                if self._collect(queue):
                    looked = 0.0
        except BaseException as error:
            self._stop(queue, error)
            raise

    def _fill(self, queue: Queue) -> None:
        while len(self.running) < self.jobs:
            job = queue.take()
            if job is None:
                return
            slot = next(n for n in range(self.jobs) if n not in self.running)
            self.ledger.error_file(job.number).unlink(missing_ok=True)
            print(f"{job.label}: starts{self._where(job)}", flush=True)
            began = time.monotonic()
            try:
                self.running[slot] = job, self.start(job, slot), began
            except OSError as error:
                # Its folder cannot be made, or no more processes: the other jobs go on.
                reason = f"could not start: {error.strerror or error} ({error.filename})"
                outcome = queue.ended(job, reason)
                print(f"{job.label}: {describe(outcome, time.monotonic() - began)}", flush=True)

    def _where(self, job: SweepJob) -> str:
        return f", {job.folder / 'job.log'}" if self.quiet else ""

    def _collect(self, queue: Queue) -> bool:
        """Take note of processes that have ended; return whether there was one."""
        ended = [
            slot for slot, (_, process, _) in self.running.items() if process.poll() is not None
        ]
        for slot in ended:
            job, process, began = self.running.pop(slot)
            outcome = queue.ended(job, self._error(job, process.returncode))
            if self.quiet:
                print(f"{job.label}: {describe(outcome, time.monotonic() - began)}", flush=True)
        return bool(ended)

    def _error(self, job: SweepJob, code: int) -> str | None:
        try:
            left = self.ledger.error_file(job.number).read_text(encoding="utf-8").strip()
        except OSError:
            left = ""
        return left or (describe_exit(code) if code else None)

    def _stop(self, queue: Queue, error: BaseException) -> None:
        """Pass the signal on, and wait for the jobs to save their state."""
        signum = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM
        for _, process, _ in self.running.values():
            if process.poll() is None:
                process.send_signal(signum)
        try:
            for _, process, _ in self.running.values():
                process.wait()
        except KeyboardInterrupt:
            _wait_or_kill([process for _, process, _ in self.running.values()])
        for job, _, _ in self.running.values():
            queue.stopped(job)
        self.running.clear()


def _wait_or_kill(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    until = time.monotonic() + _PATIENCE
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            kill(process)


def describe(outcome: Outcome, seconds: float) -> str:
    """Return the state of a job that has ended, with its score or error."""
    text = f"{outcome.state} after {seconds:.0f} s"
    if outcome.score is not None:
        text += f", {outcome.metric} {outcome.score:.4g}"
    return f"{text}: {outcome.error}" if outcome.error else text


def run_batches(
    queue: Queue, launch: Callable[[Sequence[SweepJob]], Sequence[Any]], limit: int | None
) -> list[tuple[SweepJob, Exception]]:
    """Run the jobs of a queue by a launcher that takes several at once.

    Args:
        queue: of the jobs.
        launch: runs jobs and returns what each returned, or the exception it ended in.
        limit: jobs at once; None for all.

    Returns:
        The jobs that ended in an exception.
    """
    failures = []
    while not queue.done():
        batch: list[SweepJob] = []
        try:
            while (limit is None or len(batch) < limit) and (job := queue.take()) is not None:
                batch.append(job)
            if not batch:
                time.sleep(_LOOK)
                continue
            for job, result in zip(batch, launch(batch), strict=True):
                failed = isinstance(result, Exception)
                queue.ended(job, str(result) or type(result).__name__ if failed else None)
                if failed:
                    failures.append((job, result))
        except BaseException:
            for job in batch:
                if job.claim is not None:
                    queue.stopped(job)
            raise
    return failures
