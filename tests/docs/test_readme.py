"""Every example of the README runs as it stands there, training ones with ``debug=tiny``."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
# The first two blocks make environments; the packaging tests and CI do that.
EXAMPLES = [(kind, text) for kind, text in BLOCKS if ".venv" not in text]
NO_RUN = {"tasks", "--help", "--cfg", "evaluate", "predict", "inspect", "export"}


def words_of(line: str) -> list[str]:
    """Return a README line as words to run with this interpreter."""
    words = shlex.split(line, comments=True)
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    assert words[0] == "gru-suite", line
    if not NO_RUN & set(words):
        words.append("debug=tiny")
    if words[1] == "evaluate" and "weather" in words[2]:
        words.append("data.eval_stride=24")
    return [sys.executable, "-m", "gru_suite", *words[1:]]


def test_the_readme_has_two_commands_of_one_line_each() -> None:
    setups = [text.strip() for _, text in BLOCKS if ".venv" in text]
    assert len(setups) == 2
    assert all(len(text.splitlines()) == 1 for text in setups)
    assert setups[0].endswith("gru-suite")
    assert setups[1].endswith("pytest -n 2")


@pytest.mark.slow
def test_examples_run_in_order(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    lines = [
        words
        for kind, text in EXAMPLES
        for words in (
            [[sys.executable, "-c", text]]
            if kind == "python"
            else [words_of(line) for line in text.strip().splitlines()]
        )
    ]
    assert len(lines) > 10
    for words in lines:
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    written = (
        "forecast.csv",
        "forecast.png",
        "labels.csv",
        "labels.html",
        "words.csv",
        "actions.csv",
        "weather.onnx",
        "words.pt2",
        "reviews.safetensors",
        "backbone.safetensors",
    )
    assert [name for name in written if not (tmp_path / name).is_file()] == []
