"""Discovery of tasks: those of GRU Suite and of installed task packages.

Hydra's config group ``task`` is the registry. A package declares an entry point in the group
``gru_suite.tasks`` whose value is the package, and ships ``<package>/conf/task/<name>.yaml``.
Packages are located, never imported, so one that crashes on import cannot break another task.
"""

from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from gru_suite.errors import UserError

ENTRY_POINT_GROUP = "gru_suite.tasks"
OURS = "gru-suite"


class TaskPackage(NamedTuple):
    """A package with tasks.

    Attributes:
        origin: the installed distribution and its version.
        package: the name to import.
        conf: its folder of configs.
    """

    origin: str
    package: str
    conf: Path


class Unusable(NamedTuple):
    """A package that declares tasks but cannot be used.

    Attributes:
        tasks: the names of those tasks.
        package: the name to import.
        reason: the problem and its remedy, one line.
    """

    tasks: frozenset[str]
    package: str
    reason: str


class TaskInfo(NamedTuple):
    """A task that can be chosen with ``task=<name>``.

    Attributes:
        name: the option of the config group ``task``.
        summary: the first comment line of its YAML.
        origin: the distribution that provides it.
    """

    name: str
    summary: str
    origin: str


def own_package() -> TaskPackage:
    """Return the package of GRU Suite's own tasks."""
    conf = _folder("gru_suite.conf")
    if conf is None:
        raise UserError("the configs are not installed; run: pip install gru-suite")
    return TaskPackage("gru-suite", "gru_suite", conf)


def installed_packages() -> tuple[list[TaskPackage], list[str]]:
    """Locate the installed task packages without importing them.

    Returns:
        The packages by name, and a warning line for each one that cannot be used.
    """
    packages, unusable = _locate()
    return packages, [each.reason for each in unusable]


def _locate() -> tuple[list[TaskPackage], list[Unusable]]:
    packages: dict[str, TaskPackage] = {}
    unusable: dict[str, Unusable] = {}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: (e.value, e.name)):
        package = package_name(entry)
        if package in packages:
            continue
        origin = _origin(entry)
        folder = _folder(package)
        files = [] if folder is None else sorted((folder / "conf" / "task").glob("*.yaml"))
        reason = unmet_requirement(entry)
        if folder is None:
            reason = f"task package {package!r} of {origin} is not there; reinstall it"
        elif not files:
            reason = f"task package {package!r} of {origin} has no conf/task/*.yaml"
        if folder is None or reason is not None:
            before = unusable[package].tasks if package in unusable else frozenset()
            tasks = before | {entry.name, *(file.stem for file in files)}
            unusable[package] = Unusable(tasks, package, reason or "")
        else:
            packages[package] = TaskPackage(origin, package, folder / "conf")
    return list(packages.values()), list(unusable.values())


def package_name(entry: EntryPoint) -> str:
    """Return the package that an entry point names."""
    return entry.value.partition(":")[0].strip()


def entry_of(module: str) -> EntryPoint | None:
    """Return the entry point of the installed task package that a module belongs to, if any."""
    top = module.partition(".")[0]
    found = [e for e in entry_points(group=ENTRY_POINT_GROUP) if e.value.partition(".")[0] == top]
    # Several distributions may share a top-level name.
    return max(
        found,
        key=lambda e: (f"{module}.".startswith(f"{package_name(e)}."), len(package_name(e))),
        default=None,
    )


def distribution_of(module: str) -> dict[str, str] | None:
    """Return name and version of the distribution of a module, GRU Suite's or a plug-in's."""
    if module.partition(".")[0] == "gru_suite":
        try:
            return {"name": OURS, "version": version(OURS)}
        except PackageNotFoundError:
            return None
    entry = entry_of(module)
    if entry is None or entry.dist is None:
        return None
    return {"name": entry.dist.name, "version": entry.dist.version}


def unmet_requirement(entry: EntryPoint) -> str | None:
    """Return a message where a plug-in needs another version of GRU Suite; else None."""
    if entry.dist is None or not entry.dist.requires:
        return None
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    ours = distribution_of("gru_suite")
    for line in entry.dist.requires if ours is not None else ():
        try:
            needed = Requirement(line)
        except InvalidRequirement:
            # Installers ignore invalid requirements too.
            continue
        if canonicalize_name(needed.name) != OURS or not needed.specifier:
            continue
        applies = needed.marker is None or needed.marker.evaluate({"extra": ""})
        if applies and ours and not needed.specifier.contains(ours["version"], prereleases=True):
            return (
                f"{_origin(entry)} needs {OURS}{needed.specifier}, and {ours['version']} is "
                f"installed; run: pip install '{OURS}{needed.specifier}', or install another "
                f"version of {entry.dist.name}"
            )
    return None


def available_tasks() -> list[TaskInfo]:
    """Return all available tasks, those of GRU Suite first, by package and name.

    A name that two packages provide appears twice; :func:`check_task` refuses it.
    """
    return [
        TaskInfo(file.stem, _summary(file), package.origin)
        for package in (own_package(), *installed_packages()[0])
        for file in _task_files(package)
    ]


def check_task(name: str) -> None:
    """Check that at most one package provides a task: Hydra would silently take the first.

    Raises:
        UserError: names the packages; or the package of the task that cannot be used.
    """
    origins = [task.origin for task in available_tasks() if task.name == name]
    if len(origins) > 1:
        raise UserError(
            f"task={name} is provided by {' and by '.join(origins)}; uninstall all but one of them"
        )
    for package in _locate()[1] if not origins else ():
        if name in package.tasks:
            raise UserError(f"task={name}: {package.reason}")


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
    """Return the folder of a package without importing it or its parents."""
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
