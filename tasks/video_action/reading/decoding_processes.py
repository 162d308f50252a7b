"""Many videos decoded at once, each core by a process of its own.

The processes are fresh ones that know the decoder alone: they start fast, share no threads with
this one, need no guard in a script's main module, and one that a file crashes takes nothing along.

Shapes: T frames, H height, W width.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any

import numpy as np

from .video_files import Frames, Sampling, read_frames

# This much is decoded in about the time that a process takes to start.
_WORTH_A_PROCESS_BYTES = 1_000_000


def decode_all(
    files: Sequence[Path],
    sampling: Sampling,
    height: int,
    width: int,
    num_processes: int | None = None,
) -> Iterator[tuple[int, Frames | str]]:
    """Yield each file's number with its frames, or with the reason why it cannot be read.

    They come as they are finished.

    Args:
        files: videos.
        sampling: which of their frames.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        num_processes: None takes one for each core, or none for what is decoded sooner than they
            start; 0 decodes here.
    """
    count = _useful_processes(files) if num_processes is None else num_processes
    if not count:
        for number, path in enumerate(files):
            yield number, _read(path, sampling, height, width)
        return
    request = {"sampling": list(sampling), "height": height, "width": width}
    idle: Queue[_Worker] = Queue()

    def read(number: int) -> tuple[int, Frames | str]:
        worker = idle.get()
        try:
            return number, worker.read(files[number])
        finally:
            idle.put(worker)

    # Left in reverse order: the processes end first, which frees the threads that wait for them.
    with ThreadPoolExecutor(count) as pool, ExitStack() as workers:
        for _ in range(count):
            idle.put(workers.enter_context(_Worker(request)))
        numbers = iter(range(len(files)))
        # Two for each process: none stands still, and few wait in memory.
        running = {pool.submit(read, number) for number in islice(numbers, 2 * count)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for each in finished:
                    running |= {pool.submit(read, number) for number in islice(numbers, 1)}
                    yield each.result()
        finally:
            for each in running:
                each.cancel()


def num_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _useful_processes(files: Sequence[Path]) -> int:
    """Return one for each core, and less for a few small files."""
    num_bytes = sum(path.stat().st_size for path in files if path.is_file())
    return min(num_cores(), len(files), num_bytes // _WORTH_A_PROCESS_BYTES)


def _read(path: Path, sampling: Sampling, height: int, width: int) -> Frames | str:
    try:
        return read_frames(path, sampling, height, width)
    except ValueError as error:
        return str(error)
    except MemoryError:
        return "its frames do not fit into memory"


class _Worker:
    """A process that decodes one file after the other, started when the first one comes."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process is not None:
            self._end(self.process)

    def read(self, path: Path) -> Frames | str:
        """Return the frames of a file, or the reason why it cannot be read."""
        if self.process is None:
            self.process = self._start()
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**self.request, "path": str(path)}).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            if "reason" in answer:
                return str(answer["reason"])
            shape = tuple(answer["shape"])
            time_T = np.frombuffer(_exactly(process.stdout, 8 * shape[0]), np.float64)
            frames = np.frombuffer(_exactly(process.stdout, int(np.prod(shape))), np.uint8)
        except (OSError, ValueError):
            # An empty line, or none that is JSON: it came to its end.
            self.process = None
            return f"the decoder crashed (exit code {self._end(process)})"
        return Frames(frames.reshape(shape), time_T, float(answer["end"]))

    def _start(self) -> "subprocess.Popen[bytes]":
        # The same places for modules as here, whatever the working folder holds.
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> int:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    # What it never read.
                    pass
        # It ends by itself when nothing more can come; one that still decodes is not waited for.
        try:
            return process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _exactly(pipe: Any, size: int) -> bytearray:
    content = bytearray(size)
    if pipe.readinto(content) != size:
        raise ValueError("the pipe was cut off")
    return content


def serve() -> None:
    """Answer requests on standard input, until it ends."""
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        found = _read(
            Path(asked["path"]), Sampling(*asked["sampling"]), asked["height"], asked["width"]
        )
        if isinstance(found, str):
            answers.write(json.dumps({"reason": found}).encode() + b"\n")
        else:
            answer = {"shape": list(found.frames_THWC.shape), "end": found.end}
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.write(found.time_T.astype(np.float64).data)
            answers.write(np.ascontiguousarray(found.frames_THWC).data)
        answers.flush()
