"""docs/architecture.md: no circles of imports, the same rooms in every task, small modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A task's folder: these modules and rooms, in the order of the data's way.
ROOMS = {"reading", "batches", "samples", "network", "inference", "training", "results"}
MODULES = {"__init__.py", "model.py", "service.py", "data.py", "task.py"}
# A second data module, of media files in tar archives.
OPTIONAL = {"__pycache__", "shards.py"}
TASKS = (
    "forecasting",
    "sentiment",
    "speech_commands",
    "summarization",
    "tracking",
    "transcription",
    "translation",
    "video_action",
)
MAX_LINES, MAX_MODULES = 300, 12


def sources() -> dict[str, Path]:
    """Return the modules of the package by dotted name; templates are texts, not modules."""
    found = {}
    for root, package in (("gru_suite", "gru_suite"), ("tasks", "gru_suite.tasks")):
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(ROOT / root).with_suffix("").parts
            if "templates" not in parts:
                found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


SOURCES = sources()


def imported(name: str, path: Path) -> Iterator[str]:
    """Yield what a module imports from the package: in functions and under TYPE_CHECKING too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            names = [each if each in SOURCES else base for each in names]
        yield from (each for each in names if each in SOURCES and each != name)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the sets of modules that reach each other, by repeatedly taking leaves off."""
    left = {name: set(uses) for name, uses in graph.items()}
    while leaves := [name for name, uses in left.items() if not uses & left.keys()]:
        for name in leaves:
            del left[name]
    # What is left lies on circles or above them: take off what nothing uses, too.
    while tops := left.keys() - {each for uses in left.values() for each in uses}:
        for name in tops:
            del left[name]
    return [sorted(left)] if left else []


GRAPH = {name: set(imported(name, path)) for name, path in SOURCES.items()}


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a"}}
    assert circles(graph) == [["b", "c"]]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert len(GRAPH) > 150
    assert circles(GRAPH) == []


def test_the_suite_knows_no_task() -> None:
    tasks = {name for name in GRAPH if name.startswith("gru_suite.tasks.")}
    for name in GRAPH.keys() - tasks:
        assert not GRAPH[name] & tasks, name


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_the_same_rooms(task: str) -> None:
    inside = {path.name for path in (ROOT / "tasks" / task).iterdir()}
    assert inside - OPTIONAL == ROOMS | MODULES


def test_no_folder_is_crowded_and_no_module_long() -> None:
    folders: dict[Path, int] = {}
    for path in SOURCES.values():
        folders[path.parent] = folders.get(path.parent, 0) + 1
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MAX_LINES, f"{path}: {lines} lines"
    for folder, count in folders.items():
        assert count <= MAX_MODULES, f"{folder}: {count} modules side by side"
