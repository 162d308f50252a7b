"""Which tasks there are: our own and those of installed task packages.

Hydra's config group ``task`` is the registry. A package declares an entry point in the group
``gru_suite.tasks`` whose value is the package, and ships ``<package>/conf/task/<name>.yaml``.
Packages are located, never imported, so one that crashes on import cannot break another task.
"""

from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gru_suite.errors import UserError

ENTRY_POINT_GROUP = "gru_suite.tasks"


class TaskPackage(NamedTuple):
    """A package that brings tasks.

    Attributes:
        origin: the installed distribution and its version.
        package: the name to import.
        conf: its folder of configs.
    """

    origin: str
    package: str
    conf: Path


class TaskInfo(NamedTuple):
    """A task that can be chosen with ``task=<name>``.

    Attributes:
        name: the option of the config group ``task``.
        summary: the first comment line of its YAML.
        origin: the distribution that brings it.
    """

    name: str
    summary: str
    origin: str


def own_package() -> TaskPackage:
    """Return the tasks that come with GRU Suite."""
    conf = _folder("gru_suite.conf")
    if conf is None:
        raise UserError("the configs are not installed; run: pip install gru-suite")
    return TaskPackage("gru-suite", "gru_suite", conf)


def installed_packages() -> tuple[list[TaskPackage], list[str]]:
    """Locate the installed task packages without importing them.

    Returns:
        The packages by name, and a warning line for each one that cannot be used.
    """
    packages: dict[str, TaskPackage] = {}
    warnings = []
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: (e.value, e.name)):
        package = entry.value.partition(":")[0].strip()
        if package in packages:
            continue
        origin = _origin(entry)
        folder = _folder(package)
        if folder is None:
            warnings.append(f"task package {package!r} of {origin} is not there; reinstall it")
        elif not any((folder / "conf" / "task").glob("*.yaml")):
            warnings.append(f"task package {package!r} of {origin} has no conf/task/*.yaml")
        else:
            packages[package] = TaskPackage(origin, package, folder / "conf")
    return list(packages.values()), warnings


def available_tasks() -> list[TaskInfo]:
    """Return every task that can be chosen, ours first, each package's by name.

    A name that two packages bring appears twice; :func:`check_task` refuses it.
    """
    return [
        TaskInfo(file.stem, _summary(file), package.origin)
        for package in (own_package(), *installed_packages()[0])
        for file in _task_files(package)
    ]


def check_task(name: str) -> None:
    """Refuse a task name that more than one package brings: Hydra would silently take the first.

    Raises:
        UserError: names the packages.
    """
    origins = [task.origin for task in available_tasks() if task.name == name]
    if len(origins) > 1:
        raise UserError(
            f"task={name} is brought by {' and by '.join(origins)}; uninstall all but one of them"
        )


def _task_files(package: TaskPackage) -> Iterator[Path]:
    return iter(sorted((package.conf / "task").glob("*.yaml")))


def _summary(file: Path) -> str:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return line.lstrip("# ").rstrip(". ")
    return ""


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.name


def _folder(package: str) -> Path | None:
    """Return the folder of a package; a dotted name's parents are not imported either."""
    top, *rest = package.split(".")
    try:
        spec = find_spec(package) if top == "gru_suite" else _walk(find_spec(top), top, rest)
    except (ImportError, ValueError):
        return None
    locations = spec.submodule_search_locations if spec is not None else None
    return next((Path(p) for p in locations or () if Path(p).is_dir()), None)


def _walk(spec: ModuleSpec | None, name: str, rest: list[str]) -> ModuleSpec | None:
    # importlib.util.find_spec would import the parents of a dotted name.
    for part in rest:
        if spec is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec
