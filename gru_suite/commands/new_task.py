"""``gru-suite new-task``: a task from a template that trains and passes the contract test."""

import keyword
import re
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import yaml

from gru_suite.errors import UserError
from gru_suite.files import atomic_path, make_folder
from gru_suite.plugins import available_tasks, own_package

# Hydra parses these as numbers.
_NUMBERS = ("inf", "nan")
# Name of the task in the templates.
_TEMPLATE = "gesture"


def new_task(words: Sequence[str]) -> int:
    """Write two files into the checkout, or with ``--package`` a package into this folder.

    Args:
        words: arguments: the name of the task, optionally ``--package``, in any order.

    Returns:
        The exit code.

    Raises:
        UserError: the name is missing, invalid or taken, a file exists already, or there is no
            checkout to write into. Nothing is written then.
    """
    as_package = "--package" in words
    names = [word for word in words if word != "--package"]
    for word in names:
        if word.startswith("-"):
            raise UserError(f"no flag {word!r}; did you mean '--package'?")
    if len(names) != 1:
        found = f"found {' and '.join(map(repr, names))}" if names else "found none"
        raise UserError(f"one name is needed, {found}: gru-suite new-task gesture")
    check_name(names[0])
    written, steps = (_write_package if as_package else _write_in_checkout)(names[0])
    lines = [*(f"written: {path}" for path in written), "next:", *(f"  {step}" for step in steps)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def check_name(name: str) -> None:
    """Check that a name is valid for a module and a config option, and is not taken.

    Raises:
        UserError: it is not.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.endswith("_"):
        plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
        near = plain.lstrip("_0123456789").rstrip("_")
        hint = f"; did you mean {near!r}?" if near else ""
        raise UserError(
            f"{name!r} cannot be a task's name: needs lower-case letters, digits and _, a letter "
            f"first{hint}"
        )
    if keyword.iskeyword(name) or name in _NUMBERS or not isinstance(yaml.safe_load(name), str):
        raise UserError(f"{name!r} means something else in Python or YAML; try '{name}_task'")
    for task in available_tasks():
        if task.name == name:
            raise UserError(f"there is a task {name!r} already, of {task.origin}; choose another")


def checkout() -> Path | None:
    """Return the source folder of an editable installation; None for another installation."""
    conf = own_package().conf
    folder = conf.parent
    is_ours = all((folder / each).exists() for each in ("pyproject.toml", "tasks/__init__.py"))
    return folder if conf.name == "conf" and is_ours else None


def _write_in_checkout(name: str) -> tuple[list[Path], list[str]]:
    folder = checkout()
    if folder is None:
        raise UserError(
            "GRU Suite is not installed from a checkout, and its installed folder is not for your "
            f"code; create a package: gru-suite new-task {name} --package"
        )
    module, config = folder / "tasks" / name, folder / "conf" / "task" / f"{name}.yaml"
    _refuse_existing(module, config)
    with atomic_path(config) as temporary:
        temporary.write_text(_render("task.yaml", name), encoding="utf-8")
        # The config registers the task, so it is written last.
        _write_folder(module, {"task.py": _render("task.py", name)})
    steps = [
        f"gru-suite task={name}",
        f"python -c \"from gru_suite.testing.contract import check_task; check_task('{name}')\"",
    ]
    return [module / "task.py", config], steps


def _write_package(name: str) -> tuple[list[Path], list[str]]:
    project, package = f"gru-suite-{name.replace('_', '-')}", f"gru_suite_{name}"
    folder = Path.cwd() / project
    _refuse_existing(folder)
    ours = f"gru_suite.tasks.{name}"
    texts = {
        "pyproject.toml": _render("pyproject.toml", name)
        .replace(f"gru-suite-{name}", project)
        .replace("gru-suite>=0", f"gru-suite>={version('gru-suite').partition('+')[0]}"),
        "README.md": _render("README.md", name).replace(f"gru-suite-{name}", project),
        f"{package}/__init__.py": _render("package.py", name),
        f"{package}/py.typed": "",
        f"{package}/task.py": _render("task.py", name),
        f"{package}/conf/task/{name}.yaml": _render("task.yaml", name).replace(ours, package),
        f"tests/test_{name}.py": _render("contract.py", name),
    }
    _write_folder(folder, texts)
    steps = [f"pip install -e {project}", f"gru-suite task={name}", f"pytest {project}"]
    return [folder / file for file in texts], steps


def _render(template: str, name: str) -> str:
    text = (files("gru_suite.templates") / template).read_text(encoding="utf-8")
    camel = "".join(part.capitalize() for part in name.split("_"))
    return text.replace(_TEMPLATE.capitalize(), camel).replace(_TEMPLATE, name)


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise UserError(f"{path} exists already; nothing was written")


def _write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write a new folder with all files, or nothing."""
    make_folder(folder.parent)
    temporary = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        for file, text in texts.items():
            path = temporary / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        temporary.rename(folder)
    except OSError as error:
        with suppress(OSError):
            shutil.rmtree(temporary)
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from error
