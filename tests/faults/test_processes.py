"""Training in two processes equals training in one with the same global batch."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from small_data import small_runs

pytestmark = pytest.mark.slow

OPTIONS = ["device=cpu", "device.threads=1", "trainer.max_epochs=3", "backbone.hidden_size=16"]
# What is drawn at random differs between processes.
NOTHING_DRAWN = {
    "forecasting": ["task.input_dropout=0", "task.head_dropout=0"],
    "sentiment": ["task.token_dropout=0", "task.embedding_dropout=0", "task.head_dropout=0"],
    "speech_commands": [
        "task.head_dropout=0",
        "task.front_end.dropout=0",
        "task.spec_augment.time_masks=0",
        "task.spec_augment.band_masks=0",
        "data.augment=null",
    ],
    "video_action": [
        "task.head_dropout=0",
        "task.encoder.appearance_dropout=0",
        "data.augment=null",
        "data.margin=0",
    ],
}


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return small_runs(tmp_path_factory.mktemp("data"))


def train(words: list[str], folder: Path, *more: str) -> tuple[dict[str, Any], list[Any], str]:
    command = [sys.executable, "-m", "gru_suite", *words, *more, f"hydra.run.dir={folder.name}"]
    run = subprocess.run(
        [*command, *OPTIONS], cwd=folder.parent, capture_output=True, text=True, timeout=90
    )
    assert run.returncode == 0, run.stderr[-3000:]
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return json.loads((folder / "metrics.json").read_text()), rows, run.stdout + run.stderr


def test_processes_with_different_options_are_refused(
    words: dict[str, list[str]], tmp_path: Path
) -> None:
    arguments = [*words["forecasting"], "device=cpu", "device.devices=2", "debug=tiny"]
    # What a launcher gives each process; only the last words differ.
    line = shlex.join([sys.executable, "-m", "gru_suite", *arguments, "hydra.run.dir=run"])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run = subprocess.run(
        [*torchrun, "--no-python", "bash", "-c", f"{line} optimizer.lr=0.00$((RANK + 1))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode != 0
    assert "the processes of this run have different options (process 1 " in run.stderr


@pytest.mark.parametrize("task", list(NOTHING_DRAWN))
def test_two_processes_equal_one(task: str, words: dict[str, list[str]], tmp_path: Path) -> None:
    # Adam makes steps of a gradient that is rounding alone, such as a bias's before a norm.
    own = [*words[task], *NOTHING_DRAWN[task], "optimizer=sgd", "optimizer.lr=0.02"]
    one, one_rows, _ = train(own, tmp_path / "one")
    two, two_rows, printed = train(own, tmp_path / "two", "device.devices=2")
    assert [row["epoch"] for row in two_rows] == ["1", "2", "3"]
    for row, right in zip(two_rows, one_rows, strict=True):
        # Rounding grows from step to step.
        allowed = 1e-4 if row["epoch"] == "1" else 1e-3
        for name in ("train/loss", "val/loss", "step", "lr"):
            assert float(row[name]) == pytest.approx(float(right[name]), rel=allowed), (name, row)
    scored = {name for name in one if name.startswith(("val/", "test/"))}
    assert scored <= set(two)
    for name in sorted(name for name in scored if one[name] is not None):
        assert two[name] == pytest.approx(one[name], rel=5e-3, abs=1e-3), name
    # Each item once: metrics of other counts would differ more.
    for name, scores in one["baselines"].items():
        for metric, value in scores.items():
            found = two["baselines"][name][metric]
            assert found == pytest.approx(value, rel=5e-3, abs=1e-3, nan_ok=True), (name, metric)
    # One folder, one log, one checkpoint of each kind, each line once.
    assert printed.count("epoch 2/3") == 1
    assert printed.count("run folder:") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    names = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "one").iterdir())
    assert sorted(path.name for path in (tmp_path / "two" / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
        "previous.ckpt",
    ]


def any_is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("whom", ["all", "first"])
def test_two_terminated_processes_resume(
    whom: str, words: dict[str, list[str]], tmp_path: Path
) -> None:
    own = [*words["forecasting"], "device.devices=2", "data.batch_size=16"]
    _, right, _ = train(own, tmp_path / "undisturbed")
    command = [sys.executable, "-m", "gru_suite", *own, *OPTIONS, "hydra.run.dir=run"]
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        while "epoch 1/3" not in (tmp_path / "log").read_text() and run.poll() is None:
            time.sleep(0.01)
        (os.killpg if whom == "all" else os.kill)(run.pid, signal.SIGTERM)
        code = run.wait(timeout=60)
    printed = (tmp_path / "log").read_text()
    assert code == 143, printed[-3000:]
    assert "terminated; its state is saved" in printed
    until = time.monotonic() + 20
    while any_is_running(run.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any_is_running(run.pid), "a process is left behind"
    resumed = subprocess.run(
        [sys.executable, "-m", "gru_suite", "resume=run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row, expected in zip(rows, right, strict=True):
        assert float(row["val/loss"]) == pytest.approx(float(expected["val/loss"]), rel=1e-3)
