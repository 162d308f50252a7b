"""The server's real process on untrained checkpoints of every task."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_process import Server, running_server
from service_models import save_checkpoint, service_models


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write checkpoints of finished runs; return their folder."""
    if sys.platform == "win32":
        pytest.skip("ends processes by signals")
    pytest.importorskip("fastapi", reason="needs the extra serve")
    root = tmp_path_factory.mktemp("served")
    for name, model in service_models(root).items():
        save_checkpoint(model, root / name / "checkpoints" / "best.ckpt")
        (root / name / "metrics.json").write_text("{}")
    return root


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[Server]:
    """Start a server of all of them, without a limit of the rate."""
    words = (f"serve={runs}", "serve.requests_per_second=0", "serve.max_body_mb=2")
    with running_server((), runs, words) as started:
        yield started


def checkpoint(runs: Path, name: str) -> Path:
    """Return the checkpoint of a run."""
    return runs / name / "checkpoints" / "best.ckpt"
