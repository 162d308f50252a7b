"""The command line: ``gru-suite [verb] [overrides]``.

The first argument is the verb, ``train`` by default. Each verb with a config is a Hydra application
with its own root config. torch is imported only when a run starts.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gru_suite.cli.stopping import note_folder, report_stop, stopped_by
from gru_suite.cli.verbs import VERBS
from gru_suite.errors import UserError, nearest
from gru_suite.stopping import raising_on_signals
from gru_suite.sweeps.processes import NUMBER, SweepFailed

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gru_suite.cli.hydra_call import HydraCall


# Attribute of an exception with the overrides of the failed job; kept by pickling, so that it also
# arrives from the worker processes of a launcher.
_JOB_NOTE = "gru_suite_job"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: the arguments, by default those of this process.

    Returns:
        0 on success, 2 for a user error, 1 for an internal error or failed jobs of a sweep, 130
        when interrupted, 143 when terminated (SIGTERM), 141 when the reader of standard output has
        exited.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    calls: list[HydraCall] = []
    try:
        with raising_on_signals():
            code = _dispatch(words, calls)
        sys.stdout.flush()
        return code
    except (KeyboardInterrupt, SystemExit) as error:
        cause = stopped_by(error)
        if cause is None:
            raise
        return report_stop(cause, words)
    except SweepFailed as failed:
        from gru_suite.cli.error_report import report

        for job, cause_of_job in failed.errors:
            report(cause_of_job, calls[0] if calls else None, job)
        return 1
    except BrokenPipeError:
        # The reader of a pipe (head, less) has exited; Python would print an error at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        cause = stopped_by(error)
        if cause is not None:
            return report_stop(cause, words)
        from gru_suite.cli.error_report import report

        return report(error, calls[0] if calls else None, getattr(error, _JOB_NOTE, None))


def split_verb(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Split the verb from the other arguments; None if the first is an override or a flag.

    Raises:
        UserError: the verb is unknown; the message names the nearest.
    """
    if not words or "=" in words[0] or words[0][:1] in ("-", "+", "~"):
        return None, list(words)
    if words[0] in VERBS:
        return words[0], list(words[1:])
    if "." in words[0] or "/" in words[0]:
        from gru_suite.cli.suggestions import with_keys

        raise UserError(f"{words[0]!r} is no override; {with_keys(None, words)}")
    from gru_suite.cli.help import option_groups

    for group, options in option_groups().items():
        if words[0] in options:
            raise UserError(f"no verb {words[0]!r}; did you mean '{group}={words[0]}'?")
    raise UserError(f"no verb {words[0]!r}{nearest(words[0], VERBS)}")


def _dispatch(words: list[str], calls: list["HydraCall"]) -> int:
    if {"-sc", "--shell-completion"} & set(words) and any("query=" in word for word in words):
        from gru_suite.cli.completion import complete

        return complete(VERBS, words)
    name, rest = split_verb(words)
    if {"-h", "--help"} & set(rest):
        from gru_suite.cli.help import help_text

        print(help_text(VERBS, name))
        return 0
    if "--version" in rest:
        from gru_suite.cli.help import version_text

        print(version_text(verbose="--verbose" in rest))
        return 0
    verb = VERBS[name or "train"]
    if verb.config is None:
        return int(load_function(verb.target)(rest))
    from gru_suite.cli.hydra_call import parse_hydra_call

    # Threads that wait by spinning take cores from those that compute: on a busy machine an epoch
    # then takes twice as long or more. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # torch then asks Linux for huge pages: epochs on videos, whose large tensors are allocated anew
    # in each step, take .77 to .89 of the time, those of other tasks .96 to 1.04.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    calls.append(parse_hydra_call(name or "train", verb.config, rest, verbs=VERBS))
    flags = [flag for flag in calls[0].flags if flag not in ("-m", "--multirun")]
    run_hydra(calls[0], Job(verb.target, words, name or "train", flags))
    return 0


def run_hydra(call: "HydraCall", job: "Job") -> None:
    """Run a command line with Hydra, which composes the config and calls the job."""
    import hydra

    from gru_suite.cli.search_path import CONFIGS
    from gru_suite.plugins import check_task

    for task in call.values("task"):
        check_task(task)
    argv = sys.argv
    sys.argv = [argv[0], *call.words]
    stderr = sys.stderr
    try:
        # Hydra then raises exceptions instead of printing them and exiting.
        with _environment("HYDRA_FULL_ERROR", "1"):
            hydra.main(version_base="1.3", config_path=CONFIGS, config_name=call.config_name)(job)()
    finally:
        sys.argv, sys.stderr = argv, stderr


class Job:
    """The function that Hydra calls with each composed config.

    It is pickled as its arguments, so that the worker processes of a launcher are prepared like
    this one.
    """

    def __init__(
        self, target: str, words: Sequence[str], verb: str = "train", flags: Sequence[str] = ()
    ) -> None:
        """Prepare this process for Hydra.

        Args:
            target: the command, as ``module:function``.
            words: the arguments of the command line, verb included.
            verb: the verb, for the command lines of the jobs of a sweep.
            flags: flags of Hydra for them.
        """
        from gru_suite.cli.search_path import prepare_hydra

        prepare_hydra()
        self.target = target
        self.words = list(words)
        self.verb, self.flags = verb, list(flags)
        self.full_error = os.environ.get("HYDRA_FULL_ERROR")

    def __reduce__(self) -> tuple[type["Job"], tuple[str, list[str]]]:
        """Pickle as the arguments."""
        return Job, (self.target, self.words)

    def __call__(self, cfg: "DictConfig") -> Any:
        """Import the command and run it with a composed config."""
        from hydra.core.hydra_config import HydraConfig

        from gru_suite.plugins import check_task

        hydra_cfg = HydraConfig.get()
        try:
            check_task(str(hydra_cfg.runtime.choices.get("task")))
            # Lightning starts the other processes of a distributed run with sys.argv, which needs
            # the verb, and with this environment, which needs the user's value.
            with _environment("HYDRA_FULL_ERROR", self.full_error), _argv(self.words):
                return load_function(self.target)(cfg)
        except BaseException as error:
            note_folder(error, hydra_cfg.runtime.output_dir)
            if isinstance(error, Exception):
                setattr(error, _JOB_NOTE, _job_note(hydra_cfg))
                sys.stderr = _WithoutHydraMessage(sys.stderr)
            raise


def load_function(target: str) -> Callable[..., Any]:
    """Import the function named ``module:function``."""
    module, _, function = target.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded


def _job_note(hydra_cfg: Any) -> str:
    """Return number and overrides of a job of a sweep; empty for a single run."""
    from hydra.types import RunMode

    if hydra_cfg.mode != RunMode.MULTIRUN and NUMBER not in os.environ:
        return ""
    return f"job {hydra_cfg.job.num} ({' '.join(hydra_cfg.overrides.task)}): "


class _WithoutHydraMessage:
    """Standard error without Hydra's message about a failed job, which ours replaces."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if text.startswith("Error executing job with overrides:"):
            return len(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    _set_environment(name, value)
    try:
        yield
    finally:
        _set_environment(name, before)


def _set_environment(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@contextmanager
def _argv(words: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before
