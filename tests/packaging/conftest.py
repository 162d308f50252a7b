"""The source archive, the wheel, and environments that a stranger would install it into."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("gru_suite", "tasks", "conf", "tests", ".ci", "pyproject.toml", "setup.py", "README.md")
COPIED = (*COPIED, "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "MANIFEST.in", "Makefile")
TIMEOUT_SECONDS = 300

Run = Callable[..., str]
NewEnvironment = Callable[..., Path]


def run_command(command: Sequence[str | Path], cwd: Path, code: int = 0) -> str:
    """Run a command as in a shell of its own, print both, and return what it printed.

    Args:
        command: its words.
        cwd: where.
        code: the exit code that it must have; with another than 0 its errors are returned too.
    """
    settings = ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONHOME", "HYDRA_FULL_ERROR")
    env = {name: value for name, value in os.environ.items() if name not in settings}
    words = [str(word) for word in command]
    print(f"$ {shlex.join(words)}")
    done = subprocess.run(
        words,
        cwd=cwd,
        env=env | {"OMP_NUM_THREADS": "1", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    print(done.stdout + done.stderr)
    assert done.returncode == code, f"{words} gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture(scope="session")
def run() -> Run:
    """Return :func:`run_command`."""
    return run_command


@pytest.fixture(scope="session")
def copy_of_checkout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that copies the checkout: stale builds must neither help nor harm."""

    def copy() -> Path:
        folder = tmp_path_factory.mktemp("checkout")
        ignored = shutil.ignore_patterns("__pycache__", "venv", "*.so", "*.pyd")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            elif (ROOT / name).is_file():
                shutil.copy(ROOT / name, folder / name)
        return folder

    return copy


@pytest.fixture(scope="session")
def dist(copy_of_checkout: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive, and from that archive the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    run_command([*build, copy_of_checkout()], cwd=folder)
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def new_environment(tmp_path_factory: pytest.TempPathFactory) -> NewEnvironment:
    """Return a function that makes an environment with something installed in it."""

    def make(*what: str | Path) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        run_command([sys.executable, "-m", "venv", "--without-pip", folder], cwd=folder)
        # Folders named in a .pth file come last and their own .pth files are not read: torch and
        # the others are found there, the editable install of the checkout is not.
        (packages,) = folder.glob("**/site-packages")
        dependencies = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
        (packages / "dependencies.pth").write_text("\n".join(dependencies) + "\n")
        binaries = folder / ("Scripts" if os.name == "nt" else "bin")
        pip_install(binaries, *what)
        return binaries

    return make


def pip_install(binaries: Path, *what: str | Path) -> None:
    """Install into an environment without a network, with the build tools that are there."""
    words = [sys.executable, "-m", "pip", "--python", binaries / "python", "install", "--quiet"]
    # The environment of the tests may have the same package at the same version.
    alone = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed"]
    run_command([*words, *alone, *what], cwd=binaries)


@pytest.fixture(scope="session")
def install() -> Callable[..., None]:
    """Return :func:`pip_install`."""
    return pip_install


@pytest.fixture(scope="session")
def bin_folder(wheel: Path, new_environment: NewEnvironment) -> Path:
    """Return the commands of an environment with the wheel alone."""
    return new_environment(wheel)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return somebody's project folder, with `tasks`, `conf` and `outputs` of its own."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("tasks", "conf"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('not yours')\n")
    (folder / "conf" / "train.yaml").write_text("not: yours\n")
    return folder
