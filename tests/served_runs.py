"""Small checkpoints of each kind, for tests of the server and its page."""

import re
import subprocess
from pathlib import Path

import pytest
from fork_server import ForkServer
from server_process import GRU_SUITE, START_SECONDS
from small_data import small_runs

# Enough for the tones of the small data; the look-ahead model and the others show their page only.
TONES = ("trainer.max_epochs=12", "device=cpu", "backbone.hidden_size=16", "scheduler=constant")
TINY = ("debug=tiny", "device=cpu")


def write_plugin(folder: Path) -> Path:
    """Write the package of a task and install it by its metadata alone; return its folder."""
    command = [*GRU_SUITE, "new-task", "wave_kind", "--package"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=START_SECONDS)
    package = folder / "gru-suite-wave-kind"
    info = package / "gru_suite_wave_kind-0.1.0.dist-info"
    info.mkdir()
    (needed,) = re.findall(r'dependencies = \["(.*)"\]', (package / "pyproject.toml").read_text())
    about = ("Metadata-Version: 2.1", "Name: gru-suite-wave-kind", "Version: 0.1.0")
    info.joinpath("METADATA").write_text("\n".join((*about, f"Requires-Dist: {needed}", "")))
    entry = "[gru_suite.tasks]\nwave_kind = gru_suite_wave_kind\n"
    info.joinpath("entry_points.txt").write_text(entry)
    return package


def train(root: Path) -> Path:
    """Train a small checkpoint of each kind in a folder, and return it.

    It holds series, texts, tones (causal), ahead (looks ahead), squares (video), waves (of a
    task package), dates (text to text), notes (summaries), dictation (causal speech to text) and
    walkers (tracking), the data of small_runs in ``data``, and the package in ``package``.
    """
    (root / "data").mkdir()
    (root / "package").mkdir()
    words = small_runs(root / "data")
    package = write_plugin(root / "package")
    causal = ("task.causal=true", "backbone.bidirectional=false", "task.pooling=last")
    runs = {
        "series": (*words["forecasting"], *TINY),
        "texts": (*words["sentiment"], "device=cpu", "trainer.max_epochs=2"),
        "tones": (*words["speech_commands"], *TONES, *causal),
        "ahead": (*words["speech_commands"], *TINY),
        "squares": (*words["video_action"], *TINY, "backbone.bidirectional=false"),
        "waves": ("task=wave_kind", *TINY),
        "dates": ("task=translation", *TINY, "data.count=2000"),
        "notes": ("task=summarization", *TINY, "data.max_documents=200"),
        "dictation": ("task=transcription", *TINY, "data.count=100", *causal[:2]),
        "walkers": ("task=tracking", *TINY, "data.count=12"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(package))
        forks = ForkServer()
    try:
        for name, command in runs.items():
            log = root / f"{name}.log"
            forks.start([*command, f"hydra.run.dir={root / name}"], root, log)
            assert forks.wait() == 0, log.read_text()
    finally:
        forks.close()
    return root
