"""A real server: its process, its address and its log."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

GRU_SUITE = (sys.executable, "-m", "gru_suite")
START_SECONDS = 120


class Server(NamedTuple):
    """A running server.

    Attributes:
        process: its process.
        url: its address, without a token and a slash at the end.
        log: the file of what it prints.
    """

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    @property
    def resident_mb(self) -> float:
        """Memory of the process in MB (Linux)."""
        (kilobytes,) = re.findall(
            r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text()
        )
        return int(kilobytes) / 1000


def start_process(
    words: Sequence[str], folder: Path, log: Path, packages: str = ""
) -> subprocess.Popen[bytes]:
    """Start ``gru-suite serve`` with words of its command line."""
    path = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH", ""))))
    with log.open("wb") as output:
        return subprocess.Popen(
            [*GRU_SUITE, "serve", *words],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        )


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address that a server prints when it is ready."""
    until = time.monotonic() + START_SECONDS
    while not (found := re.search(r"http://[\w.]+:\d+", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.02)
    return found.group()


@contextmanager
def running_server(
    checkpoints: Sequence[Path], folder: Path, words: Sequence[str] = (), packages: str = ""
) -> Iterator[Server]:
    """Start a server in a folder, wait for its address, and stop it at the end.

    Args:
        checkpoints: what it serves; none where ``words`` name it.
        folder: where its log is written.
        words: further words of its command line; a port other than a free one is one of them.
        packages: more folders that Python imports from.
    """
    log = folder / f"server_{time.monotonic_ns()}.log"
    port = () if any(word.startswith("serve.port=") for word in words) else ("serve.port=0",)
    served = (f"checkpoint={','.join(map(str, checkpoints))}",) if checkpoints else ()
    process = start_process([*served, *port, *words], folder, log, packages)
    try:
        yield Server(process, wait_for_address(process, log), log)
    finally:
        process.terminate()
        process.wait(timeout=30)
