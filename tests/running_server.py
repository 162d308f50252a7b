"""A real server of checkpoints in a process of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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


@contextmanager
def running_server(words: Sequence[str], folder: Path, packages: str = "") -> Iterator[Server]:
    """Start a server in a folder, wait for its address, and stop it at the end.

    Args:
        words: of its command line, such as ``serve=outputs``; a port other than a free one is one
            of them.
        folder: where it runs and its log is written.
        packages: more folders that Python imports from.
    """
    log = folder / f"server_{time.monotonic_ns()}.log"
    port = () if any(word.startswith("serve.port=") for word in words) else ("serve.port=0",)
    path = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH", ""))))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gru_suite", "serve", *port, *words],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not (found := re.search(r"http://[\w.]+:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield Server(process, found.group(), log)
    finally:
        process.terminate()
        process.wait(timeout=30)
