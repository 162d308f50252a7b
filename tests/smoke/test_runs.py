"""Whole runs by the real command line, and the checkpoint in other code."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gru_suite.plugins import available_tasks
from gru_suite.tasks.forecasting.samples import load_weather

TASKS = [task.name for task in available_tasks()]


def gru_suite(*words: str, folder: Path, code: int = 0) -> str:
    """Run the command line in ``folder``; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "gru_suite", *words], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def run_folder(printed: str) -> Path:
    last = printed.rstrip().splitlines()[-1]
    assert last.startswith("run folder: ")
    return Path(last.removeprefix("run folder: "))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """The run folder of one tiny training of the default task."""
    return run_folder(gru_suite("debug=tiny", "device=cpu", "trainer.max_epochs=2", folder=folder))


@pytest.fixture(scope="module")
def weather_csv(folder: Path) -> Path:
    path = folder / "weather.csv"
    load_weather().groupby("origin").tail(400).to_csv(path, index=False)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_with_every_cell(task: str, cell: str, tmp_path: Path) -> None:
    words = (f"task={task}", f"backbone={cell}", "debug=tiny", "device=cpu")
    metrics = json.loads(
        (run_folder(gru_suite(*words, folder=tmp_path)) / "metrics.json").read_text()
    )
    assert metrics["task"] == task
    assert metrics["backbone"] == cell


def test_a_run_leaves_what_it_promises(run: Path, folder: Path) -> None:
    assert run.parent == folder / "outputs" / "forecasting"
    for name in (
        "config.yaml",
        "metrics.json",
        "metrics.csv",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "plots/forecasts.png",
        "plots/learning_curve.png",
    ):
        assert (run / name).stat().st_size > 0, name
    metrics = json.loads((run / "metrics.json").read_text())
    facts = ["task", "data", "backbone", "seed", "num_parameters", "train_seconds"]
    assert list(metrics)[: len(facts)] == facts
    assert metrics["test/mae"] > 0
    assert metrics["val/mae"] > 0
    assert set(metrics["baselines"]) == {"last_value", "seasonal_naive", "linear", "ridge"}
    for scores in metrics["baselines"].values():
        assert {f"test/{name}" for name in scores} <= set(metrics)
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train/loss", "val/loss", "val/mae", "lr", "seconds"} <= set(rows[0])


def test_the_same_seed_gives_the_same_metrics(run: Path, folder: Path) -> None:
    words = ("debug=tiny", "device=cpu", "trainer.max_epochs=2", "hydra.run.dir=again")
    again = run_folder(gru_suite(*words, folder=folder))
    assert again == folder / "again"
    first, second = (json.loads((each / "metrics.json").read_text()) for each in (run, again))
    assert first.pop("train_seconds") > 0
    assert second.pop("train_seconds") > 0
    assert first == second


def test_evaluate_scores_the_checkpoint_as_the_run_did(run: Path, folder: Path) -> None:
    checkpoint = f"checkpoint={run}/checkpoints/best.ckpt"
    printed = gru_suite("evaluate", checkpoint, "data.eval_stride=24", folder=folder)
    metrics = json.loads((run_folder(printed) / "metrics.json").read_text())
    assert metrics["test/mae"] > 0
    assert metrics["baselines"]["ridge"]["mae"] > 0
    wrong = gru_suite("evaluate", checkpoint, "data.eval_strid=24", folder=folder, code=2)
    assert "did you mean 'eval_stride'" in wrong


def test_evaluate_on_another_file_uses_the_checkpoints_scales(
    run: Path, folder: Path, weather_csv: Path
) -> None:
    words = [f"checkpoint={run}/checkpoints/best.ckpt", "data=csv", f"data.path={weather_csv}"]
    words += ["data.split=[0.6,0.1,0.3]", "part=val"]
    metrics = json.loads(
        (run_folder(gru_suite("evaluate", *words, folder=folder)) / "metrics.json").read_text()
    )
    assert metrics["data"] == "weather"
    assert metrics["val/mae"] > 0


def test_predict_writes_the_next_steps_and_a_plot(
    run: Path, folder: Path, weather_csv: Path
) -> None:
    output = folder / "new" / "forecast.csv"
    words = (f"checkpoint={run}/checkpoints/best.ckpt", f"input={weather_csv}", f"output={output}")
    gru_suite("predict", *words, folder=folder)
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["origin", "time", "temp", "temp_q0.1", "temp_q0.5", "temp_q0.9"]
    assert len(rows) == 3 * 24
    assert output.with_suffix(".png").stat().st_size > 0


OTHER_CODE = """
import sys, pandas as pd, gru_suite
frame = pd.read_csv(sys.argv[2], keep_default_na=True)
task = gru_suite.load(sys.argv[1])
from_frame = task.predict(frame).to_frame()
from_path = task.predict(sys.argv[2]).to_frame()
assert from_frame.equals(from_path)
from gru_suite.tasks.forecasting.task import ForecastingTask
again = ForecastingTask.load_from_checkpoint(sys.argv[1]).predict(frame).to_frame()
assert again.equals(from_frame)
assert "hydra" not in sys.modules and "omegaconf" not in sys.modules
print(len(from_frame))
"""


def test_the_checkpoint_works_in_other_code(run: Path, weather_csv: Path, tmp_path: Path) -> None:
    """Another folder with its own tasks/ and conf/, a process without Hydra, config or data."""
    for name in ("tasks", "conf"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not yours')\n")
    checkpoint = (run / "checkpoints" / "best.ckpt").rename(tmp_path / "moved.ckpt")
    words = [sys.executable, "-c", OTHER_CODE, str(checkpoint), str(weather_csv)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    checkpoint.rename(run / "checkpoints" / "best.ckpt")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["72"]


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoints(folder: Path) -> None:
    words = [
        "debug=tiny",
        "device=cpu",
        "optimizer.lr=1e38",
        "optimizer=sgd",
        "trainer.max_epochs=9",
    ]
    words += ["trainer.gradient_clip_val=null", "scheduler=constant", "hydra.run.dir=diverged"]
    printed = gru_suite(*words, folder=folder, code=2)
    assert "the training loss is nan at step" in printed
    assert "lower optimizer.lr" in printed


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["hydra.run.dir=file/run"], "file"),
        (["evaluate", "checkpoint=nowhere.ckpt"], "nowhere.ckpt: no such file"),
        (["predict", "checkpoint=RUN", "input=nowhere.csv"], "nowhere.csv"),
        (["data.lookback=0"], "data.lookback=0"),
        (["data.horizon=-3"], "data.horizon=-3"),
        (["task.decoder=parallell"], "did you mean 'parallel'"),
        (["device=gpu"], "device=cpu"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_clear_line(
    words: list[str], named: str, run: Path, folder: Path
) -> None:
    (folder / "file").write_text("")
    before = set(folder.rglob("*.csv"))
    words = [word.replace("RUN", str(run / "checkpoints" / "best.ckpt")) for word in words]
    printed = gru_suite(*words, folder=folder, code=2)
    assert named in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) <= 2
    assert set(folder.rglob("*.csv")) == before
