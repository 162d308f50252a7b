"""Task packages written by new-task, installed as wheel and editable, beside broken ones.

``pytest -m slow -rA tests/packaging/test_plugins.py`` prints every command and what it said.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

Run = Callable[..., str]
TINY = ("debug=tiny", "device=cpu")
OTHER_CODE = """
import sys, numpy, gru_suite
model = gru_suite.load(sys.argv[1])
frame = model.predict([numpy.zeros((20, 3)), numpy.ones((30, 3))]).to_frame()
assert abs(frame.filter(like="probability").sum(axis=1) - 1).max() < 1e-5
from gru_suite_wave_kind.task import WaveKindModel, WaveKindTask
assert type(model) is WaveKindModel
assert WaveKindTask.load_from_checkpoint(sys.argv[1]).name == "wave_kind"
assert "hydra" not in sys.modules
print(len(frame), "predictions")
"""


class Place(NamedTuple):
    """An environment with the wheel of GRU Suite and the package wave_kind.

    Attributes:
        kind: how the package is installed: wheel or editable.
        binaries: the environment's commands.
        project: somebody's folder, which has tasks and conf of its own.
        source: the source of the package.
    """

    kind: str
    binaries: Path
    project: Path
    source: Path

    @property
    def command(self) -> Path:
        """The command line of GRU Suite."""
        return self.binaries / "gru-suite"


class Install:
    """Installs a task package from its source, in the way of one environment."""

    def __init__(self, kind: str, run: Run, pip_install: Callable[..., None]) -> None:
        self.kind, self.run, self.pip_install = kind, run, pip_install

    def __call__(self, binaries: Path, source: Path) -> None:
        if self.kind == "editable":
            self.pip_install(binaries, "--editable", source)
            return
        build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", source]
        self.run(build, cwd=source)
        (wheel,) = (source / "dist").glob("*.whl")
        self.pip_install(binaries, wheel)


@pytest.fixture(scope="module", params=["wheel", "editable"])
def install_package(
    request: pytest.FixtureRequest, run: Run, install: Callable[..., None]
) -> Install:
    return Install(request.param, run, install)


@pytest.fixture(scope="module")
def place(
    install_package: Install,
    run: Run,
    wheel: Path,
    new_environment: Callable[..., Path],
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    sources = tmp_path_factory.mktemp("sources")
    binaries = new_environment(wheel)
    run([binaries / "gru-suite", "new-task", "wave_kind", "--package"], cwd=sources)
    source = sources / "gru-suite-wave-kind"
    install_package(binaries, source)
    return Place(install_package.kind, binaries, project, source)


@pytest.fixture(scope="module")
def checkpoint(run: Run, place: Place) -> Path:
    """Return a checkpoint of a sweep over two cells."""
    words = ("-m", "task=wave_kind", "backbone=gru,lstm", *TINY, "hydra.sweep.dir=sweep")
    run([place.command, *words], cwd=place.project)
    cards = sorted((place.project / "sweep").glob("*/model_card.md"))
    assert len(cards) == 2
    assert ["cell lstm" in card.read_text() for card in cards] == [False, True]
    return cards[1].parent / "checkpoints" / "best.ckpt"


def test_the_package_comes_as_it_was_installed(run: Run, place: Place) -> None:
    script = "import gru_suite, gru_suite_wave_kind as w; print(gru_suite.__file__, w.__file__)"
    ours, theirs = run([place.binaries / "python", "-c", script], cwd=place.project).split()
    assert Path(ours).is_relative_to(place.binaries.parent)
    assert Path(theirs).is_relative_to(
        place.source if place.kind == "editable" else place.binaries.parent
    )


def test_its_task_is_listed(run: Run, place: Place) -> None:
    printed = run([place.command, "tasks"], cwd=place.project)
    assert any(
        line.startswith("wave_kind ") and line.endswith("gru-suite-wave-kind 0.1.0")
        for line in printed.splitlines()
    )
    assert "wave_kind" in run([place.command, "--help"], cwd=place.project)


def test_it_sweeps_and_its_checkpoint_loads_in_other_code(
    run: Run, place: Place, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copy(checkpoint, tmp_path / "mine.ckpt")
    words = [place.binaries / "python", "-c", OTHER_CODE, "mine.ckpt"]
    assert run(words, cwd=tmp_path) == "2 predictions\n"


def test_its_checkpoint_is_inspected(run: Run, place: Place, checkpoint: Path) -> None:
    printed = run([place.command, "inspect", f"checkpoint={checkpoint}"], cwd=place.project)
    assert printed == (checkpoint.parents[1] / "model_card.md").read_text()
    assert "of gru-suite-wave-kind 0.1.0" in printed


def test_it_passes_the_contract(run: Run, place: Place) -> None:
    words = [place.binaries / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert "2 passed" in run([*words, place.source], cwd=place.source)


def test_its_checkpoint_is_exported(run: Run, place: Place, checkpoint: Path) -> None:
    if "\n  export " not in run([place.command, "--help"], cwd=place.project):
        pytest.skip("this version has no verb export")
    for form, name in (("safetensors", "model.safetensors"), ("onnx", "model.onnx")):
        words = ("export", f"checkpoint={checkpoint}", f"format={form}", f"output={name}")
        run([place.command, *words], cwd=place.project)
        assert (place.project / name).stat().st_size > 0


def test_broken_packages_break_nobody_else(
    run: Run, place: Place, install_package: Install, tmp_path: Path
) -> None:
    """One crashes on import, one is gone, two bring one task, one needs a newer GRU Suite."""
    for name in ("crashing", "gone", "twin", "late"):
        run([place.command, "new-task", name, "--package"], cwd=tmp_path)
    (tmp_path / "gru-suite-crashing/gru_suite_crashing/__init__.py").write_text("1 / 0\n")
    rename(tmp_path / "gru-suite-late", "gru-suite>=", "gru-suite>=99.")
    shutil.copytree(tmp_path / "gru-suite-twin", tmp_path / "other-twin")
    (tmp_path / "other-twin/gru_suite_twin").rename(tmp_path / "other-twin/other_twin")
    rename(tmp_path / "other-twin", "gru_suite_twin", "other_twin")
    rename(tmp_path / "other-twin", "gru-suite-twin", "other-twin")
    for source in sorted(tmp_path.iterdir()):
        install_package(place.binaries, source)
    script = "import gru_suite_gone as g, pathlib; print(pathlib.Path(g.__file__).parent)"
    gone = run([place.binaries / "python", "-c", script], cwd=place.project).strip()
    shutil.rmtree(gone)

    said = run([place.command, "tasks"], cwd=place.project)
    assert "wave_kind" in said
    words = ("task=wave_kind", *TINY, "hydra.run.dir=beside")
    run([place.command, *words], cwd=place.project)
    assert (place.project / "beside" / "model_card.md").is_file()
    for name, code, named in (
        ("crashing", 1, "fails on import: ZeroDivisionError"),
        ("gone", 2, "'gru_suite_gone' of gru-suite-gone 0.1.0 is not there; reinstall it"),
        ("twin", 2, "provided by gru-suite-twin 0.1.0 and by other-twin 0.1.0"),
        ("late", 2, "gru-suite-late 0.1.0 needs gru-suite>=99"),
    ):
        refused = run([place.command, f"task={name}", *TINY], cwd=place.project, code=code)
        assert named in refused


def rename(project: Path, old: str, new: str) -> None:
    """Replace a word in a package's pyproject.toml."""
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace(old, new))
