"""The model card: from the file alone, whole or with what is not known yet."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from forecasting_fixtures import make_task

import gru_suite
from gru_suite.cli.main import main
from gru_suite.results.machine import describe_machine
from gru_suite.results.model_card import complete, read_facts, render, write_card

RUN = {
    "data": {"source": "weather", "split": [0.7, 0.1, 0.2], "path": None},
    "name": "weather",
    "seed": 3,
    "summary": ["weather: 3 series", "gaps: none"],
    "config": {"seed": 3, "trainer": {"max_epochs": 2, "limit_test_batches": 1.0}},
    "started": "2026-01-02 03:04 UTC",
    "machine": describe_machine(),
}
RESULTS: dict[str, Any] = {
    "scores": {"test/mae": 0.25, "test/mse": float("nan"), "val/loss": 0.5},
    "baselines": {"ridge": {"mae": 0.125}, "linear": {"mae": torch.tensor(0.5)}},
    "train_seconds": 12.25,
}


def save(path: Path, run: dict[str, Any] | None = None) -> Path:
    """Write a checkpoint as a fit does, before anything was tested."""
    task = make_task()
    task.run_info = RUN if run is None else run
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("best", "last"):
        save(tmp_path / "checkpoints" / f"{name}.ckpt")
    return tmp_path


def same(a: Any, b: Any) -> bool:
    """Compare all content of two checkpoints, tensors bit for bit and types too."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_results_are_added_and_nothing_else_changes(folder: Path) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    before = torch.load(path, weights_only=True)
    complete(path, {"scores": {"test/mae": 1.0}})
    after = torch.load(path, weights_only=True)
    assert after["gru_suite"].pop("results") == {"scores": {"test/mae": 1.0}}
    assert same(before, after)
    assert {file.name for file in path.parent.iterdir()} == {"best.ckpt", "last.ckpt"}


def test_a_completed_checkpoint_loads_as_before(folder: Path) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    write_card(folder, RESULTS)
    task = gru_suite.load(path)
    assert task.run_info == RUN
    assert all(map(torch.equal, task.parameters(), make_task().parameters()))


def test_the_card_holds_what_is_asked_of_it(folder: Path) -> None:
    card = write_card(folder, RESULTS)
    assert card == folder / "model_card.md"
    text = card.read_text()
    for part in (
        "# forecasting on weather",
        "ForecastingTask` of gru-suite",
        "parameters: ",
        "training time: 12.2 s",
        "started: 2026-01-02 03:04 UTC, seed 3",
        f"{RUN['machine']['cores']} cores",
        "- weather: 3 series\n- gaps: none\n- `data.split`: [0.7, 0.1, 0.2]",
        "| gru    |     0.250 |",
        "| ridge  | **0.125** |",
        "Does not beat the baseline ridge in mae: 0.25 against 0.125.",
        "One training with one seed",
        "  max_epochs: 2",
        f'gru_suite.load("{folder / "checkpoints" / "best.ckpt"}")',
    ):
        assert part in text, part
    assert "baseline linear" not in text
    assert "share of the data" not in text
    assert "nan" not in text
    assert max(map(len, text.partition("## Config")[0].splitlines())) < 200


def test_the_card_and_inspect_are_one_text(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = write_card(folder, RESULTS)
    assert card is not None
    assert main(["inspect", f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}"]) == 0
    assert capsys.readouterr().out == card.read_text()
    assert main(["inspect", "format=json", f"checkpoint={folder / 'checkpoints/last.ckpt'}"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["results"]["scores"] == {"test/mae": 0.25, "test/mse": None, "val/loss": 0.5}
    assert facts["run"] == RUN


def test_a_killed_runs_checkpoint_says_what_is_not_known_yet(folder: Path) -> None:
    text = render(read_facts(folder / "checkpoints" / "last.ckpt"))
    assert "training time: not known yet" in text
    assert "Not known yet: the run had not tested its best epoch." in text
    assert "Not tested yet" in text
    # What the run began with is there all the same.
    assert "gaps: none" in text
    assert "max_epochs: 2" in text


def test_a_checkpoint_of_no_run_says_what_is_not_recorded(tmp_path: Path) -> None:
    text = render(read_facts(save(tmp_path / "plain.ckpt", run={})))
    assert "# forecasting on unknown data" in text
    assert text.count("not recorded") >= 4
    assert "hidden_size 8" in text


def test_a_checkpoint_from_before_cards_is_shown(folder: Path) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    for key in ("task", "distribution"):
        del content["gru_suite"][key]
    content["gru_suite"]["run"] = {"data": {}, "name": "weather", "seed": 1}
    torch.save(content, path)
    text = render(read_facts(path))
    assert "# ForecastingTask on weather" in text
    assert "parameters: not recorded" in text


def test_another_epoch_than_the_tested_one_says_so(folder: Path) -> None:
    write_card(folder, RESULTS)
    path = folder / "checkpoints" / "last.ckpt"
    facts = read_facts(path)
    assert "was not tested" not in render(facts)
    assert "this file is another epoch and was not tested" in render(facts | {"epoch": 7})


def test_a_task_that_is_not_installed_is_inspected_all_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    content = torch.load(path, weights_only=True)
    content["gru_suite"]["task_class"] = "acme_gone.task:GoneTask"
    content["gru_suite"]["distribution"] = {"name": "acme-gone", "version": "1.2"}
    torch.save(content, path)
    write_card(folder, RESULTS)
    assert main(["inspect", f"checkpoint={path}"]) == 0
    text = capsys.readouterr().out
    assert "of acme-gone 1.2, which is not installed here: install it to load the model" in text
    assert "| ridge " in text


def test_a_shortened_run_says_that_its_figures_mean_little(folder: Path) -> None:
    run = RUN | {"config": {"trainer": {"limit_train_batches": 2, "limit_test_batches": None}}}
    text = render(read_facts(save(folder / "short.ckpt", run)))
    assert "(trainer.limit_train_batches=2): the figures mean little" in text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "checkpoint is needed; add checkpoint=..."),
        (["best.ckpt"], "write checkpoint=best.ckpt"),
        (["chekpoint=best.ckpt"], "did you mean 'checkpoint'?"),
        (["checkpoint=best.ckpt", "format=yaml"], "choose one of markdown, json"),
        (["checkpoint=nowhere.ckpt"], "nowhere.ckpt: no such file"),
        (["checkpoint=text.ckpt"], "text.ckpt"),
    ],
)
def test_a_mistake_of_the_users_is_code_2(
    words: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.ckpt").write_text("no checkpoint\n")
    assert main(["inspect", *words]) == 2
    printed = capsys.readouterr()
    assert named in printed.err
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["text.ckpt"]


INSPECT = """
import sys
from gru_suite.cli.main import main
assert main(["inspect", "checkpoint=" + sys.argv[1]]) == 0
assert not {"pytorch_lightning", "hydra", "pandas", "gru_suite.tasks"} & sys.modules.keys()
"""


def test_inspect_imports_neither_lightning_nor_a_task(folder: Path) -> None:
    """They take seconds to import, and a plug-in's code may not even be there."""
    words = [sys.executable, "-c", INSPECT, str(folder / "checkpoints" / "best.ckpt")]
    run = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("# forecasting on weather")
