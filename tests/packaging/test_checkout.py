"""A task added to a checkout that is installed as editable: two new files, none edited."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Run = Callable[..., str]
CONTRACT = "from gru_suite.testing.contract import check_task; check_task('wave_kind')"


def test_two_new_files_are_a_task(
    run: Run,
    copy_of_checkout: Callable[[], Path],
    new_environment: Callable[..., Path],
    tmp_path: Path,
) -> None:
    checkout = copy_of_checkout()
    binaries = new_environment("--editable", checkout)
    before = sources(checkout)
    # From any folder.
    run([binaries / "gru-suite", "new-task", "wave_kind"], cwd=tmp_path)
    new = {"tasks/wave_kind/task.py", "conf/task/wave_kind.yaml"}
    assert sources(checkout) == before | new
    assert "wave_kind" in run([binaries / "gru-suite", "tasks"], cwd=tmp_path)
    run([binaries / "python", "-c", CONTRACT], cwd=tmp_path)
    # Nothing is written over, and what there is keeps the rules of the code beside it.
    code = (checkout / "tasks/wave_kind/task.py").read_text()
    refused = run([binaries / "gru-suite", "new-task", "wave_kind"], cwd=tmp_path, code=2)
    assert "there is a task 'wave_kind' already, of gru-suite" in refused
    assert (checkout / "tasks/wave_kind/task.py").read_text() == code
    ruff = [sys.executable, "-m", "ruff"]
    run([*ruff, "check", "--no-cache", "tasks/wave_kind"], cwd=checkout)
    run([*ruff, "format", "--no-cache", "--check", "tasks/wave_kind"], cwd=checkout)


def sources(checkout: Path) -> set[str]:
    """Return the files of the three folders that the package is made of."""
    return {
        path.relative_to(checkout).as_posix()
        for folder in ("gru_suite", "tasks", "conf")
        for path in (checkout / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".so", ".pyd")
    }
