"""docs/messages.md quotes messages that the source has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^``` \{ \.text \.message \}\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
# Fixed characters of a template, spaces aside, and as a share of the message: "{where}: {forms}"
# would match anything.
MIN_FIXED, MIN_SHARE = 6, 0.1


def templates() -> Iterator[tuple[int, re.Pattern[str]]]:
    """Yield the fixed characters and the pattern of every string, its expressions as ``.*``."""
    for folder in ("gru_suite", "tasks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                fixed = [
                    str(part.value) if isinstance(part, ast.Constant) else None for part in parts
                ]
                count = sum(len("".join(each.split())) for each in fixed if each)
                if count >= MIN_FIXED:
                    pattern = "".join(".*" if each is None else re.escape(each) for each in fixed)
                    yield count, re.compile(pattern, re.DOTALL)


def test_every_message_is_one_of_the_source() -> None:
    found = list(templates())
    odd = [
        message
        for message in MESSAGES
        if not any(
            count >= MIN_SHARE * len(message) and pattern.fullmatch(message)
            for count, pattern in found
        )
    ]
    assert odd == []


def test_there_are_messages_of_every_kind() -> None:
    assert len(MESSAGES) >= 15
    assert len(set(MESSAGES)) == len(MESSAGES)
    # Each has a remedy.
    assert PAGE.count("**Do this:**") == len(MESSAGES)
