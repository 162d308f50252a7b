"""What new-task writes, and what it refuses; tests/packaging installs it and trains."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hydra.core.singleton import Singleton

from gru_suite.cli.main import main
from gru_suite.commands.new_task import checkout
from gru_suite.model.checkpoint import load
from gru_suite.plugins import available_tasks
from gru_suite.testing.contract import build, check_task, compose_config

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_FILES = {
    "README.md",
    "pyproject.toml",
    "gru_suite_wave_kind/__init__.py",
    "gru_suite_wave_kind/conf/task/wave_kind.yaml",
    "gru_suite_wave_kind/py.typed",
    "gru_suite_wave_kind/task.py",
    "tests/test_wave_kind.py",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    state = Singleton.get_state()
    monkeypatch.chdir(tmp_path)
    yield
    Singleton.set_state(state)


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Write the package wave_kind and install it by its metadata alone."""
    assert main(["new-task", "wave_kind", "--package"]) == 0
    folder = tmp_path / "gru-suite-wave-kind"
    info = folder / "gru_suite_wave_kind-0.1.0.dist-info"
    info.mkdir()
    text = (folder / "pyproject.toml").read_text()
    (needed,) = re.findall(r'dependencies = \["(.*)"\]', text)
    about = ["Name: gru-suite-wave-kind", "Version: 0.1.0", f"Requires-Dist: {needed}", ""]
    info.joinpath("METADATA").write_text("\n".join(about))
    assert 'wave_kind = "gru_suite_wave_kind"' in text
    info.joinpath("entry_points.txt").write_text(
        "[gru_suite.tasks]\nwave_kind = gru_suite_wave_kind\n"
    )
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.startswith("gru_suite_wave_kind")]:
        del sys.modules[name]


def test_the_package_is_whole_and_bears_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-task", "--package", "wave_kind"]) == 0
    folder = tmp_path / "gru-suite-wave-kind"
    assert files_below(folder) == PACKAGE_FILES
    assert [path.name for path in tmp_path.iterdir()] == ["gru-suite-wave-kind"]
    printed = capsys.readouterr().out
    assert all(str(folder / name) in printed for name in PACKAGE_FILES)
    assert "pip install -e gru-suite-wave-kind" in printed
    for name in PACKAGE_FILES:
        text = (folder / name).read_text()
        assert "gesture" not in text.lower()
        assert "gru_suite.tasks.wave_kind" not in text
    assert "class WaveKindTask(ClassificationTask)" in (
        (folder / "gru_suite_wave_kind" / "task.py").read_text()
    )


def test_the_package_keeps_the_contract(project: Path) -> None:
    assert "wave_kind" in {task.name for task in available_tasks()}
    check_task("wave_kind")


def test_its_task_beats_its_baselines_by_the_order_of_steps_and_predicts_files(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = ("hydra/job_logging=disabled", "hydra/hydra_logging=disabled")
    words = ("task=wave_kind", "device=cpu", "trainer.max_epochs=6", "hydra.run.dir=run", *quiet)
    assert main(list(words)) == 0
    card = (tmp_path / "run" / "model_card.md").read_text()
    assert "Does not beat" not in card
    assert "of gru-suite-wave-kind 0.1.0" in card
    data = build(compose_config(["task=wave_kind"]))[1]
    for number, sequence in enumerate(data.raw_examples(2)):
        np.savetxt(f"{number}.csv", sequence, delimiter=",")
    task = load("run/checkpoints/best.ckpt")
    assert len(task.predict(["0.csv", Path("1.csv")])) == 2
    words = ("checkpoint=run/checkpoints/best.ckpt", "input=0.csv", "output=new/said.csv", *quiet)
    assert main(["predict", *words]) == 0
    assert (tmp_path / "new" / "said.csv").is_file()
    capsys.readouterr()
    (tmp_path / "bad.csv").write_text("1,2\n")
    assert main(["predict", words[0], "input=bad.csv", *quiet]) == 2
    assert "found shape (1, 2)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "one name is needed, found none"),
        (["a", "b"], "found 'a' and 'b'"),
        (["wave", "--pakage"], "did you mean '--package'?"),
        (["WaveKind"], "did you mean 'wave_kind'?"),
        (["wave-kind"], "did you mean 'wave_kind'?"),
        (["2waves"], "did you mean 'waves'?"),
        (["../waves"], "did you mean 'waves'?"),
        (["wellé"], "cannot be a task's name"),
        (["class"], "try 'class_task'"),
        (["null"], "try 'null_task'"),
        (["on"], "try 'on_task'"),
        (["inf"], "try 'inf_task'"),
        (["sentiment"], "there is a task 'sentiment' already, of gru-suite"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--package"]])
def test_a_name_that_cannot_be_is_refused(
    words: list[str],
    named: str,
    flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = files_below(ROOT / "tasks") | files_below(ROOT / "conf")
    assert main(["new-task", *words, *flags]) == 2
    text = capsys.readouterr().err
    assert named in text
    assert text.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert files_below(ROOT / "tasks") | files_below(ROOT / "conf") == before


def test_a_name_of_a_plugin_is_refused_naming_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-task", "wave_kind"]) == 2
    assert "already, of gru-suite-wave-kind 0.1.0" in capsys.readouterr().err


def test_what_is_there_already_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "gru-suite-wave"
    mine.mkdir()
    (mine / "mine.txt").write_text("mine")
    assert main(["new-task", "wave", "--package"]) == 2
    assert "gru-suite-wave exists already; nothing was written" in capsys.readouterr().err
    assert files_below(tmp_path) == {"gru-suite-wave/mine.txt"}


def test_these_tests_run_from_a_checkout() -> None:
    assert checkout() == ROOT
