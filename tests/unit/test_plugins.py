"""Discovery of installed task packages, through real entry points on a real import path."""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from forecasting_fixtures import make_schema
from hydra.core.singleton import Singleton

from gru_suite.cli.main import main
from gru_suite.errors import UserError
from gru_suite.model.checkpoint import load, read_checkpoint
from gru_suite.plugins import (
    available_tasks,
    check_task,
    distribution_of,
    installed_packages,
    own_package,
)

Install = Callable[..., Path]

CRASHES = "raise RuntimeError('this package must never be imported')\n"


@pytest.fixture(autouse=True)
def _hydra_state() -> object:
    state = Singleton.get_state()
    yield
    Singleton.set_state(state)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a task package into a folder on the import path."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_package(
        distribution: str,
        package: str,
        tasks: dict[str, str],
        *,
        code: str = CRASHES,
        ship: bool = True,
        value: str | None = None,
        needs: str | None = None,
    ) -> Path:
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        needed = f"Requires-Dist: {needs}\n" if needs else ""
        info.joinpath("METADATA").write_text(f"Name: {distribution}\nVersion: 1.2\n{needed}")
        lines = [f"{name} = {value or package}" for name in tasks]
        info.joinpath("entry_points.txt").write_text("\n".join(["[gru_suite.tasks]", *lines]))
        folder = tmp_path.joinpath(*package.split("."))
        if ship:
            (folder / "conf" / "task").mkdir(parents=True)
            for parent in (folder, *folder.parents):
                if parent == tmp_path:
                    break
                (parent / "__init__.py").write_text(code)
            for name, text in tasks.items():
                (folder / "conf" / "task" / f"{name}.yaml").write_text(text)
        return folder

    return install_package


def test_own_tasks_come_first_with_their_summary() -> None:
    first = available_tasks()[0]
    assert (first.name, first.origin) == ("forecasting", "gru-suite")
    assert first.summary.startswith("Forecast time series")


def test_summary_is_the_first_comment_that_is_no_hydra_directive(install: Install) -> None:
    install("acme-a", "acme_a", {"a": "# @package _global_\n\n# Tell a.\n# More.\nx: 1\n", "b": ""})
    summaries = {task.name: task.summary for task in available_tasks()}
    assert (summaries["a"], summaries["b"]) == ("Tell a", "")


def test_package_is_found_without_being_imported(install: Install) -> None:
    folder = install("acme-gesture", "acme_gesture", {"gesture": "# Tell gestures apart.\n"})
    assert available_tasks()[-1] == ("gesture", "Tell gestures apart", "acme-gesture 1.2")
    assert installed_packages()[0][-1].conf == folder / "conf"
    assert "acme_gesture" not in sys.modules


def test_parents_of_a_dotted_name_are_not_imported(install: Install) -> None:
    install("acme-gesture", "acme.sub.gesture", {"gesture": "# Tell gestures apart.\n"})
    assert available_tasks()[-1].name == "gesture"
    assert not [name for name in sys.modules if name.startswith("acme")]


def test_package_with_several_entry_points_counts_once(install: Install) -> None:
    install("acme-two", "acme_two", {"one": "# One.\n", "two": "# Two.\n"})
    assert [p.package for p in installed_packages()[0]].count("acme_two") == 1
    assert [task.name for task in available_tasks()][-2:] == ["one", "two"]


@pytest.mark.parametrize(
    "value", ["acme_gone", "acme_gone.sub", "acme_gone:attribute", "..", "a b"]
)
def test_missing_package_is_a_warning_and_the_others_go_on(
    install: Install, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    install("acme-gone", "acme_gone", {"gone": ""}, ship=False, value=value)
    install("acme-here", "acme_here", {"here": "# Stays usable.\n"})
    assert main(["tasks"]) == 0
    printed = capsys.readouterr()
    assert "forecasting" in printed.out
    assert "here" in printed.out
    assert printed.err.count("\n") == 1
    assert "acme-gone 1.2 is not there" in printed.err


def test_package_without_task_configs_is_a_warning(install: Install) -> None:
    folder = install("acme-bare", "acme_bare", {"bare": ""})
    (folder / "conf" / "task" / "bare.yaml").unlink()
    found, warnings = installed_packages()
    assert found == []
    assert warnings == ["task package 'acme_bare' of acme-bare 1.2 has no conf/task/*.yaml"]


def test_plain_module_is_a_warning(install: Install, tmp_path: Path) -> None:
    install("acme-module", "acme_module", {"x": ""}, ship=False)
    (tmp_path / "acme_module.py").write_text(CRASHES)
    assert len(installed_packages()[1]) == 1


def test_config_of_a_task_package_composes_without_importing_it(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(
        "acme-gesture",
        "acme_gesture",
        {"gesture": "# @package _global_\n# Tell.\ntask:\n  _target_: acme_gesture.Task\n"},
    )
    code = main(["--cfg", "job", "task=gesture", "data=sine"])
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert "_target_: acme_gesture.Task" in printed.out
    assert main(["--cfg", "job", "task=gestures", "data=sine"]) == 2
    assert "did you mean 'gesture'?" in capsys.readouterr().err
    assert "acme_gesture" not in sys.modules


def test_two_packages_of_one_task_name_are_refused_by_name(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-one", "acme_one", {"gesture": "# One.\n"})
    install("acme-two", "acme_two", {"gesture": "# Two.\n"})
    with pytest.raises(UserError, match=r"acme-one 1\.2 and by acme-two 1\.2"):
        check_task("gesture")
    assert main(["--cfg", "job", "task=gesture", "data=sine"]) == 2
    assert "acme-one 1.2 and by acme-two 1.2" in capsys.readouterr().err
    assert main(["tasks"]) == 0
    assert "acme-one 1.2 and by acme-two 1.2" in capsys.readouterr().err
    # Nobody else's task suffers.
    assert main(["--cfg", "job", "task=forecasting"]) == 0


def test_package_with_the_name_of_an_own_task_is_refused(install: Install) -> None:
    install("acme-one", "acme_one", {"forecasting": "# Mine.\n"})
    with pytest.raises(
        UserError, match=r"task=forecasting is provided by gru-suite and by acme-one"
    ):
        check_task("forecasting")


@pytest.mark.parametrize("needs", ["gru-suite>=99", "GRU_Suite (<0.0.1)", "gru.suite==7"])
def test_package_that_needs_another_version_of_ours_is_refused_with_it(
    install: Install, capsys: pytest.CaptureFixture[str], needs: str
) -> None:
    install("acme-late", "acme_late", {"late": "# Too new.\n"}, needs=needs)
    install("acme-here", "acme_here", {"here": "# Stays usable.\n"})
    assert main(["tasks"]) == 0
    printed = capsys.readouterr()
    assert "here" in printed.out
    assert "Too new" not in printed.out
    assert "acme-late 1.2 needs gru-suite" in printed.err
    assert f"and {version('gru-suite')} is installed" in printed.err
    assert main(["--cfg", "job", "task=late", "data=sine"]) == 2
    assert "task=late: acme-late 1.2 needs gru-suite" in capsys.readouterr().err
    assert main(["--cfg", "job", "task=here", "data=sine"]) == 0


@pytest.mark.parametrize(
    "needs",
    ["gru-suite>=0.0.1", "gru-suite", 'gru-suite>=99; extra == "test"', "other>=99", "no ; sense"],
)
def test_package_whose_needs_are_met_is_used(install: Install, needs: str) -> None:
    install("acme-fits", "acme_fits", {"fits": ""}, needs=needs)
    assert installed_packages()[1] == []
    check_task("fits")


def test_task_of_a_missing_package_is_refused_with_the_reason(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-gone", "acme_gone", {"gone": ""}, ship=False)
    assert main(["--cfg", "job", "task=gone", "data=sine"]) == 2
    expected = "task=gone: task package 'acme_gone' of acme-gone 1.2 is not there; reinstall it"
    assert expected in capsys.readouterr().err
    assert main(["--cfg", "job", "task=forecasting"]) == 0


def test_a_module_belongs_to_the_package_it_lies_in(install: Install) -> None:
    install("acme-one", "acme.one", {"one": ""})
    install("acme-two", "acme.two", {"two": ""})
    assert distribution_of("acme.two.task") == {"name": "acme-two", "version": "1.2"}
    assert distribution_of("acme.one") == {"name": "acme-one", "version": "1.2"}
    assert distribution_of("os") is None
    ours = {"name": "gru-suite", "version": version("gru-suite")}
    assert distribution_of("gru_suite.tasks.sentiment.task") == ours


# Checkpoints of task packages


TASK_CODE = """
from gru_suite.tasks.forecasting.model import ForecastingModel
from gru_suite.tasks.forecasting.task import ForecastingTask
class MineModel(ForecastingModel):
    name = "mine"
class Mine(ForecastingTask):
    model_class = MineModel
"""


@pytest.fixture
def checkpoint(install: Install, tmp_path: Path) -> Iterator[Path]:
    """Return a checkpoint of a task in the installed package acme_mine, version 1.2."""
    install("acme-mine", "acme_mine", {"mine": ""}, code=TASK_CODE)
    task = importlib.import_module("acme_mine").Mine({"hidden_size": 4}, make_schema())
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "mine.ckpt")
    del sys.modules["acme_mine"]
    yield tmp_path / "mine.ckpt"
    sys.modules.pop("acme_mine", None)


def test_a_checkpoint_names_the_package_that_made_it_and_loads(checkpoint: Path) -> None:
    mark = read_checkpoint(checkpoint)["gru_suite"]
    assert mark["distribution"] == {"name": "acme-mine", "version": "1.2"}
    assert "acme_mine" not in sys.modules
    assert load(checkpoint).name == "mine"


@pytest.mark.parametrize(("made_by", "refused"), [("1.10", True), ("1.1", False), ("odd", False)])
def test_a_package_older_than_the_checkpoint_is_too_old(
    checkpoint: Path, made_by: str, refused: bool
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["gru_suite"]["distribution"]["version"] = made_by
    torch.save(content, checkpoint)
    if not refused:
        assert load(checkpoint).name == "mine"
        return
    with pytest.raises(
        UserError, match=r"made by acme-mine 1\.10, and 1\.2 is installed, .* too old"
    ):
        load(checkpoint)
    assert "acme_mine" not in sys.modules


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("needs", "acme-mine 1.2 needs gru-suite>=99"),
        ("crash", "the task package 'acme_mine' fails on import: RuntimeError"),
        ("gone", "acme_mine.*is not there"),
        (
            "uninstalled",
            "not installed as a GRU Suite plug-in .by the file it is of acme-mine 1.2.",
        ),
    ],
)
def test_a_checkpoint_whose_package_is_broken_says_so(
    checkpoint: Path, tmp_path: Path, change: str, named: str
) -> None:
    info, folder = tmp_path / "acme_mine-1.2.dist-info", tmp_path / "acme_mine"
    importlib.invalidate_caches()
    if change == "needs":
        with (info / "METADATA").open("a") as file:
            file.write("Requires-Dist: gru-suite>=99\n")
    elif change == "crash":
        (folder / "__init__.py").write_text(CRASHES)
    elif change == "gone":
        shutil.rmtree(folder)
    else:
        shutil.rmtree(info)
    with pytest.raises(UserError, match=named):
        load(checkpoint)
    # What it says of itself needs none of that.
    assert main(["inspect", f"checkpoint={checkpoint}"]) == 0


def test_own_configs_are_found() -> None:
    assert (own_package().conf / "train.yaml").is_file()
