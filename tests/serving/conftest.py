"""A real server on small checkpoints."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_runs import train
from server_process import Server, running_server

NAMES = ("series", "texts", "tones", "ahead", "squares", "waves")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small checkpoint of each kind; see :func:`served_runs.train`."""
    if sys.platform == "win32":
        pytest.skip("trains in forked processes")
    return train(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def packages(trained: Path) -> str:
    """Return the folder of the small task package."""
    return str(trained / "package" / "gru-suite-wave-kind")


@pytest.fixture(scope="session")
def server(trained: Path, packages: str) -> Iterator[Server]:
    """Start a server of all the small checkpoints, with small limits."""
    files = [trained / name / "checkpoints" / "best.ckpt" for name in NAMES]
    words = (
        "serve.requests_per_second=0",
        "serve.max_body_mb=2",
        "serve.max_seconds=30",
        "serve.max_streams=8",
    )
    with running_server(files, trained, words, packages) as started:
        yield started
        log = started.log.read_text()
    assert "Traceback" not in log, log
