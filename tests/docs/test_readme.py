"""Every example of README.md and docs/ runs as it stands, training ones with ``debug=tiny``."""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doc_pages import PAGES, commands_of, read_page, run, run_page, stands_alone
from fork_server import ForkServer
from server_process import running_server

from gru_suite.nn.cells.native.library import kernel

# Why a command is shown and not run, and how many blocks there are of each.
NOT_RUN = {
    "another program": 14,
    "fetches weights": 1,
    "installs packages": 1,
    "makes an environment": 2,
    "many trainings": 3,
    "needs GPUs or several processes": 1,
    "needs a checkpoint of another experiment": 1,
    "needs a cluster": 2,
    "needs a data set": 5,
    "needs a tracker or its server": 1,
    "runs against a server": 3,
    "serves until it is stopped": 2,
}
RUN = 60
# What the examples of a page write.
WRITTEN = {
    "forecasting.md": ("forecast.csv", "forecast.png"),
    "sentiment.md": ("labels.csv", "labels.html"),
    "speech_commands.md": ("words.csv", "words_in_a_row.wav"),
    "video_action.md": ("actions.csv",),
    "translation.md": ("targets.csv", "targets.html", "pairs.onnx", "pairs_step.onnx"),
    "summarization.md": ("summaries.csv", "summaries.html"),
    "export.md": ("weather.onnx", "words.pt2", "reviews.safetensors"),
    "checkpoints.md": ("backbone.safetensors",),
    "sweeps.md": ("comparison/report.html",),
    "README.md": ("forecast.csv",),
}
# Their examples compute in eight bits.
NEED_KERNEL = ("backbone.md",)
EXAMPLES = sorted(name for name in PAGES if any(block.runs for block in read_page(name).blocks))


def test_the_readme_has_two_commands_of_one_line_each() -> None:
    blocks = read_page("README.md").blocks
    setups = [each.text.strip() for each in blocks if each.runs and ".venv" in each.text]
    assert len(setups) == 2
    assert all(len(text.splitlines()) == 1 for text in setups)
    assert setups[0].endswith("gru-suite")
    assert setups[1].endswith("pytest -n 2")


def test_every_block_is_run_or_has_a_known_reason() -> None:
    blocks = [block for name in PAGES for block in read_page(name).blocks]
    assert Counter(block.reason for block in blocks if block.reason) == NOT_RUN
    # The two that make environments, the packaging tests and CI run.
    assert sum(block.runs for block in blocks) - 2 >= RUN


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    started = ForkServer(small_samples=True)
    yield started
    started.close()


@pytest.fixture(scope="module")
def folder_of(
    tmp_path_factory: pytest.TempPathFactory, server: ForkServer
) -> Callable[[str], Path]:
    """Return a function that runs a page once, after those that it needs, in a folder."""
    folders: dict[str, Path] = {}
    # What each page has run, and what need not be run again for any.
    commands: dict[str, list[list[str]]] = {}
    alone: list[list[str]] = []

    def folder(name: str) -> Path:
        if name not in folders:
            page, where, done = read_page(name), tmp_path_factory.mktemp("page"), [*alone]
            for needed in page.needs:
                # Files are replaced, never written into, so links are copies.
                shutil.copytree(
                    folder(needed),
                    where,
                    ignore=shutil.ignore_patterns(".log"),
                    copy_function=os.link,
                    dirs_exist_ok=True,
                )
                done += commands[needed]
            run_page(page, where, server, done)
            commands[name] = [*done, *commands_of(page)]
            alone.extend(filter(stands_alone, commands_of(page)))
            folders[name] = where
        return folders[name]

    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run_in_order(name: str, folder_of: Callable[[str], Path]) -> None:
    if name in NEED_KERNEL and kernel() is None:
        pytest.skip("the kernel was not built")
    folder = folder_of(name)
    assert [each for each in WRITTEN.get(name, ()) if not (folder / each).is_file()] == []


@pytest.mark.slow
def test_lines_of_the_api_run_against_a_server(folder_of: Callable[[str], Path]) -> None:
    page = read_page("serving.md")
    blocks = [each for each in page.blocks if each.reason == "runs against a server"]
    assert len(blocks) == NOT_RUN["runs against a server"]
    folder = folder_of("checkpoints.md")
    with running_server((), folder, ("serve=outputs",)) as server:
        for block in blocks:
            text = block.text.replace("127.0.0.1:8765", server.url.removeprefix("http://"))
            shell = ["bash", "-euc", text]
            run(shell if block.language == "sh" else [sys.executable, "-c", text], folder)
