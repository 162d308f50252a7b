"""The wheel as a stranger meets it: built from the source archive, installed, used elsewhere."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Folder in the checkout -> package in the wheel.
PACKAGES = {"gru_suite": "gru_suite", "tasks": "gru_suite/tasks", "conf": "gru_suite/conf"}
EXTRAS = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md")
TIMEOUT_SECONDS = 300
# The kernel's sources, which the wheel holds compiled, and what an editable install compiled.
NOT_SHIPPED = (".c", ".h", ".so")

pytestmark = pytest.mark.slow


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """Run a command as in a shell of its own and return what it printed."""
    settings = ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONHOME")
    env = {name: value for name, value in os.environ.items() if name not in settings}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env | {"OMP_NUM_THREADS": "1", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def source_files() -> set[str]:
    """Return what the wheel should hold, by its name there."""
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in NOT_SHIPPED
    }


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive from a copy, and from that archive the wheel."""
    folder = tmp_path_factory.mktemp("build")
    # A copy: stale build folders of the checkout must neither help nor harm.
    ignored = shutil.ignore_patterns("__pycache__", "venv", "*.so")
    for name in (*PACKAGES, "tests", ".ci"):
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in (*EXTRAS, "MANIFEST.in", "Makefile", "setup.py"):
        shutil.copy(ROOT / name, folder / "source" / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist"]
    run([*build, folder / "source"], cwd=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment that finds its dependencies in the running one."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", folder], cwd=folder)
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    install = [sys.executable, "-m", "pip", "--python", binaries / "python", "install"]
    run([*install, "--quiet", "--no-deps", "--no-index", wheel], cwd=folder)
    # Folders named in a .pth file come last and their own .pth files are not read: torch and the
    # others are found there, the editable install of the checkout is not.
    (packages,) = folder.glob("**/site-packages")
    dependencies = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "dependencies.pth").write_text("\n".join(dependencies) + "\n")
    return binaries


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return somebody's project folder, with `tasks`, `conf` and `outputs` of its own."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("tasks", "conf"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('not yours')\n")
    (folder / "conf" / "train.yaml").write_text("not: yours\n")
    return folder


@pytest.fixture(scope="module")
def run_folder(bin_folder: Path, project: Path) -> Path:
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
    compiled = {name for name in names if name.startswith("gru_suite/cells/native/_gru_kernel.")}
    assert len(compiled) == (0 if shutil.which("cc") is None else 1)
    assert names - metadata - compiled == source_files()
    assert "gru_suite/py.typed" in names
    assert "gru_suite/conf/train.yaml" in names
    assert "gru_suite/tasks/forecasting/samples/weather.csv.gz" in names
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_the_source_archive_holds_what_the_project_says_of_itself(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*EXTRAS, "tests/conftest.py", "conf/train.yaml", "tasks/__init__.py"} <= names
    native = ("gru_kernel.c", "gru_kernel.h", "gru_kernel_inner.h")
    assert {"setup.py", *(f"gru_suite/cells/native/{name}" for name in native)} <= names


def test_the_package_comes_from_the_wheel(bin_folder: Path, project: Path) -> None:
    script = "import gru_suite, gru_suite.tasks, gru_suite.conf as c; print(gru_suite.__file__)"
    printed = run([bin_folder / "python", "-c", script], cwd=project)
    assert Path(printed.strip()).is_relative_to(bin_folder.parent)


def test_tasks_are_listed(bin_folder: Path, project: Path) -> None:
    assert "forecasting" in run([bin_folder / "gru-suite", "tasks"], cwd=project)


def test_the_config_is_ours(bin_folder: Path, project: Path) -> None:
    printed = run([bin_folder / "python", "-m", "gru_suite", "--cfg", "job"], cwd=project)
    assert "gru_suite.tasks.forecasting" in printed
    assert "not: yours" not in printed


def test_a_run_leaves_its_results(run_folder: Path) -> None:
    for name in ("config.yaml", "metrics.json", "metrics.csv", "checkpoints/last.ckpt"):
        assert (run_folder / name).is_file(), name
    assert list((run_folder / "plots").glob("*.png"))


def test_the_checkpoint_predicts_in_other_code(
    bin_folder: Path, run_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(run_folder / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    (tmp_path / "script.py").write_text(
        "import sys\n"
        "import gru_suite\n"
        "from gru_suite.tasks.forecasting.samples import load_weather\n"
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


def test_the_installed_package_is_typed(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import gru_suite\n"
        "from gru_suite.tasks.forecasting.samples import load_weather\n"
        "reveal_type(load_weather)\n"
        "reveal_type(gru_suite.load)\n"
    )
    # With the checkout's cache: the types of torch that `make type` read are not read again.
    settings = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    checker = [sys.executable, "-m", "mypy", "--python-executable", bin_folder / "python"]
    printed = run([*checker, *settings, "script.py"], cwd=tmp_path)
    assert "DataFrame" in printed
    assert "SequenceTask" in printed


RUN_GRU = (
    "import torch\n"
    "from gru_suite.backbone import RecurrentBackbone\n"
    "from gru_suite.cells.native.library import kernel\n"
    "backbone, x = RecurrentBackbone(3), torch.randn(9, 5, 3)\n"
    "torch.testing.assert_close(backbone(x)[0], backbone.rnn(x)[0])\n"
    "print(kernel().name if kernel() else 'torch.nn.GRU')\n"
)


def test_the_wheel_brings_the_kernel(bin_folder: Path, project: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    printed = run([bin_folder / "python", "-c", RUN_GRU], cwd=project)
    assert printed.strip() in ("avx512", "avx2", "portable")


def test_without_a_compiler_the_wheel_still_builds_and_runs(dist: Path, tmp_path: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    # setuptools takes the compiler's name from the environment.
    build = ["env", "CC=no-such-compiler", sys.executable, "-m", "pip", "wheel", "--no-deps"]
    options = ["--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", tmp_path]
    run([*build, *options, archive], cwd=tmp_path)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel_file:
        assert not [name for name in wheel_file.namelist() if "_gru_kernel." in name]
        wheel_file.extractall(tmp_path / "site")
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{RUN_GRU}"
    printed = run([sys.executable, "-c", script], cwd=tmp_path)
    assert printed.strip() == "torch.nn.GRU"
