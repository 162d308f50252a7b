"""Starts command lines as forks of a process that has imported everything: in a moment.

``python tests/fork_server.py`` reads lines of JSON, {"words": [...], "cwd": ..., "log": ...}, and
answers each with two lines: the number of the process, then its exit code, -9 where it was killed.
The words "-c" and a program run that program instead. With the argument --small-samples the
rendered people and the spoken words are few.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class ForkServer:
    """The server, from the other side."""

    def __init__(self, *, small_samples: bool = False) -> None:
        command = [sys.executable, __file__, *(["--small-samples"] if small_samples else [])]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )

    def start(self, words: list[str], cwd: Path, log: Path) -> int:
        """Start a command line and return the number of its process."""
        assert self.process.stdin is not None
        request = {"words": words, "cwd": str(cwd), "log": str(log)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Wait for the process that was started last; return its exit code, -n for signal n."""
        return self._answer()

    def _answer(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def serve() -> None:
    import forked_jobs
    import optuna  # noqa: F401
    import torch

    import gru_suite.commands.train
    import gru_suite.results.model_card
    import gru_suite.tasks.forecasting.data
    import gru_suite.tasks.forecasting.task
    import gru_suite.tasks.sentiment.data
    import gru_suite.tasks.sentiment.task
    import gru_suite.tasks.speech_commands.data
    import gru_suite.tasks.speech_commands.task
    import gru_suite.tasks.video_action.data
    import gru_suite.tasks.video_action.task  # noqa: F401

    torch.set_num_threads(1)
    forked_jobs.install()
    if "--small-samples" in sys.argv:
        from gru_suite.tasks.speech_commands.samples import spoken_words
        from gru_suite.tasks.video_action.samples import rendered_people

        spoken_words.TAKES = 1
        rendered_people.FIGURES.update(train=9, val=2, test=4)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(request)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: dict[str, Any]) -> None:
    from gru_suite.cli.main import main

    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    os.chdir(request["cwd"])
    words = request["words"]
    sys.argv = ["gru-suite", *words]
    try:
        if words[0] == "-c":
            exec(compile(words[1], "<example>", "exec"), {"__name__": "__main__"})
            code = 0
        else:
            code = main(words)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
