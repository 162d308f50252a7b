"""Jobs of a sweep as forks of a process that has imported everything: they start in a moment.

What is left out is the start of an interpreter; the rest is as in ``gru_suite.sweeps.processes``.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from gru_suite.sweeps import launcher, processes

_KEPT: list[Any] = []


class ForkedJob:
    """A child process, as far as ``subprocess.Popen`` is needed."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None

    def poll(self, flags: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def spawn(
    words: Sequence[str], environment: Mapping[str, str], log: BinaryIO | None, keep: Sequence[int]
) -> Any:
    prepare = processes._child_preparation()
    pid = os.fork()
    if pid:
        return ForkedJob(pid)
    code = 98
    try:
        # Before the signals of the parent's death.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if prepare is not None:
            prepare()
        os.environ.clear()
        os.environ.update(environment)
        for target in (1, 2) if log is not None else ():
            os.dup2(log.fileno(), target)
        # Locks of other jobs are not to be inherited.
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in keep:
                with suppress(OSError):
                    os.close(int(name))
        # The objects of the parent would close their files.
        _KEPT.extend((sys.stdout, sys.stderr))
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        sys.argv = ["gru-suite", *words]
        _forget_hydra()
        from gru_suite.cli.main import main

        code = main(list(words))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _forget_hydra() -> None:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


def install() -> None:
    """Let the sweeps of this process start their jobs as forks."""
    launcher.spawn = spawn  # type: ignore[assignment]
