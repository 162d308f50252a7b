"""The wheel as a stranger meets it: built from the source archive, installed, used elsewhere."""

import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Folder in the checkout -> package in the wheel.
PACKAGES = {"gru_suite": "gru_suite", "tasks": "gru_suite/tasks", "conf": "gru_suite/conf"}
EXTRAS = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md")
# A compiled part is in the wheel where it was built with a compiler; its source need not be.
NATIVE = (".c", ".h", ".so", ".pyd")

Run = Callable[..., str]

pytestmark = pytest.mark.slow


def source_files() -> set[str]:
    """Return what the wheel should hold, by its name there."""
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in NATIVE
    }


@pytest.fixture(scope="module")
def run_folder(run: Run, bin_folder: Path, project: Path) -> Path:
    """Train the default task for some seconds, by the installed command."""
    printed = run([bin_folder / "gru-suite", "debug=tiny", "device=cpu"], cwd=project)
    label, _, path = printed.rstrip("\n").splitlines()[-1].partition(": ")
    assert label == "run folder"
    return project / path


def test_the_wheel_holds_the_three_folders_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
        (top_level,) = (name for name in metadata if name.endswith("/top_level.txt"))
        assert archive.read(top_level).decode().split() == ["gru_suite"]
    compiled = {
        name for name in names if name.startswith("gru_suite/nn/cells/native/_recurrent_kernel.")
    }
    assert len(compiled) == (0 if shutil.which("cc") is None else 1)
    assert names - metadata - compiled == source_files()
    assert all(name.startswith("gru_suite/") for name in names - metadata)
    assert "gru_suite/py.typed" in names
    assert "gru_suite/conf/train.yaml" in names
    assert "gru_suite/templates/task.yaml" in names
    assert "gru_suite/tasks/forecasting/samples/weather.csv.gz" in names
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_the_source_archive_holds_what_the_project_says_of_itself(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*EXTRAS, "tests/conftest.py", "conf/train.yaml", "tasks/__init__.py"} <= names
    folder = ROOT / "gru_suite" / "nn" / "cells" / "native"
    native = {str(path.relative_to(ROOT)) for path in folder.glob("*.[ch]")}
    assert len(native) > 3
    assert {"setup.py", *native} <= names


def test_the_package_comes_from_the_wheel(run: Run, bin_folder: Path, project: Path) -> None:
    script = "import gru_suite, gru_suite.tasks, gru_suite.conf as c; print(gru_suite.__file__)"
    printed = run([bin_folder / "python", "-c", script], cwd=project)
    assert Path(printed.strip()).is_relative_to(bin_folder.parent)


def test_tasks_are_listed(run: Run, bin_folder: Path, project: Path) -> None:
    assert "forecasting" in run([bin_folder / "gru-suite", "tasks"], cwd=project)


def test_the_config_is_ours(run: Run, bin_folder: Path, project: Path) -> None:
    printed = run([bin_folder / "python", "-m", "gru_suite", "--cfg", "job"], cwd=project)
    assert "gru_suite.tasks.forecasting" in printed
    assert "not: yours" not in printed


def test_a_run_leaves_its_results(run_folder: Path) -> None:
    for name in ("config.yaml", "metrics.json", "model_card.md", "checkpoints/last.ckpt"):
        assert (run_folder / name).is_file(), name
    assert list((run_folder / "plots").glob("*.png"))


def test_the_checkpoint_predicts_in_other_code(
    run: Run, bin_folder: Path, run_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(run_folder / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    (tmp_path / "script.py").write_text(
        "import sys\n"
        "import gru_suite\n"
        "from gru_suite.tasks.forecasting.samples.weather import load_weather\n"
        "task = gru_suite.load('mine.ckpt')\n"
        "forecast = task.predict(load_weather()).to_frame()\n"
        "assert set(forecast['origin']) == {'EWR', 'JFK', 'LGA'}\n"
        "assert forecast['time'].min() > load_weather()['time'].max()\n"
        "assert forecast.select_dtypes('number').notna().all(axis=None)\n"
        "assert 'hydra' not in sys.modules\n"
        "print(list(forecast.columns))\n"
    )
    printed = run([bin_folder / "python", "script.py"], cwd=tmp_path)
    assert "temp" in printed


def test_a_new_task_needs_a_package_of_its_own(run: Run, bin_folder: Path, tmp_path: Path) -> None:
    """The folder that pip owns is no place for anybody's code."""
    printed = run([bin_folder / "gru-suite", "new-task", "wave"], cwd=tmp_path, code=2)
    assert "gru-suite new-task wave --package" in printed
    assert list(tmp_path.iterdir()) == []
    tasks = run([bin_folder / "gru-suite", "tasks"], cwd=tmp_path)
    assert "wave" not in tasks


def test_the_installed_package_is_typed(run: Run, bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import gru_suite\n"
        "from gru_suite.tasks.forecasting.samples.weather import load_weather\n"
        "reveal_type(load_weather)\n"
        "reveal_type(gru_suite.load)\n"
    )
    # With the checkout's cache: the types of torch that `make type` read are not read again.
    settings = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    checker = [sys.executable, "-m", "mypy", "--python-executable", bin_folder / "python"]
    printed = run([*checker, *settings, "script.py"], cwd=tmp_path)
    assert "DataFrame" in printed
    assert "SequenceModel" in printed


RUN_GRU = (
    "import torch\n"
    "from gru_suite.nn.backbone import RecurrentBackbone\n"
    "from gru_suite.nn.cells.native.library import kernel\n"
    "backbone, x = RecurrentBackbone(3), torch.randn(9, 5, 3)\n"
    "torch.testing.assert_close(backbone(x)[0], backbone.rnn(x)[0])\n"
    "print(kernel().name if kernel() else 'torch.nn.GRU')\n"
)


def test_the_wheel_brings_the_kernel(run: Run, bin_folder: Path, project: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    printed = run([bin_folder / "python", "-c", RUN_GRU], cwd=project)
    assert printed.strip() in ("avx512_bf16", "avx512", "avx2", "portable")


def test_without_a_compiler_the_wheel_still_builds_and_runs(
    run: Run, dist: Path, tmp_path: Path
) -> None:
    (archive,) = dist.glob("*.tar.gz")
    # setuptools takes the compiler's name from the environment.
    build = ["env", "CC=no-such-compiler", sys.executable, "-m", "pip", "wheel", "--no-deps"]
    options = ["--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", tmp_path]
    run([*build, *options, archive], cwd=tmp_path)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel_file:
        assert not [name for name in wheel_file.namelist() if "_recurrent_kernel." in name]
        wheel_file.extractall(tmp_path / "site")
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{RUN_GRU}"
    printed = run([sys.executable, "-c", script], cwd=tmp_path)
    assert printed.strip() == "torch.nn.GRU"
