"""``gru-suite runs``: what a folder says about its run, filters and order of the list."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from run_folder_files import make_run

from gru_suite.cli.main import main
from gru_suite.results.comparison.run_list import sort_runs
from gru_suite.results.comparison.run_records import RunRecord, find_runs, is_sweep, read_run

TIMES = [f"2026-03-0{day}T12:00:00+00:00" for day in range(1, 8)]


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four runs of forecasts and one of texts, each a day after the one before."""
    folder = tmp_path / "outputs"
    for index, (cell, score) in enumerate([("gru", 0.3), ("lstm", 0.2), ("gru", 0.25)]):
        path = folder / "forecasting" / f"r{index}"
        options = {"backbone.cell": cell, "backbone.hidden_size": 8 * (index + 1)}
        make_run(path, score, seed=index, options=options, started=TIMES[index])
    failed = folder / "sweeps" / "s" / "0"
    make_run(failed, None, seed=7, state="failed", error="no\nmemory", started=TIMES[3])
    texts = {"task": "sentiment", "data": "reviews", "metric": "accuracy"}
    better = {"accuracy": "max"}
    make_run(folder / "sentiment" / "t", 0.8, better=better, started=TIMES[4], **texts)
    make_run(folder / "sentiment" / "u", 0.9, better=better, started=TIMES[0], **texts)
    monkeypatch.chdir(tmp_path)
    return folder


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["runs", "format=json", *words]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def names(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    return [Path(run["folder"]).name for run in listed(capsys, *words)]


def record(folder: Path) -> RunRecord:
    run = read_run(folder)
    assert run is not None
    return run


@pytest.mark.usefixtures("outputs")
def test_the_newest_runs_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert names(capsys) == ["t", "0", "r2", "r1", "r0", "u"]
    assert names(capsys, "limit=2") == ["t", "0"]


@pytest.mark.usefixtures("outputs")
def test_the_table_has_a_row_per_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "limit=2"]) == 0
    out = capsys.readouterr().out
    assert "outputs/sentiment/t" in out
    assert "accuracy 0.800" in out
    assert "2 of 6 runs; limit=6 shows all" in out
    row = next(line for line in out.splitlines() if "sweeps" in line)
    assert row.split()[:5] == ["outputs/sweeps/s/0", "forecasting", "weather", "gru", "–"]  # noqa: RUF001
    assert row.split()[-1] == "failed"


@pytest.mark.usefixtures("outputs")
def test_the_best_comes_first_in_each_task_by_its_own_direction(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert names(capsys, "sort=best") == ["r1", "r2", "r0", "0", "u", "t"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["task=sentiment"], ["t", "u"]),
        (["data=weather", "cell=lstm"], ["r1"]),
        (["state=failed"], ["0"]),
        (["seed=0,2"], ["r2", "r0"]),
        (["backbone.hidden_size=24"], ["r2"]),
        (["optimizer.lr=1e-3", "cell=gru", "state=finished", "task=forecasting"], ["r2", "r0"]),
        (["checkpoint=null", "cell=lstm"], ["r1"]),
        (["outputs/sentiment"], ["t", "u"]),
    ],
)
@pytest.mark.usefixtures("outputs")
def test_filters(filters: list[str], found: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert names(capsys, *filters) == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["backbone.hiden_size=8"], "did you mean 'backbone.hidden_size'?"),
        (["tasks=sentiment"], "no key 'tasks' in the runs; did you mean 'task'?"),
        (["srot=best"], "did you mean 'sort'?"),
        (["cell=lsmt"], "no run has cell=lsmt; did you mean 'lstm'?"),
        (["task=sentiment", "cell=lstm"], "no run has cell=lstm; choose one of gru"),
        (["sort=beste"], "sort=beste: no such sort; did you mean 'best'?"),
        (["format=xml"], "no such format; choose one of table, json"),
        (["limit=0"], "limit=0: needs a whole number, 1 or more"),
        (["limit=x"], "limit=x: needs a whole number, 1 or more"),
        (["nowhere"], "no folder 'nowhere'"),
        (["outputs", "."], "one folder is needed, found outputs and ."),
        (["empty"], "no training run in empty"),
    ],
)
@pytest.mark.usefixtures("outputs")
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(["runs", *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_without_outputs_the_folder_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 2
    assert "no folder outputs here" in capsys.readouterr().err


def test_a_failed_run_says_why_in_one_line(outputs: Path) -> None:
    run = record(outputs / "sweeps" / "s" / "0")
    assert (run.state, run.error, run.score(run.headline)) == ("failed", "no memory", None)


def test_a_running_process_holds_the_lock_and_a_killed_one_does_not(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="locks of files are POSIX")
    folder = make_run(tmp_path / "r", None, state="running")
    lock = folder / ".lock"
    lock.touch()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert record(folder).state == "running"
    assert record(folder).state == "stopped"
    # To look does not take the lock from a process that starts.
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_without_a_lock_file_a_run_is_what_it_says(tmp_path: Path) -> None:
    assert record(make_run(tmp_path / "r", None, state="running")).state == "running"


def test_a_run_of_an_older_version_is_finished_if_it_has_results(tmp_path: Path) -> None:
    facts = {"test/loss": 0.1, "test/mse": 0.4}
    done = record(make_run(tmp_path / "a", 0.3, state=None, metric="mae", **facts))
    assert (done.state, done.headline, done.score("mae")) == ("finished", "mae", 0.3)
    assert (done.task, done.data, done.cell) == ("forecasting", "weather", "gru")
    # What is better it does not say, but for a loss and for what chose its best epoch.
    assert [done.direction(name) for name in ("mae", "loss")] == ["none", "min"]
    assert record(make_run(tmp_path / "b", None, state=None)).state == "stopped"


def test_names_come_from_the_choices_where_no_result_has_them(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "r", None, state=None)
    (folder / ".hydra").mkdir()
    choices = "hydra: {runtime: {choices: {task: forecasting, data: sine}}}"
    (folder / ".hydra" / "hydra.yaml").write_text(choices)
    assert (record(folder).task, record(folder).data) == ("forecasting", "sine")


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"test/mae": NaN}'])
def test_a_broken_file_counts_as_missing(content: str, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "r", 0.3)
    for name in ("metrics.json", "metrics.csv"):
        (folder / name).write_text(content)
    run = record(folder)
    assert run.score("mae") is None
    assert run.seconds_per_epoch is None


def test_folders_of_other_commands_are_no_runs(tmp_path: Path) -> None:
    make_run(tmp_path / "r")
    for name, text in (("predict", "checkpoint: best.ckpt"), ("x", "a: [")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    assert [run.folder.name for run in find_runs(tmp_path)] == ["r"]


def test_a_run_that_ended_before_its_config_was_resolved_is_found(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "s" / "0", None, state=None)
    (folder / ".hydra").mkdir()
    (folder / "config.yaml").rename(folder / ".hydra" / "config.yaml")
    assert [run.state for run in find_runs(tmp_path)] == ["stopped"]
    assert is_sweep(tmp_path / "s")
    assert not is_sweep(tmp_path)


def test_the_epoch_time_is_a_median(tmp_path: Path) -> None:
    run = record(make_run(tmp_path / "r", val_scores=(1, 1, 1, 1), seconds=(60, 2, 3, 4)))
    assert run.seconds_per_epoch == 3.5


def test_runs_without_a_direction_are_last(tmp_path: Path) -> None:
    make_run(tmp_path / "a", 0.1, metric="f1", better={"f1": "none"})
    make_run(tmp_path / "b", 0.3)
    make_run(tmp_path / "c", 0.4, state=None)
    # The older run is sorted by the direction that the newer one records.
    order = [run.folder.name for run in sort_runs(find_runs(tmp_path), "best")]
    assert order == ["b", "c", "a"]


@pytest.mark.parametrize("verb", ["runs", "compare"])
def test_neither_torch_nor_lightning_is_imported(verb: str, outputs: Path) -> None:
    code = (
        "import sys; from gru_suite.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'pytorch_lightning', 'hydra'} & sys.modules.keys();"
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, verb, str(outputs)], cwd=outputs.parent)
    assert done.returncode == 0
