import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def declared(*groups: str) -> list[str]:
    """Return requirements by group (Python 3.10 has no TOML reader, so by their layout)."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    blocks = [text.partition(f"\n{group} = [\n")[2].partition("\n]\n")[0] for group in groups]
    return re.findall(r'^    "([^"]+)",$', "\n".join(blocks), flags=re.MULTILINE)


def imported() -> dict[str, set[str]]:
    """Return the top-level modules that the package imports, with the files that do."""
    found: dict[str, set[str]] = {}
    for folder in ("gru_suite", "tasks", "conf"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                for name in names:
                    found.setdefault(name.partition(".")[0], set()).add(str(path))
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_a_declared_dependency() -> None:
    by_module = packages_distributions()
    trackers = ("tensorboard", "mlflow", "wandb")
    extras = ("samples", "text", "export", "excel", "search", "serve", "cluster", *trackers)
    requirements = declared("dependencies", *extras)
    known = {normal(re.split(r"[\[<>=!]", requirement)[0]) for requirement in requirements}
    undeclared = {
        module: sorted(files)
        for module, files in imported().items()
        if module not in sys.stdlib_module_names
        and module != "gru_suite"
        # Where it is not installed, a module mostly bears the name of its distribution.
        and not {normal(name) for name in by_module.get(module, [module])} & known
    }
    assert undeclared == {}


def test_every_dependency_has_a_lower_bound() -> None:
    requirements = declared("dependencies")
    assert len(requirements) > 10
    assert [requirement for requirement in requirements if ">=" not in requirement] == []
