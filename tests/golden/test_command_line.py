"""What scripts of users set: keys, choices and verbs of the command line.

Keys may be added: ``python tests/golden/test_command_line.py`` writes the file anew. What goes is
**Breaking** in CHANGELOG.md.
"""

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from golden_fixtures import TASKS, keys, plain

from gru_suite.testing import compose_config

FILE = Path(__file__).parent / "command_line.json"
CONF = Path(__file__).parents[2] / "conf"
ROOTS = ("train", "evaluate", "predict", "export")


def golden() -> dict[str, Any]:
    composed = {root: sorted(keys(plain(compose_config([], root)))) for root in ROOTS}
    for task in TASKS:
        composed[f"train task={task}"] = sorted(keys(plain(compose_config([f"task={task}"]))))
    groups = sorted(path for path in CONF.iterdir() if path.is_dir() and path.name[0] != "_")
    choices = {group.name: sorted(path.stem for path in group.glob("*.yaml")) for group in groups}
    return {"keys": composed, "choices": choices, "verbs": sorted(verbs())}


def verbs() -> list[str]:
    from gru_suite.cli.verbs import VERBS

    return list(VERBS)


def test_keys_choices_and_verbs() -> None:
    assert golden() == json.loads(FILE.read_text())


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1) + "\n")
