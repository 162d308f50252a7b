"""Runs with trackers of experiments: what their stores hold, read back by their own readers.

One run with all trackers that are installed is trained, and goes on for another epoch.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

TRACKERS = [name for name in ("tensorboard", "mlflow", "wandb") if find_spec(name)]
SMALL = ("debug=tiny", "device=cpu", "data.lookback=48", "data.eval_stride=24")
EPOCHS = 2
# Two batches an epoch; Lightning counts steps from 0.
STEPS = [1, 3, 5]
pytestmark = pytest.mark.slow
EACH_EPOCH = ("train/loss", "val/loss", "val/mae", "lr", "seconds")


def gru_suite(*words: str, folder: Path) -> str:
    home = {f"WANDB_{kind}_DIR": str(folder / "wandb") for kind in ("DATA", "CACHE", "CONFIG")}
    done = subprocess.run(
        [sys.executable, "-m", "gru_suite", *words],
        cwd=folder,
        env={**os.environ, **home, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Trackers print nothing of their own.
    assert not done.stderr.strip(), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trackers")
    if not TRACKERS:
        pytest.skip("no tracker is installed")
    chosen = f"logger=[{','.join(TRACKERS)}]"
    run = "hydra.run.dir=outputs/run"
    gru_suite(*SMALL, chosen, run, f"trainer.max_epochs={EPOCHS}", folder=folder)
    printed = gru_suite("resume=outputs/run", f"trainer.max_epochs={EPOCHS + 1}", folder=folder)
    assert "goes on from last.ckpt" in printed
    return folder


def needs(name: str) -> None:
    if name not in TRACKERS:
        pytest.skip(f'needs {name}: pip install "gru-suite[{name}]"')


def mae_of_the_test(folder: Path) -> float:
    metrics: dict[str, Any] = json.loads((folder / "outputs/run/metrics.json").read_text())
    value: float = metrics["test/mae"]
    return value


def record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "outputs/run/run.json").read_text())
    return content


def test_tensorboard(folder: Path) -> None:
    needs("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "outputs/run/tensorboard"))
    events.Reload()
    for name in EACH_EPOCH:
        assert [each.step for each in events.Scalars(name)] == STEPS, name
    assert [e.step for e in events.Scalars("test/mae")] == STEPS[EPOCHS - 1 :]
    assert events.Scalars("test/mae")[-1].value == pytest.approx(mae_of_the_test(folder))
    assert {"plots/forecasts", "plots/learning_curve"} <= set(events.Tags()["images"])
    text = events.Tensors("config/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert f"max_epochs: {EPOCHS + 1}" in text
    hparams = folder / "outputs/run/tensorboard/hparams.yaml"
    assert "horizon: 24" in hparams.read_text()


def test_mlflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("mlflow")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    monkeypatch.chdir(folder)
    # A process of its own: the import changes the logging of this one.
    code = f"""
import json
from mlflow.tracking import MlflowClient
client = MlflowClient("sqlite:///outputs/mlflow.db")
(experiment,) = [e for e in client.search_experiments() if e.name == "gru-suite"]
(run,) = client.search_runs([experiment.experiment_id])
history = lambda name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]
files = [a.path for part in ("plots", "checkpoints")
         for a in client.list_artifacts(run.info.run_id, part)]
print(json.dumps({{"id": run.info.run_id, "status": run.info.status, "name": run.info.run_name,
    "params": run.data.params, "tags": run.data.tags, "files": files,
    "metrics": {{name: history(name) for name in {(*EACH_EPOCH, "test/mae")!r}}}}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["status"], found["name"]) == ("FINISHED", "forecasting gru run")
    assert found["id"] == record(folder)["trackers"]["mlflow"]
    for name in EACH_EPOCH:
        assert [step for step, _ in found["metrics"][name]] == STEPS, name
    assert found["metrics"]["test/mae"][-1][1] == pytest.approx(mae_of_the_test(folder))
    assert found["params"]["backbone.hidden_size"] == "8"
    # Parameters of a run are fixed: what has changed since is a tag.
    assert found["params"]["trainer.max_epochs"] == str(EPOCHS)
    assert found["tags"]["resumed/trainer.max_epochs"] == str(EPOCHS + 1)
    assert {"plots/forecasts.png", "checkpoints/best.ckpt"} <= set(found["files"])
    (kept,) = (folder / "outputs/mlflow-artifacts").glob("*/artifacts/checkpoints/best.ckpt")
    assert kept.read_bytes() == (folder / "outputs/run/checkpoints/best.ckpt").read_bytes()


def wandb_records(path: Path) -> list[Any]:
    """Return the records of an offline run: blocks of 32 KiB with pieces of records."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, piece, found = path.read_bytes(), 7, b"", []
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        piece += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last piece
            found.append(Record.FromString(piece))
            piece = b""
    return found


def test_wandb(folder: Path) -> None:
    needs("wandb")
    paths = sorted((folder / "outputs/run/wandb").glob("offline-run-*/*.wandb"))
    records = [each for path in paths for each in wandb_records(path)]
    number = record(folder)["trackers"]["wandb"]
    assert [path.name for path in paths] == [f"run-{number}.wandb"] * 2
    assert {each.run.run_id for each in records if each.HasField("run")} == {number}
    rows = [
        {item.key or "/".join(item.nested_key): item.value_json for item in each.history.item}
        for each in records
        if each.HasField("history")
    ]
    for name in EACH_EPOCH:
        steps = [int(row["trainer/global_step"]) for row in rows if name in row]
        assert steps == STEPS, name
    tested = [float(row["test/mae"]) for row in rows if "test/mae" in row]
    assert tested[-1] == pytest.approx(mae_of_the_test(folder))
    assert any("plots/forecasts" in name for row in rows for name in row)
    config = {
        item.key or "/".join(item.nested_key): item.value_json
        for each in records
        if each.HasField("config")
        for item in each.config.update
    }
    assert '"hidden_size": 8' in json.dumps(json.loads(config["backbone"]))
    (artifact, *_) = [each.artifact for each in records if each.HasField("artifact")]
    assert [each.path for each in artifact.manifest.contents] == ["best.ckpt"]
    assert [each.exit.exit_code for each in records if each.HasField("exit")] == [0, 0]
