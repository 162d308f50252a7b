"""Rendering of sample videos, in processes of their own with a progress bar.

The processes import neither torch nor the caller's main module.
"""

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from gru_suite.errors import UserError
from gru_suite.video.reading.decoding_processes import num_cores


def render_files(module: str, jobs: Sequence[Sequence[Any]], folder: Path, text: str) -> list[Any]:
    """Call a module's ``render_file(folder, *job)`` for each job.

    Args:
        module: name of the module.
        jobs: arguments of each call, plain data.
        folder: for the files.
        text: shown beside the progress bar.

    Returns:
        What the function returned for each job, plain data.

    Raises:
        UserError: a process failed.
    """
    num_workers = max(1, min(num_cores(), len(jobs) // 8))
    shards = [jobs[start::num_workers] for start in range(num_workers)]
    with Progress(*Progress.get_default_columns(), console=Console(stderr=True)) as progress:
        bar = progress.add_task(text, total=len(jobs))
        with ThreadPoolExecutor(num_workers) as pool:
            # A list, so that errors of workers are raised here.
            found = list(
                pool.map(
                    lambda s: _render_shard(module, s, folder, lambda: progress.advance(bar)),
                    shards,
                )
            )
    results: list[Any] = [None] * len(jobs)
    for start, shard in enumerate(found):
        results[start::num_workers] = shard
    return results


def _render_shard(
    module: str, jobs: Sequence[Sequence[Any]], folder: Path, advance: Callable[[], None]
) -> list[Any]:
    # The module search path of this process, independent of the working folder.
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    results: list[Any] = []
    with tempfile.TemporaryFile("w+") as told:
        child = subprocess.Popen(
            [sys.executable, "-c", code, module, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )
        with child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(json.dumps(jobs))
            child.stdin.close()
            for line in child.stdout:
                results.append(json.loads(line))
                advance()
        if child.returncode:
            told.seek(0)
            reason = (told.read().strip().splitlines() or [f"exit code {child.returncode}"])[-1]
            raise UserError(
                f"cannot make the sample videos in {folder.parent.parent}: {reason}; or use your "
                "own videos: data.path="
            )
    return results


def serve() -> None:
    """Render the files requested on standard input, and print the result of each, as JSON."""
    render_file = importlib.import_module(sys.argv[1]).render_file
    folder = Path(sys.argv[2])
    for job in json.load(sys.stdin):
        print(json.dumps(render_file(folder, *job)), flush=True)
