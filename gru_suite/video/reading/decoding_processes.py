"""Parallel decoding of videos in a process per core.

The processes import the decoder only, so they start fast, share no threads with this process and
need no ``__main__`` guard in scripts. A file that crashes its decoder affects no other file.

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

# Decoding this much takes about as long as starting a process.
_WORTH_A_PROCESS_BYTES = 1_000_000


def decode_all(
    files: Sequence[Path],
    sampling: Sampling,
    height: int,
    width: int,
    num_processes: int | None = None,
) -> Iterator[tuple[int, Frames | str]]:
    """Yield the index of each file with its frames, or with the reason why it cannot be read.

    Files are yielded in the order in which they are finished.

    Args:
        files: videos.
        sampling: frames to decode.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        num_processes: 0 decodes in this process; None takes one process for each core, or fewer
            for a few small files.
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

    # Exited in reverse order: the processes end first, which releases the threads that wait.
    with ThreadPoolExecutor(count) as executor, ExitStack() as workers:
        for _ in range(count):
            idle.put(workers.enter_context(_Worker(request)))
        numbers = iter(range(len(files)))
        # Two files for each process: none is idle, and few results wait in memory.
        pending = {executor.submit(read, number) for number in islice(numbers, 2 * count)}
        try:
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for each in finished:
                    pending |= {executor.submit(read, number) for number in islice(numbers, 1)}
                    yield each.result()
        finally:
            for each in pending:
                each.cancel()


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _useful_processes(files: Sequence[Path]) -> int:
    """Return the number of processes: one for each core, fewer for a few small files."""
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
    """A process that decodes files one by one, started with the first file."""

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
            header = json.loads(process.stdout.readline())
            if "reason" in header:
                return str(header["reason"])
            shape = tuple(header["shape"])
            time_T = np.frombuffer(_read_exactly(process.stdout, 8 * shape[0]), np.float64)
            frames = np.frombuffer(_read_exactly(process.stdout, int(np.prod(shape))), np.uint8)
        except (OSError, ValueError):
            # The process ended: the pipe is closed, or its last line is incomplete.
            self.process = None
            return f"the decoder crashed (exit code {self._end(process)})"
        return Frames(frames.reshape(shape), time_T, float(header["end"]))

    def _start(self) -> "subprocess.Popen[bytes]":
        # The module search path of this process, independent of the working folder.
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
                    # The process ended without reading all input.
                    pass
        # It ends when its input is closed; one that is still decoding is killed.
        try:
            return process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _read_exactly(pipe: Any, size: int) -> bytearray:
    content = bytearray(size)
    if pipe.readinto(content) != size:
        raise ValueError("the pipe was cut off")
    return content


def serve() -> None:
    """Decode the files requested on standard input, until it is closed."""
    # Standard output carries the results; what libraries print goes to standard error.
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        frames = _read(
            Path(request["path"]),
            Sampling(*request["sampling"]),
            request["height"],
            request["width"],
        )
        if isinstance(frames, str):
            results.write(json.dumps({"reason": frames}).encode() + b"\n")
        else:
            header = {"shape": list(frames.frames_THWC.shape), "end": frames.end}
            results.write(json.dumps(header).encode() + b"\n")
            results.write(frames.time_T.astype(np.float64).data)
            results.write(np.ascontiguousarray(frames.frames_THWC).data)
        results.flush()
