"""The command line as a shell runs it; test_runs.py has whole runs."""

import os
import resource
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from gru_suite.cli.main import main

# Hydra and its configs without torch: what --help, --cfg and a TAB may cost, in seconds of CPU,
# which other work on the machine changes little.
MAX_SECONDS = 1.0
# Hydra's logging would stay configured in the process of the tests.
QUIET = ["hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]


def gru_suite(
    *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m gru_suite`` and return what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "gru_suite", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(run: subprocess.CompletedProcess[str], *hints: str) -> None:
    """Check for one or two lines of error on standard error, and exit code 2."""
    assert run.returncode == 2, run.stderr
    assert run.stderr.startswith("gru-suite: error: ")
    assert run.stderr.count("\n") <= 2
    for hint in hints:
        assert hint in run.stderr


@pytest.mark.parametrize(
    ("words", "hints"),
    [
        (["evalute"], ["'evaluate'"]),
        (["data.lokback=3"], ["'data.lokback'", "'data.lookback'"]),
        (["task=forcasting"], ["task=forcasting", "'forecasting'"]),
        (["data=csv", "data.path=a(b.csv"], ["data.path=a(b.csv", "'data.path="]),
    ],
)
def test_mistake_on_the_command_line(words: list[str], hints: list[str], tmp_path: Path) -> None:
    assert_refused(gru_suite(*words, cwd=tmp_path), *hints)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "hints"),
    [
        (["data=csv"], ["data.path is needed", "data.path="]),
        (["data=csv", "data.path=sale.csv", "data.target=x"], ["sale.csv", "sales.csv"]),
        (["data.lookback=many"], ["data.lookback", "many", "whole number"]),
        (["backbone.hidden_size=-1"], ["hidden_size=-1"]),
        (["trainer.max_epochs=few"], ["trainer.max_epochs=few", "whole number"]),
        (["evaluate", "checkpoint=last.ckpt"], ["last.ckpt", "best.ckpt"]),
        (["evaluate"], ["checkpoint is needed"]),
    ],
)
def test_mistake_found_by_a_run(
    words: list[str],
    hints: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In this process, which has torch already: it takes seconds to import.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales.csv").touch()
    (tmp_path / "best.ckpt").touch()
    verb = words[:1] if words[0] == "evaluate" else []
    assert main([*verb, *QUIET, *words[len(verb) :]]) == 2
    text = capsys.readouterr().err
    assert text.startswith("gru-suite: error: ")
    assert text.count("\n") <= 2
    for hint in hints:
        assert hint in text


WITHOUT_TORCH = """
import os, sys
from gru_suite.cli.main import main
os.environ["COMP_LINE"] = "gru-suite evaluate che"
for words, code in [
    (["--help"], 0), (["evaluate", "--help"], 0), (["--version", "--verbose"], 0), (["tasks"], 0),
    (["--cfg", "job"], 0), (["evaluate", "--cfg", "job"], 0), (["--info", "defaults"], 0),
    (["-sc", "query=bash"], 0), (["data.lokback=3"], 2), (["evalute"], 2),
]:
    assert main(words) == code, words
    slow = {"torch", "lightning", "pytorch_lightning", "pandas", "numpy"} & sys.modules.keys()
    assert not slow, (words, slow)
"""


def test_nothing_but_a_run_imports_torch(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job"], ["tasks"]])
def test_answers_within_a_second(words: list[str], tmp_path: Path) -> None:
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = gru_suite(*words, cwd=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert (run.returncode, run.stderr) == (0, "")
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert statistics.median(seconds) < MAX_SECONDS


def test_script_and_module_are_the_same(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("gru-suite")
    if not script.exists():
        pytest.skip(f"needs the installed script: no {script}")
    printed = subprocess.run([script, "tasks"], capture_output=True, text=True, check=True).stdout
    assert printed == gru_suite("tasks").stdout
    assert printed.startswith("forecasting ")


def test_reader_of_a_pipe_may_leave(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gru_suite", "--cfg", "job"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_completion_in_a_real_bash(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("gru-suite")
    bash = shutil.which("bash")
    if bash is None or not script.exists():
        pytest.skip("needs bash and the installed script")
    (tmp_path / "best.ckpt").touch()
    typed = ["gru-suite ta", "gru-suite evaluate che", "gru-suite evaluate checkpoint=be"]
    lines = ['eval "$(gru-suite --shell-completion install=bash)"']
    for line in typed:
        # What readline does before it calls the completion function.
        lines += [
            f'COMP_LINE="{line}"; COMP_POINT={len(line)}; COMP_WORDS=($COMP_LINE)',
            "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); hydra_bash_completion; echo ${COMPREPLY[*]}",
        ]
    environment = {**os.environ, "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        [bash, "--norc", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    verbs, keys, files = (set(line.split()) for line in run.stdout.splitlines())
    assert {"tasks", "task="} <= verbs
    assert keys == {"checkpoint="}
    assert files == {"checkpoint=best.ckpt"}
    # The completion's own `compgen -o nospace` warns in some versions of bash.
    assert "Traceback" not in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "word", "code"),
    [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)],
)
def test_a_stopped_run_can_be_continued(
    stop: signal.Signals, word: str, code: int, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "gru_suite", "trainer.max_epochs=1000", "device=cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # A job that a shell put into the background ignores interrupts, and so does what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        next(line for line in process.stdout if line.startswith("epoch 2/"))
        process.send_signal(stop)
        printed, errors = process.communicate()
    assert process.returncode == code, (printed, errors)
    line = errors.splitlines()[-1]
    assert line.startswith(f"gru-suite: {word}; its state is saved, continue with: ")
    command = shlex.split(line.partition("continue with: ")[2])
    again = gru_suite(*command[1:], "trainer.max_epochs=3", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "epoch 3/3" in again.stdout
