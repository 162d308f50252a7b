"""Whole runs by the real command line, and the checkpoint in other code.

A process takes seconds to import torch: one of each kind is started, the others run in this one.
"""

import csv
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.singleton import Singleton

from gru_suite.cli.main import main
from gru_suite.nn.cells.native.library import kernel
from gru_suite.plugins import available_tasks
from gru_suite.tasks.forecasting.samples.weather import load_weather

TASKS = [task.name for task in available_tasks()]
# Few windows, short ones, and all of them are scored, as evaluate does.
SMALL = ("debug=tiny", "device=cpu", "data.lookback=48", "data.eval_stride=24")
SCORED = ("trainer.limit_val_batches=1.0", "trainer.limit_test_batches=1.0")
DIVERGING = (
    *("data=sine", "debug=tiny", "device=cpu", "optimizer=sgd", "optimizer.lr=1e38"),
    *("scheduler=constant", "trainer.gradient_clip_val=null", "trainer.max_epochs=9"),
    "hydra.run.dir=diverged",
)
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
# Hydra's logging would stay configured in the process of the tests.
QUIET = ("hydra/job_logging=disabled", "hydra/hydra_logging=disabled")

Here = Callable[..., str]
Process = subprocess.Popen[str]


def start(*words: str, folder: Path) -> Process:
    """Start Python with these words in ``folder``."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: Process, code: int = 0) -> str:
    """Wait for a process to end with ``code``; return what it printed."""
    out, err = process.communicate()
    assert process.returncode == code, out + err
    return out if code == 0 else err


def gru_suite(*words: str, folder: Path, code: int = 0) -> str:
    """Run the command line in ``folder``, in a process of its own; return what it printed."""
    return finish(start("-m", "gru_suite", *words, folder=folder), code)


@pytest.fixture
def here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    """Return the same for this process, in the folder of the runs."""

    def call(*words: str, code: int = 0) -> str:
        verb = words[:1] if words[0] in ("evaluate", "predict", "export") else ()
        quiet = QUIET if words[0] != "inspect" else ()
        returned = main([*verb, *quiet, *words[len(verb) :]])
        printed = capsys.readouterr()
        assert returned == code, printed.out + printed.err
        return printed.out if code == 0 else printed.err

    state = Singleton.get_state()
    monkeypatch.chdir(folder)
    for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.setenv(name, "0")
    yield call
    Singleton.set_state(state)
    torch.set_flush_denormal(False)


def run_folder(printed: str) -> Path:
    last = printed.rstrip().splitlines()[-1]
    assert last.startswith("run folder: ")
    return Path(last.removeprefix("run folder: "))


def metrics_of(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """The run folder of one tiny training of the default task."""
    words = (*SMALL, *SCORED, "trainer.max_epochs=2")
    return run_folder(gru_suite(*words, folder=folder))


@pytest.fixture(scope="module")
def checkpoint(run: Path) -> str:
    return f"checkpoint={run}/checkpoints/best.ckpt"


@pytest.fixture(scope="module")
def weather_csv(folder: Path) -> Path:
    path = folder / "weather.csv"
    load_weather().groupby("origin").tail(400).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def processes(
    folder: Path, checkpoint: str, weather_csv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Process]]:
    """What runs in a process of its own, all started at once; a test each waits for its end."""
    path = checkpoint.removeprefix("checkpoint=")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    moved = elsewhere / "moved.ckpt"
    moved.write_bytes(Path(path).read_bytes())
    # Other people's folders may have our names.
    for name in ("tasks", "conf"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "__init__.py").write_text("raise RuntimeError('not yours')\n")

    forecast = (checkpoint, f"input={weather_csv}", "output=new/forecast.csv")
    started = {
        "evaluate": start("-m", "gru_suite", "evaluate", checkpoint, "device=cpu", folder=folder),
        "predict": start("-m", "gru_suite", "predict", *forecast, folder=folder),
        "diverge": start("-m", "gru_suite", *DIVERGING, "callbacks=none", folder=folder),
        "other code": start("-c", OTHER_CODE, str(moved), str(weather_csv), folder=elsewhere),
    }
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_with_every_cell(task: str, cell: str, tmp_path: Path) -> None:
    words = (f"task={task}", f"backbone={cell}", "debug=tiny", "device=cpu")
    metrics = metrics_of(run_folder(gru_suite(*words, folder=tmp_path)))
    assert metrics["task"] == task
    assert metrics["backbone"] == cell


def test_a_run_in_mixed_precision_clips_its_gradients(here: Here) -> None:
    words = (*SMALL, *SCORED, "trainer.max_epochs=1", "device.precision=bf16-mixed")
    rows = rows_of(run_folder(here(*words)) / "metrics.csv")
    assert [math.isfinite(float(row["val/loss"])) for row in rows] == [True]


def test_a_run_leaves_what_it_promises(run: Path, folder: Path) -> None:
    assert run.parent == folder / "outputs" / "forecasting"
    for name in (
        "config.yaml",
        "metrics.json",
        "metrics.csv",
        "model_card.md",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "plots/forecasts.png",
        "plots/learning_curve.png",
    ):
        assert (run / name).stat().st_size > 0, name
    metrics = metrics_of(run)
    facts = ["task", "data", "backbone", "seed", "num_parameters", "train_seconds"]
    assert list(metrics)[: len(facts)] == facts
    assert metrics["test/mae"] > 0
    assert set(metrics["baselines"]) == {"last_value", "seasonal_naive", "linear", "ridge"}
    for scores in metrics["baselines"].values():
        assert {f"test/{name}" for name in scores} <= set(metrics)
    rows = rows_of(run / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train/loss", "val/loss", "val/mae", "lr", "seconds"} <= set(rows[0])
    # The epoch that was chosen is the one that is scored.
    best = min(rows, key=lambda row: float(row["val/loss"]))
    for name in ("val/loss", "val/mae"):
        assert metrics[name] == pytest.approx(float(best[name]), rel=1e-4)
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 1


def test_the_same_seed_gives_the_same_metrics(here: Here, folder: Path) -> None:
    words = ("data=sine", "debug=tiny", "device=cpu")
    runs = [("first", 1), ("again", 1), ("other", 2)]
    for name, seed in runs:
        printed = here(*words, f"hydra.run.dir={name}", f"seed={seed}")
        assert run_folder(printed) == folder / name
    first, again, other = (metrics_of(folder / name) for name, _ in runs)
    for metrics in (first, again, other):
        for name in ("train_seconds", "inference_ms", "peak_memory_mb"):
            assert metrics.pop(name) > 0
    assert first == again
    assert first["val/loss"] != other["val/loss"]


def test_a_run_is_resumed_from_its_last_epoch(here: Here, run: Path) -> None:
    words = (f"checkpoint={run}/checkpoints/last.ckpt", "trainer.max_epochs=3", *SMALL)
    resumed = run_folder(here(*words))
    assert resumed != run
    assert [row["epoch"] for row in rows_of(resumed / "metrics.csv")] == ["1", "2", "3"]


def test_inspect_prints_the_card_of_the_run(here: Here, run: Path, checkpoint: str) -> None:
    card = (run / "model_card.md").read_text()
    assert here("inspect", checkpoint) == card
    metrics = metrics_of(run)
    assert f"parameters: {metrics['num_parameters']:,}" in card
    assert f"training time: {metrics['train_seconds']:.1f} s" in card
    for name in (*metrics["baselines"], "mae", "Limits", "data.split", "max_epochs: 2"):
        assert name in card
    # Nothing of the results is lost with the folder.
    facts = json.loads(here("inspect", checkpoint, "format=json"))
    assert facts["results"]["baselines"] == metrics["baselines"]
    scores = {name: value for name, value in metrics.items() if "/" in name}
    assert facts["results"]["scores"] == scores
    assert facts["run"]["summary"] == [line for line in facts["run"]["summary"] if line in card]


def test_the_cards_example_runs_as_it_stands(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = (run / "model_card.md").read_text()
    example = card.partition("```python\n")[2].partition("```")[0]
    exec(compile(example, "card", "exec"), {})
    assert "temp_q0.5" in capsys.readouterr().out


def test_evaluate_scores_the_checkpoint_as_the_run_did(
    run: Path, processes: dict[str, Process]
) -> None:
    printed = finish(processes["evaluate"])
    metrics, before = metrics_of(run_folder(printed)), metrics_of(run)
    scores = [name for name in before if name.startswith("test/")]
    assert {name: metrics[name] for name in scores} == pytest.approx(
        {name: before[name] for name in scores}, rel=1e-4
    )
    for name, expected in before["baselines"].items():
        assert metrics["baselines"][name] == pytest.approx(expected, rel=1e-4)


@pytest.mark.skipif(kernel() is None, reason="the kernel was not built")
def test_eight_bits_are_near_float32(
    run: Path, here: Here, checkpoint: str, folder: Path, weather_csv: Path
) -> None:
    metrics = metrics_of(run_folder(here("evaluate", checkpoint, "int8=true", "device=cpu")))
    before = metrics_of(run)
    assert metrics["test/mae"] != before["test/mae"]
    assert metrics["test/mae"] == pytest.approx(before["test/mae"], rel=0.02)
    found = []
    for words in (["int8=false"], ["int8=true"]):
        output = folder / "eight" / "forecast.csv"
        here("predict", checkpoint, f"input={weather_csv}", f"output={output}", *words)
        found.append([float(row["temp"]) for row in rows_of(output)])
    assert found[0] != found[1]
    assert found[1] == pytest.approx(found[0], abs=0.5)


def test_evaluate_on_another_file_uses_the_checkpoints_scales(
    here: Here, checkpoint: str, weather_csv: Path
) -> None:
    words = [checkpoint, "data=csv", f"data.path={weather_csv}"]
    words += ["data.split=[0.6,0.1,0.3]", "part=val"]
    found = run_folder(here("evaluate", *words))
    metrics = metrics_of(found)
    assert metrics["data"] == "weather"
    assert metrics["val/mae"] > 0
    # The target, which data=csv leaves open, is the run's.
    assert "target: temp" in (found / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["data.eval_strid=24"], "did you mean 'eval_stride'"),
        (["data.horizon=48"], "data.horizon=48: the checkpoint was trained with 24"),
        (["data=csv", "data.path=CSV", "data.horizon=48"], "was trained with 24"),
        (["data=movie_reviews"], "is for task=sentiment"),
    ],
)
def test_evaluate_refuses_what_the_checkpoint_cannot_do(
    words: list[str], named: str, here: Here, checkpoint: str, weather_csv: Path
) -> None:
    words = [word.replace("CSV", str(weather_csv)) for word in words]
    printed = here("evaluate", checkpoint, *words, code=2)
    assert named in printed
    assert len(printed.strip().splitlines()) == 1


def test_predict_writes_the_next_steps_and_a_plot(
    folder: Path, processes: dict[str, Process]
) -> None:
    output = folder / "new" / "forecast.csv"
    assert "written: new/forecast.csv" in finish(processes["predict"])
    rows = rows_of(output)
    assert list(rows[0]) == ["origin", "time", "temp", "temp_q0.1", "temp_q0.5", "temp_q0.9"]
    assert len(rows) == 3 * 24
    assert output.with_suffix(".png").stat().st_size > 0


def test_export_writes_a_checked_file_and_its_description(
    here: Here, checkpoint: str, folder: Path
) -> None:
    printed = here("export", checkpoint, "format=torch_export", "output=out/model.pt2")
    assert re.search(r"largest difference from the checkpoint: \d\.\de[+-]\d\d", printed)
    about = json.loads((folder / "out/model.pt2.json").read_text())
    assert about["preprocessing"]["target_scale"].keys() == {"EWR", "JFK", "LGA"}
    printed = here("export", checkpoint, "format=safetensors", "output=out/model.safetensors")
    assert "written: out/model.safetensors.json" in printed
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "model.pt2",
        "model.pt2.json",
        "model.safetensors",
        "model.safetensors.json",
    ]


@pytest.mark.slow
def test_eight_bits_are_measured_on_the_checkpoints_data(here: Here, checkpoint: str) -> None:
    printed = here("export", checkpoint, "int8=true", "output=int8/model.onnx")
    assert re.search(r"mae +0\.\d{4} +0\.\d{4} +[+-]0\.\d{4}", printed)


def test_export_refuses_what_it_cannot_write(here: Here, checkpoint: str, folder: Path) -> None:
    error = here("export", checkpoint, "format=onx", code=2)
    assert "format=onx: no such format; did you mean 'onnx'?" in error
    (folder / "taken.pt2").mkdir(exist_ok=True)
    error = here("export", checkpoint, "format=torch_export", "output=taken.pt2", code=2)
    assert "it is a folder, a file name is needed" in error
    error = here("export", checkpoint, "streaming=true", "format=safetensors", code=2)
    assert "streaming=true is for format=onnx" in error


def test_the_checkpoint_works_in_other_code(processes: dict[str, Process]) -> None:
    """Another folder with its own tasks/ and conf/, a process without Hydra, config or data."""
    assert finish(processes["other code"]).split() == ["72"]


def test_a_loss_that_is_no_number_stops_the_run(
    here: Here, folder: Path, processes: dict[str, Process]
) -> None:
    printed = finish(processes["diverge"], code=2)
    assert re.search(r"the training loss is (nan|inf) at step \d+", printed)
    assert "lower optimizer.lr" in printed
    assert "Traceback" not in printed
    # Early stopping ends a run without an error where the validation loss is no number.
    printed = here(*DIVERGING, "hydra.run.dir=unscored", code=2)
    assert "val/loss was not a finite number in any epoch: lower optimizer.lr" in printed
    for name in ("diverged", "unscored"):
        assert (folder / name / "config.yaml").is_file()
        assert not (folder / name / "metrics.json").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["hydra.run.dir=file/run"], "file"),
        (["evaluate", "checkpoint=nowhere.ckpt"], "nowhere.ckpt: no such file"),
        (["predict", "CHECKPOINT", "input=nowhere.csv"], "nowhere.csv"),
        (["predict", "CHECKPOINT", "input=x.csv", "device.precision=64-true"], "single precision"),
        (["evaluate", "CHECKPOINT", "int8=maybe"], "int8=maybe: needs true or false"),
        (["predict", "CHECKPOINT", "input=x.csv", "int8=1"], "int8=1: needs true or false"),
        (["data.integers=ture"], "data.integers=ture: needs true or false"),
        (["task.relative_covariates=nope"], "task.relative_covariates=nope: needs true or false"),
        (["data.lookback=0"], "data.lookback=0"),
        (["data.horizon=-3"], "data.horizon=-3"),
        (["task.decoder=parallell"], "did you mean 'parallel'"),
        (["task=sentiment", "data=sine"], "data=sine is for task=forecasting"),
        (["data=sine", "data.split=[0.8,0,0.2]"], "sine: no validation part"),
        pytest.param(
            ["device=gpu"],
            "device=cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_bad_input_ends_with_code_2_and_one_clear_line(
    words: list[str], named: str, here: Here, folder: Path, checkpoint: str
) -> None:
    (folder / "file").write_text("")
    before = set(folder.rglob("*.csv"))
    printed = here(*(checkpoint if word == "CHECKPOINT" else word for word in words), code=2)
    assert named in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) <= 2
    assert set(folder.rglob("*.csv")) == before
