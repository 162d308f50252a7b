"""Config keys that README.md and docs/ name exist in conf/."""

import re
from pathlib import Path
from typing import Any

import yaml
from doc_pages import PAGES

CONF = Path(__file__).resolve().parents[2] / "conf"
# A key in code, not the name of a module or file.
_KEY = re.compile(r"(?<![\w./:])((?:task|data|backbone)\.[a-z_]+(?:\.[a-z_]+)?)(?![\w(.])")
_CODE = re.compile(r"```[^\n]*\n(?P<block>.*?)```|`(?P<inline>[^`\n]+)`", re.DOTALL)
# No keys, with what they are.
ALLOWED = {
    "backbone.safetensors": "a file",
    "data.lokback": "the mistake of a message",
    "task.model": "an attribute in Python",
}


def keys_of(group: str) -> set[str]:
    """Return the keys of all configs of a group, those of mappings in them too."""
    found: set[str] = set()
    for path in [*sorted((CONF / group).glob("*.yaml")), CONF / "train.yaml"]:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        overlay = content.get(group)
        own = content if path.parent != CONF and not isinstance(overlay, dict) else overlay
        found |= _flat(own or {})
    return found


def _flat(content: dict[str, Any], prefix: str = "") -> set[str]:
    names = set()
    for key, value in content.items():
        names.add(f"{prefix}{key}")
        if isinstance(value, dict):
            names |= _flat(value, f"{prefix}{key}.")
    return names


def named_keys() -> set[tuple[str, str]]:
    """Return the keys in code of each page."""
    found = set()
    for name, path in PAGES.items():
        # Tables of architecture.md name files.
        if name in ("architecture.md", "api.md"):
            continue
        for match in _CODE.finditer(path.read_text(encoding="utf-8")):
            code = match["block"] or match["inline"]
            found |= {(name, key) for key in _KEY.findall(code)}
    return found


def test_keys_exist() -> None:
    known = {f"{group}.{key}" for group in ("task", "data", "backbone") for key in keys_of(group)}
    named = named_keys()
    assert len({key for _, key in named}) > 60
    assert {(page, key) for page, key in named if key not in known and key not in ALLOWED} == set()
