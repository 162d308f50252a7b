"""The fenced blocks of README.md and docs/, and how to run a page's blocks in order."""

import os
import re
import shlex
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from fork_server import ForkServer

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
PAGES["README.md"] = ROOT / "README.md"

_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_NEEDS = re.compile(r"<!-- needs: (.*?) -->")
_NOT_RUN = re.compile(r"<!-- not run: (.*?) -->\n *$")
# A block of text with such a line is a command that the page shows and no test runs.
_COMMAND = re.compile(
    r"^(gru-suite|pip|python3?|torchrun|srun|sbatch|mlflow|pytest|stream =) ?", re.MULTILINE
)
# Verbs that train nothing, and words that make a run print something and end.
NO_TRAINING = {"tasks", "--help", "--cfg", "--version", "evaluate", "predict", "inspect", "export"}
NO_TRAINING |= {"runs", "compare", "new-task"}
# Runs on little data; the samples of recordings and videos are made small.
_SMALL = re.compile(r"\b(task=(speech|video)|experiment=|data=text_folders)")
# Options that name a file or a folder.
_FILES = re.compile(r"(path|dir|checkpoint|resume|init_from|vocabulary_from|train|val|test)=")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: bash or python of a block that is run; of others the words after the fence.
        text: its lines, without the indentation of a tab.
        reason: why it is not run; None where it is run, or is no command.
    """

    language: str
    text: str
    reason: str | None = None

    @property
    def runs(self) -> bool:
        return self.language in ("bash", "python")


@dataclass
class Page:
    """A page: blocks in order, and the pages whose files they use."""

    name: str
    needs: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def read_page(name: str) -> Page:
    text = PAGES[name].read_text(encoding="utf-8")
    page = Page(name, [each for found in _NEEDS.findall(text) for each in found.split()])
    for match in _FENCE.finditer(text):
        language, content = match[2].strip(), textwrap.dedent(match[3])
        reason = _NOT_RUN.search(text[: match.start()])
        other = ".other" in language
        assert not (reason and language in ("bash", "python")), f"{name}: {content}"
        if not reason and not other and language in ("text", "sh", "console"):
            assert not _COMMAND.search(content), f"{name}: say why this is not run:\n{content}"
        why = "another program" if other else reason[1] if reason else None
        page.blocks.append(Block(language, content, why))
    return page


def words_of(line: str) -> list[str]:
    """Return a line as words for a :class:`ForkServer`, a training with ``debug=tiny``.

    Trainings are on a part of the data, since the baselines know no debug; a resumed run keeps
    its own config.
    """
    program, *words = shlex.split(line, comments=True)
    if program == "python":
        return words
    assert program == "gru-suite", line
    if not NO_TRAINING & set(words) and "resume=" not in line:
        words.append("debug=tiny")
        if not _SMALL.search(line):
            words.append("data.train_fraction=0.1")
    if words[0] == "evaluate" and "weather" in words[1] and len(words) == 2:
        words.append("data.eval_stride=24")
    return words


def commands_of(page: Page) -> list[list[str]]:
    """Return what a page runs, in order: words for a :class:`ForkServer`."""
    commands = []
    for block in page.blocks:
        if block.language == "python":
            commands.append(["-c", block.text])
        elif block.runs and ".venv" not in block.text:
            lines = block.text.replace("\\\n", " ").strip().splitlines()
            commands += map(words_of, lines)
    return commands


def stands_alone(words: list[str]) -> bool:
    """Return whether a command is a training that reads and leaves nothing for those after it."""
    return "debug=tiny" in words and not any(_FILES.search(word) for word in words)


def run_page(page: Page, folder: Path, server: ForkServer, done: list[list[str]]) -> None:
    """Run a page in order in one folder, except for the commands that are done already."""
    for words in commands_of(page):
        if words in done and words[0] != "-c":
            continue
        log = folder / ".log"
        log.unlink(missing_ok=True)
        server.start(words, folder, log)
        code = server.wait()
        assert code == 0, f"{page.name}: {shlex.join(words)}\n{log.read_text()}"


def run(words: list[str], folder: Path) -> None:
    """Run words in a folder; the test fails where they do."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
