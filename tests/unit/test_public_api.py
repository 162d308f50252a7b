"""The public interface stays: names, and signatures of functions, classes and methods.

``python tests/unit/test_public_api.py`` writes the frozen file anew; say in the commit why it
changed, and in CHANGELOG.md with **Breaking** where something went.
"""

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gru_suite
import gru_suite.testing

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_suffix(".json")


def signature(value: Any) -> str:
    """Return the arguments with their defaults; annotations may become more exact."""
    shown = inspect.signature(value)
    plain = [each.replace(annotation=each.empty) for each in shown.parameters.values()]
    return str(shown.replace(parameters=plain, return_annotation=shown.empty))


def surface() -> dict[str, Any]:
    """Return the signature of each public function, and of each public method of a class."""
    found: dict[str, Any] = {}
    for module, names in (
        (gru_suite, gru_suite.__all__),
        (gru_suite.testing, gru_suite.testing.__all__),
    ):
        for name in names:
            value = getattr(module, name)
            label = f"{module.__name__}.{name}"
            if not callable(value):
                continue
            is_error = inspect.isclass(value) and issubclass(value, Exception)
            found[label] = "(message)" if is_error else signature(value)
            if inspect.isclass(value):
                for key, member in sorted(vars(value).items()):
                    if not key.startswith("_") and inspect.isfunction(member):
                        found[f"{label}.{key}"] = signature(member)
    return found


def test_names_and_signatures_are_frozen() -> None:
    assert surface() == json.loads(FILE.read_text(encoding="utf-8"))


def test_the_page_names_all_of_it_and_nothing_else() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    first_cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for cell in first_cells for name in re.findall(r"`(?:[\w.]+\.)?(\w+)", cell)}
    public = {*gru_suite.__all__, "check_task"} - {"__version__"}
    assert named == public


def test_every_name_is_listed_and_loaded_on_demand() -> None:
    assert sorted(gru_suite.__all__) == list(gru_suite.__all__)
    assert set(gru_suite.__all__) <= set(dir(gru_suite))
    code = (
        "import gru_suite, sys; gru_suite.UserError; assert 'torch' not in sys.modules;"
        "gru_suite.SequenceModel; heavy = {'pytorch_lightning', 'hydra', 'pandas', 'sklearn'};"
        "assert not heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert importlib.import_module("gru_suite").load is gru_suite.load


if __name__ == "__main__":
    FILE.write_text(json.dumps(surface(), indent=1) + "\n", encoding="utf-8")
