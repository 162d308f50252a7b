"""Training under a real SLURM of one node, and under torchrun."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_data import small_runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("GRU_SUITE_CLUSTER"),
        reason="GRU_SUITE_CLUSTER=1 starts the services of a cluster on this machine",
    ),
]

SCRIPT = Path(__file__).with_name("slurm_one_node.sh")
GRU_SUITE = [sys.executable, "-m", "gru_suite"]
ONE_THREAD = ["device=cpu", "device.threads=1"]
TINY = [*ONE_THREAD, "trainer.max_epochs=2", "backbone.hidden_size=8"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return a command line that trains in a moment."""
    return small_runs(tmp_path_factory.mktemp("data"))["forecasting"]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def slurm(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start SLURM and return the environment of its commands."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not _which(name)]
    if missing:
        pytest.skip(f"needs SLURM (Debian: slurm-wlm, munge): no {', '.join(missing)}")
    if os.geteuid():
        pytest.skip("needs root: slurmd starts jobs as their users")
    # Names of sockets are short, pytest's folders are not.
    folder = tempfile.mkdtemp(prefix="slurm-")
    ports = {name: str(_free_port()) for name in ("SLURMCTLD_PORT", "SLURMD_PORT")}
    start = subprocess.run(
        [SCRIPT, "start", folder], env={**environment, **ports}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert start.returncode == 0
        yield {**environment, "SLURM_CONF": start.stdout.strip().partition("=")[2]}
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(command: list[str], cwd: Path, environment: dict[str, str], code: int = 0) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def outcome(folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return what a run gives, without its times."""
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = {key: value for key, value in metrics.items() if "/" in key or key == "baselines"}
    with (folder / "metrics.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return kept, rows


def assert_one_run_of_two(printed: str, cwd: Path, launcher: str) -> None:
    """Check that two processes have made one run folder, and printed each line once."""
    assert printed.count("epoch 1/2") == printed.count("epoch 2/2") == 1, printed
    assert printed.count("run folder:") == 1
    assert "warn" not in printed.lower()
    (folder,) = (cwd / "outputs" / "forecasting").iterdir()
    assert re.fullmatch(rf"{launcher}-[\w-]+-[0-9a-f]{{6}}", folder.name)
    assert len(outcome(folder)[1]) == 2
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    assert names == [
        ".lock",
        "config.yaml",
        "gru-suite.log",
        "metrics.csv",
        "metrics.json",
        "model_card.md",
        "run.json",
    ]
    assert json.loads((folder / "run.json").read_text())["state"] == "finished"


def test_srun_trains_in_two_processes(
    slurm: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    srun = ["srun", "-n2", "--ntasks-per-node=2"]
    printed = run([*srun, *GRU_SUITE, *words, *TINY, "device.devices=2"], tmp_path, slurm)
    assert_one_run_of_two(printed, tmp_path, "slurm")


def test_srun_with_more_processes_than_devices_is_refused(
    slurm: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    printed = run(["srun", "-n2", *GRU_SUITE, *words, *TINY], tmp_path, slurm, code=2)
    assert "srun has started 2 processes, and device.devices=1" in printed


def test_torchrun_trains_in_two_processes(
    environment: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, "-m", "gru_suite", *words, *TINY, "device.devices=2"]
    assert_one_run_of_two(run(command, tmp_path, environment), tmp_path, "torchrun")


def test_a_batch_job_starts_processes_itself(
    slurm: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    job = submit([*GRU_SUITE, *words, *TINY, "device.devices=2"], tmp_path, slurm)
    assert wait_for(job, tmp_path, slurm)["JobState"] == "COMPLETED"
    assert_one_run_of_two((tmp_path / "job.log").read_text(), tmp_path, "slurm")


def submit(command: list[str], cwd: Path, slurm: dict[str, str]) -> str:
    """Submit a batch job of one task and return its number."""
    script = cwd / "job.sh"
    script.write_text("#!/bin/bash\nexec " + " ".join(f"'{word}'" for word in command) + "\n")
    sbatch = ["sbatch", "--parsable", "--requeue", "-n1", "--open-mode=append", "-o", "job.log"]
    return run([*sbatch, str(script)], cwd, slurm).strip()


def show(job: str, cwd: Path, slurm: dict[str, str]) -> dict[str, str]:
    shown = run(["scontrol", "show", "job", "--oneliner", job], cwd, slurm)
    return dict(re.findall(r"(\w+)=(\S+)", shown))


def wait_for(job: str, cwd: Path, slurm: dict[str, str]) -> dict[str, str]:
    """Wait for the end of a job and return its facts."""
    for _ in range(600):
        facts = show(job, cwd, slurm)
        if facts["JobState"] not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED"):
            return facts
        time.sleep(0.2)
    raise AssertionError(f"{facts}\n{(cwd / 'job.log').read_text()}")


def test_a_requeued_job_ends_as_if_undisturbed(
    slurm: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    options = [
        *ONE_THREAD,
        "trainer.max_epochs=12",
        "backbone.dropout=0.2",
        "backbone.num_layers=2",
    ]
    command = [*GRU_SUITE, *words, *options, "checkpoint_minutes=0.002"]
    run([*command, "hydra.run.dir=undisturbed"], tmp_path, slurm)

    job = submit(command, tmp_path, slurm)
    runs = tmp_path / "outputs" / "forecasting"
    for _ in range(600):
        if len(list(runs.glob("*/checkpoints/previous.ckpt"))) == 1:
            break
        time.sleep(0.1)
    run(["scontrol", "requeue", job], tmp_path, slurm)
    facts = wait_for(job, tmp_path, slurm)
    printed = (tmp_path / "job.log").read_text()
    assert facts["JobState"] == "COMPLETED", printed
    assert facts["Restarts"] == "1"
    assert printed.count("goes on from last.ckpt") == 1, printed
    assert printed.count("run folder:") == 1
    (folder,) = runs.iterdir()
    assert folder.name.startswith(f"slurm-{job}-")
    assert outcome(folder) == outcome(tmp_path / "undisturbed")


@pytest.mark.parametrize("launcher", ["submitit_slurm", "submitit_local"])
def test_a_sweep_runs_as_jobs(
    launcher: str, request: pytest.FixtureRequest, words: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra 'cluster'")
    name = "slurm" if launcher == "submitit_slurm" else "environment"
    environment = request.getfixturevalue(name)
    sweep = ["-m", f"hydra/launcher={launcher}", "hydra.launcher.cpus_per_task=1", "seed=1,2"]
    run([*GRU_SUITE, *words, *TINY, *sweep], tmp_path, environment)
    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    for number in ("0", "1"):
        assert json.loads((folder / number / "run.json").read_text())["state"] == "finished"
        assert json.loads((folder / number / "metrics.json").read_text())["seed"] == 1 + int(number)
        assert len(outcome(folder / number)[1]) == 2
