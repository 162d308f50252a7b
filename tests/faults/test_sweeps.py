"""Sweeps and searches that are killed, that fail in part, and that run twice at once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fork_server import ForkServer
from small_data import small_runs

from gru_suite.sweeps.ledger import Entry, Ledger

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs fork and /proc"),
]

SMALL = [
    "device=cpu",
    "device.threads=1",
    "trainer.max_epochs=2",
    "backbone.hidden_size=8",
    "data.stride=8",
    "data.eval_stride=24",
    "trainer.limit_train_batches=4",
    "trainer.limit_val_batches=2",
    "trainer.limit_test_batches=2",
]
# Of each is waited for, whatever else runs on the machine.
MAX_LAUNCHES = 12


@pytest.fixture(scope="module")
def servers() -> Iterator[list[ForkServer]]:
    servers = [ForkServer(), ForkServer()]
    yield servers
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*small_runs(tmp_path_factory.mktemp("data"))["forecasting"], *SMALL]


def entries(folder: Path) -> dict[int, Entry]:
    return {entry.number: entry for entry in Ledger(folder).read().values()}


def launch(server: ForkServer, line: list[str], cwd: Path, kill_after: float | None = None) -> int:
    """Launch a sweep, kill it after some seconds, and return its exit code."""
    process = server.start(line, cwd, cwd / "log")
    assert process > 1
    if kill_after is not None:
        time.sleep(kill_after)
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return server.wait()


def launch_until_done(
    server: ForkServer, line: list[str], cwd: Path, folder: Path, kills: int, draw: random.Random
) -> tuple[int, float]:
    """Kill a sweep at random moments and launch it again; return kills and seconds."""
    began, killed = time.monotonic(), 0
    for _ in range(MAX_LAUNCHES):
        before = entries(folder)
        last = killed == kills
        code = launch(server, line, cwd, None if last else draw.uniform(0.5, 4.0))
        killed += code == -signal.SIGKILL
        after = entries(folder)
        for number, entry in before.items():
            assert after[number].overrides == entry.overrides
            if entry.state in ("finished", "pruned"):
                assert after[number].starts == entry.starts, (number, log_of(cwd))
        if code != -signal.SIGKILL:
            assert code == 0, log_of(cwd)
            return killed, time.monotonic() - began
    raise AssertionError(log_of(cwd))


def log_of(cwd: Path) -> str:
    logs = [path.read_text()[-1500:] for path in sorted(cwd.glob("sweep/*/job.log"))]
    return "\n".join([(cwd / "log").read_text()[-4000:], *logs])


def test_killed_sweep_loses_no_job_and_runs_none_twice(
    servers: list[ForkServer], words: list[str], tmp_path: Path
) -> None:
    line = ["-m", *words, "backbone=gru,lstm", "seed=1,2", "jobs=2", "hydra.sweep.dir=sweep"]
    folder = tmp_path / "sweep"
    draw = random.Random("sweep")
    killed, seconds = launch_until_done(servers[0], line, tmp_path, folder, 5, draw)
    print(f"{killed} kills, {seconds:.0f} s")
    found = entries(folder)
    assert sorted(found) == [0, 1, 2, 3]
    for number, entry in found.items():
        assert entry.state == "finished"
        assert (folder / str(number) / "metrics.json").is_file()
        record = json.loads((folder / str(number) / "run.json").read_text())
        assert (record["state"], record["config"]) == ("finished", entry.config)
        log = (folder / str(number) / "job.log").read_text()
        # A finished job was not started again: its results are printed once.
        assert log.count("run folder:") == 1, log
    assert sum(entry.starts for entry in found.values()) <= 4 + 2 * killed
    # The same line again has nothing to do.
    (tmp_path / "log").unlink()
    assert launch(servers[0], line, tmp_path) == 0
    assert "4 of 4 jobs are finished already" in (tmp_path / "log").read_text()
    assert {n: e.starts for n, e in entries(folder).items()} == {
        n: e.starts for n, e in found.items()
    }
    # An extended sweep has new numbers for its new jobs alone.
    longer = [each.replace("seed=1,2", "seed=1,2,3").replace("gru,lstm", "gru") for each in line]
    assert launch(servers[0], longer, tmp_path) == 0
    assert sorted(entries(folder)) == [0, 1, 2, 3, 4]
    assert "seed=3" in entries(folder)[4].overrides


def test_failing_jobs_are_told_of_and_others_go_on(
    servers: list[ForkServer], words: list[str], tmp_path: Path
) -> None:
    line = ["-m", *words, "optimizer.lr=1e-3,1e30,-1", "hydra.sweep.dir=sweep"]
    code = launch(servers[0], [*line, "jobs=3"], tmp_path)
    log = (tmp_path / "log").read_text()
    assert code == 1, log
    found = entries(tmp_path / "sweep")
    assert [found[n].state for n in range(3)] == ["finished", "failed", "failed"]
    assert "the training loss is nan" in str(found[1].error)
    assert "optimizer.lr" in str(found[2].error)
    assert "1 of 3 jobs are finished, 2 failed" in log
    table = (tmp_path / "sweep" / "jobs.csv").read_text().splitlines()
    assert table[0].startswith("job,optimizer.lr,metric,score")
    assert table[1].startswith("0,0.001,test/mae,")
    # A failed one is tried again, a finished one not.
    assert launch(servers[0], line, tmp_path) == 1
    again = entries(tmp_path / "sweep")
    assert [again[n].starts for n in range(3)] == [1, 2, 2]
    # One job at a time prints through, with its error as ever.
    assert "gru-suite: error: job 2 (" in (tmp_path / "log").read_text()


def test_two_launches_share_the_jobs(
    servers: list[ForkServer], words: list[str], tmp_path: Path
) -> None:
    line = ["-m", *words, "seed=1,2,3", "hydra.sweep.dir=sweep"]
    for number, server in enumerate(servers):
        server.start(line, tmp_path, tmp_path / f"log{number}")
    assert [server.wait() for server in servers] == [0, 0]
    found = entries(tmp_path / "sweep")
    assert {n: (e.state, e.starts) for n, e in found.items()} == dict.fromkeys(
        range(3), ("finished", 1)
    )


def test_terminated_sweep_says_how_to_continue(
    servers: list[ForkServer], words: list[str], tmp_path: Path
) -> None:
    line = ["-m", *words, "seed=1,2", "trainer.max_epochs=500", "hydra.sweep.dir=sweep"]
    line += ["trainer.limit_train_batches=1", "callbacks=none"]
    (tmp_path / "log").touch()
    process = servers[0].start(line, tmp_path, tmp_path / "log")
    until = time.monotonic() + 60
    while time.monotonic() < until and "epoch 3/" not in (tmp_path / "log").read_text():
        time.sleep(0.1)
    os.kill(process, signal.SIGTERM)
    assert servers[0].wait() == 143
    log = (tmp_path / "log").read_text()
    assert "0 of 2 jobs are finished, 1 stopped, continue with: gru-suite -m " in log
    assert (tmp_path / "sweep" / "0" / "checkpoints" / "last.ckpt").is_file()


SEARCH = ["sweep=search_forecasting", "hydra.sweep.dir=sweep", "search.pruner=none"]


def trials(folder: Path, name: str = "sweep") -> list[Any]:
    from gru_suite.training.search.study_store import open_study

    return open_study(str(folder / "study.journal"), name).get_trials()


def test_killed_search_goes_on_with_its_trials(
    servers: list[ForkServer], words: list[str], tmp_path: Path
) -> None:
    line = ["-m", *words, *SEARCH, "search.n_trials=6", "jobs=2"]
    folder = tmp_path / "sweep"
    draw = random.Random("search")
    killed, seconds = launch_until_done(servers[0], line, tmp_path, folder, 2, draw)
    print(f"{killed} kills, {seconds:.0f} s")
    # A trial whose process was killed before it had parameters does not count.
    found = [trial for trial in trials(folder) if "surplus" not in trial.user_attrs]
    assert len(found) == 6
    assert {trial.state.name for trial in found} == {"COMPLETE"}, log_of(tmp_path)
    assert len({json.dumps(trial.params, sort_keys=True) for trial in found}) == 6
    for trial in found:
        record = json.loads((folder / str(trial.number) / "run.json").read_text())
        assert record["monitor"]["value"] == trial.value
        assert entries(folder)[trial.number].overrides[-4:] == trial.user_attrs["overrides"]
    log = (tmp_path / "log").read_text()
    assert "train it: gru-suite task=forecasting" in log
    assert (folder / "best.yaml").is_file()


def test_two_processes_on_one_study_make_the_trials_once(
    servers: list[ForkServer], words: list[str], tmp_path: Path
) -> None:
    # In folders of their own, as on two machines: they share the storage alone.
    line = ["-m", *words, *SEARCH, "search.n_trials=5", "search.study=shared"]
    line += [f"search.storage={tmp_path / 'study.journal'}"]
    for number, server in enumerate(servers):
        (tmp_path / str(number)).mkdir()
        server.start(line, tmp_path / str(number), tmp_path / f"log{number}")
    codes = [server.wait() for server in servers]
    logs = "\n".join((tmp_path / f"log{number}").read_text()[-3000:] for number in (0, 1))
    assert codes == [0, 0], logs
    found = [t for t in trials(tmp_path, "shared") if "surplus" not in t.user_attrs]
    assert len(found) == 5
    assert {trial.state.name for trial in found} == {"COMPLETE"}, logs
    both = [set(entries(tmp_path / str(number) / "sweep")) for number in (0, 1)]
    assert both[0] | both[1] == {trial.number for trial in found}
    assert not both[0] & both[1]


def test_hopeless_trials_are_pruned(
    servers: list[ForkServer], words: list[str], tmp_path: Path
) -> None:
    line = ["-m", *words, "sweep=search_forecasting", "hydra.sweep.dir=sweep"]
    line += ["search.n_trials=5", "search.pruner_trials=1", "search.pruner_epochs=0"]
    assert launch(servers[0], [*line, "trainer.max_epochs=3"], tmp_path) == 0, log_of(tmp_path)
    found = trials(tmp_path / "sweep")
    pruned = [trial.number for trial in found if trial.state.name == "PRUNED"]
    assert pruned, log_of(tmp_path)
    for number in pruned:
        record = json.loads((tmp_path / "sweep" / str(number) / "run.json").read_text())
        assert record["state"] == "pruned"
        assert not (tmp_path / "sweep" / str(number) / "metrics.json").exists()


def test_distributed_jobs_are_one_run_each(words: list[str], tmp_path: Path) -> None:
    """With real processes, which Lightning starts again by their command line."""
    command = [sys.executable, "-m", "gru_suite", "-m", *words, "seed=1,2", "device.devices=2"]
    command += ["device.strategy=ddp", "hydra.sweep.dir=sweep", "trainer.max_epochs=1"]
    # Validation for both processes.
    command += ["data.eval_stride=1", "trainer.limit_val_batches=1.0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
    assert sorted(p.name for p in (tmp_path / "sweep").iterdir() if p.is_dir()) == [
        ".jobs",
        "0",
        "1",
    ]
    # Lines of one process of each job.
    assert run.stdout.count("epoch 1/1") == 2
    assert {e.starts for e in entries(tmp_path / "sweep").values()} == {1}
