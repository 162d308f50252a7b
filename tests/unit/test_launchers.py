"""What started a process, by the environment that its launcher gives it."""

import json
import os
import threading
from pathlib import Path

import pytest

from gru_suite.cli.hydra_call import HydraCall, parse_hydra_call
from gru_suite.devices import check_launch
from gru_suite.errors import UserError
from gru_suite.launchers import Launch, find_launch, job_folder
from gru_suite.results.agreement import FILE, hear_decision, telling_others

VARIABLES = (
    "SLURM_",
    "TORCHELASTIC_",
    "LOCAL_RANK",
    "RANK",
    "WORLD_SIZE",
    "ENVIRONMENT",
    "MASTER_",
)
JOB = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}
SRUN = {**JOB, "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}
BATCH = {**JOB, "ENVIRONMENT": "BATCH", "SLURM_PROCID": "0"}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "night/1",
    "TORCHELASTIC_RESTART_COUNT": "0",
    "MASTER_PORT": "4000",
    "GROUP_WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
    "RANK": "1",
    "WORLD_SIZE": "2",
}


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(VARIABLES):
            monkeypatch.delenv(name)


def call(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], *words: str) -> HydraCall:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return parse_hydra_call("train", "train", words, ("train",))


@pytest.mark.parametrize(
    ("given", "launcher", "job", "rank", "world_size"),
    [
        ({}, "", None, 0, 1),
        (JOB, "", None, 0, 1),
        (SRUN, "srun", "slurm-7", 1, 2),
        (BATCH, "batch", "slurm-7", 0, 1),
        (TORCHRUN, "torchrun", "torchrun-night/1", 1, 2),
        # torchrun within a job of SLURM.
        (SRUN | TORCHRUN, "torchrun", "torchrun-night/1", 1, 2),
        (BATCH | {"LOCAL_RANK": "1"}, "lightning", None, 1, 0),
    ],
)
def test_launcher(
    given: dict[str, str], launcher: str, job: str | None, rank: int, world_size: int
) -> None:
    found = find_launch(given)
    assert (found.launcher, found.job, found.rank) == (launcher, job, rank)
    assert found.world_size == world_size
    assert not found.restarted
    if job is not None:
        again = {"SLURM_RESTART_COUNT": "1", "TORCHELASTIC_RESTART_COUNT": "1"}
        assert find_launch(given | again).restarted
        assert find_launch(given | again).job == job


def test_torchrun_without_a_name_is_told_by_its_process_or_port() -> None:
    unnamed = TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}
    assert find_launch(unnamed).job == "torchrun-port-4000"
    assert find_launch(unnamed | {"GROUP_WORLD_SIZE": "1"}).job == f"torchrun-{os.getppid()}"


def test_the_folder_of_a_job_depends_on_the_command_line() -> None:
    first, second = job_folder("slurm-7", ["seed=1"]), job_folder("slurm-7", ["seed=2"])
    assert first == job_folder("slurm-7", ["seed=1"]) != second
    assert first.startswith("slurm-7-")
    assert len(first) == len("slurm-7-123456")
    assert "/" not in job_folder("torchrun-night/1", [])


def test_processes_of_a_job_have_one_folder_and_the_first_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["seed=1", "device.devices=2"]
    first = call(monkeypatch, SRUN | {"SLURM_PROCID": "0"}, *words).overrides
    second = call(monkeypatch, SRUN, *words).overrides
    assert first[:-1] == tuple(words)
    name = job_folder("slurm-7", words)
    assert first[-1] == f"hydra.run.dir='outputs/${{hydra:runtime.choices.task}}/{name}'"
    assert second == (*first, "hydra/job_logging=stdout", "hydra.output_subdir=null")


def test_a_folder_that_was_given_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, BATCH, "hydra.run.dir=here").overrides == ("hydra.run.dir=here",)


@pytest.mark.parametrize("given", [{}, JOB])
def test_a_shell_starts_a_new_run_each_time(
    given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, given, "seed=1").overrides == ("seed=1",)


def test_jobs_of_a_sweep_have_their_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, BATCH, "-m", "seed=1,2").overrides == ("seed=1,2",)


@pytest.mark.parametrize(
    ("given", "device", "message"),
    [
        (SRUN, {"devices": 1}, r"srun has started 2 processes, and device.devices=1"),
        (TORCHRUN, {"devices": 4}, "torchrun has started 2 processes"),
        ({}, {"devices": 1, "num_nodes": 2}, "no launcher of several nodes was found"),
        (SRUN, {"devices": 2}, None),
        (TORCHRUN, {"devices": 1, "num_nodes": 2}, None),
        (BATCH, {"devices": 2}, None),
        ({"LOCAL_RANK": "1"}, {"devices": 2}, None),
    ],
)
def test_a_launcher_starts_as_many_processes_as_there_are_devices(
    given: dict[str, str],
    device: dict[str, int],
    message: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    options = {"accelerator": "cpu", **device}
    if message is None:
        check_launch(options)
        return
    with pytest.raises(UserError, match=message):
        check_launch(options)


def test_the_first_process_tells_the_others_where_the_run_begins(tmp_path: Path) -> None:
    first = Launch("srun", "slurm-7", 0, 2, "slurm-7.0.1")
    second = Launch("srun", "slurm-7", 1, 2, "slurm-7.0.1")
    # Of the start before.
    (tmp_path / FILE).write_text(json.dumps({"start": "slurm-7.0.0", "checkpoint": None}))
    heard: list[object] = []
    listener = threading.Thread(target=lambda: heard.append(hear_decision(tmp_path, second, 20)))
    listener.start()
    with telling_others(tmp_path, first, tmp_path / "checkpoints" / "last.ckpt", False):
        listener.join()
    assert heard == [(tmp_path / "checkpoints" / "last.ckpt", False)]
    assert not (tmp_path / FILE).exists()
    with telling_others(tmp_path, first, None, True):
        pass
    assert hear_decision(tmp_path, second, 1) == (None, True)


def test_a_process_does_not_wait_for_ever(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="process 1 has waited 0 s for the first"):
        hear_decision(tmp_path, Launch("srun", "slurm-7", 1, 2, "slurm-7.0.0"), 0.2)
