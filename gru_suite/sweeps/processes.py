"""Processes of jobs: how they start, their share of the machine, and how they end."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

# Number of the job, for its messages; file for the message of its error.
NUMBER, ERROR_FILE = "GRU_SUITE_JOB", "GRU_SUITE_JOB_ERROR"
# Attribute of an exception that stops a sweep: what was reached.
STOPPED_AT = "gru_suite_sweep"
_PR_SET_PDEATHSIG = 1


class SweepFailed(Exception):
    """Jobs of a sweep have failed, which were told of; the others are finished.

    Args:
        errors: exceptions that no process of a job has told of, with number and overrides.
    """

    def __init__(self, errors: Sequence[tuple[str, Exception]] = ()) -> None:
        super().__init__("jobs of the sweep have failed")
        self.errors = list(errors)


def spawn(
    words: Sequence[str],
    environment: Mapping[str, str],
    log: BinaryIO | None,
    keep: Sequence[int],
) -> "subprocess.Popen[bytes]":
    """Start a command line of this program; it is terminated when this process dies.

    Args:
        words: the arguments.
        environment: of the process.
        log: its output; None for that of this process.
        keep: file descriptors that it inherits.
    """
    program = Path(sys.argv[0])
    script = program.name == "gru-suite" and program.is_file()
    command = [sys.executable, *([str(program)] if script else ["-m", "gru_suite"]), *words]
    output: dict[str, Any] = {"stdout": log, "stderr": subprocess.STDOUT} if log else {}
    return subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        pass_fds=tuple(keep),
        preexec_fn=_child_preparation(),
        **output,
    )


def _child_preparation() -> Callable[[], None] | None:
    """Return what a new process does first: its own group, and an end with its parent's."""
    if os.name != "posix":
        return None
    parent, death = os.getpid(), _parent_death()

    def prepare() -> None:
        # Ctrl+C reaches the parent alone, which passes it on once.
        os.setpgid(0, 0)
        if death is not None:
            death(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(143)

    return prepare


def _parent_death() -> Callable[[int, int], Any] | None:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    try:
        call: Callable[[int, int], Any] = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return call


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and those it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (OSError, AttributeError):
        process.kill()
    process.wait()


def describe_exit(code: int) -> str:
    """Return why a process ended without a result, one line."""
    if code >= 0:
        return f"the process ended with exit code {code} and no result"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = "; is memory short?" if -code == signal.SIGKILL else ""
    return f"the process was ended by {name}{hint}"


def share_of_machine(
    slot: int, jobs: int, device: Mapping[str, Any], gpus: Sequence[str]
) -> dict[str, str]:
    """Return the variables that give one of several jobs its share of cores or GPUs.

    Args:
        slot: of the job, from 0.
        jobs: that run at once.
        device: accelerator, devices and threads of its config.
        gpus: of the machine, see :func:`visible_gpus`.
    """
    if jobs == 1:
        return {}
    share: dict[str, str] = {}
    if "OMP_NUM_THREADS" not in os.environ and device.get("threads") is None:
        devices = device.get("devices")
        processes = devices if isinstance(devices, int) and devices > 1 else 1
        share["OMP_NUM_THREADS"] = str(max(1, num_cores() // jobs // processes))
    if gpus and device.get("accelerator") != "cpu":
        mine = gpus[slot::jobs] if len(gpus) >= jobs else [gpus[slot % len(gpus)]]
        share["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
    return share


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Return the GPUs by number or name, without torch."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names if name and name != "-1"]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = listed.stdout.splitlines() if listed.returncode == 0 else []
    return [str(n) for n, _ in enumerate(line for line in lines if line.startswith("GPU "))]


def leave_error(message: str) -> None:
    """Leave the message of an error to the sweep that has started this process, if any."""
    file = os.environ.get(ERROR_FILE)
    if file:
        try:
            Path(file).write_text(message, encoding="utf-8")
        except OSError:
            pass
