"""The CPU half of tests/gpu/run.sh, whose other half needs a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("run.sh")


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_all_parts_pass(device: str, tmp_path: Path) -> None:
    import torch

    if device == "gpu" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    environment = {**os.environ, "PYTHON": sys.executable, "OUT": str(tmp_path)}
    words = ["--cpu"] if device == "cpu" else []
    done = subprocess.run(
        [SCRIPT, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "results.json").read_text())["parts"]
    states = {name: part["state"] for name, part in parts.items()}
    assert states.pop("kernels") == ("skipped" if device == "cpu" else "passed")
    assert states == dict.fromkeys(("training", "moving", "processes", "speed", "scan"), "passed")
    trained = [(row["task"], row["precision"]) for row in parts["training"]["rows"]]
    tasks = {"forecasting", "sentiment", "speech_commands", "translation", "video_action"}
    assert {task for task, _ in trained} == tasks
    assert len(set(trained)) == 2 * len(tasks)
    assert (tmp_path / "results.md").read_text().startswith("# ")


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "OUT": str(tmp_path)}
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    environment["PYTHON"] = str(bare)
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "cannot import: torch torchvision" in done.stderr
