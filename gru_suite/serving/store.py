"""The models of a server: loaded on demand, and replaced when their file changes."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gru_suite.errors import UserError, nearest
from gru_suite.model.checkpoint import load
from gru_suite.model.service.limits import Limits
from gru_suite.model.service.service import Service
from gru_suite.results.model_card import read_facts, render
from gru_suite.serving.batching import Batcher
from gru_suite.serving.metrics import Metrics
from gru_suite.serving.options import ServeOptions
from gru_suite.serving.stream_pool import StreamPool

_log = logging.getLogger("gru_suite.serving")
# File names that say nothing about the model.
_COMMON = ("best", "last", "previous", "model", "checkpoint")
_LOOK_S = 1.0


class NoSuchModel(UserError):
    """No model of a server has the name."""


@dataclass(frozen=True)
class Work:
    """An input that is read in the thread that predicts, or one that was read before.

    Attributes:
        value: from JSON, or what :meth:`Service.read_file` has returned.
        is_read: the latter.
    """

    value: Any
    is_read: bool = False


class ServedModel:
    """One version of a model in use.

    Attributes:
        name: in addresses.
        path: of the checkpoint.
        version: the first digits of the file's SHA-256.
        service: of the model.
        facts: the description in the checkpoint.
        batcher: of predictions.
        reading: where files are read.
        pool: of streams; None where the model cannot stream, for ``stream_reason``.
    """

    def __init__(self, name: str, path: Path, options: ServeOptions, store: "ModelStore") -> None:
        """Load a checkpoint.

        Raises:
            UserError: it cannot be loaded.
        """
        self.name, self.path = name, path
        self.stamp = _stamp(path)
        self.version = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        self.facts = read_facts(path)
        self.model = load(path, store.device)
        self.service: Service[Any, Any] = self.model.service()
        self.service.limits = Limits(max_seconds=options.max_seconds)
        self.reading = store.reading
        metrics = store.metrics
        self.batcher: Batcher[Work, dict[str, Any]] = Batcher(
            self._predict,
            store.compute,
            options.batch_size,
            options.wait_ms / 1000,
            options.max_queue,
            metrics.batch_size.labels(name).observe,
        )
        self.pool: StreamPool | None = None
        self.stream_reason = ""
        try:
            streams = self.service.streams()
            self.pool = StreamPool(streams, store.live, metrics.rows.labels(name).observe)
        except UserError as error:
            self.stream_reason = str(error)
        metrics.loads.labels(name).inc()

    def card(self) -> str:
        """Return the model card in Markdown, without the folder of the file."""
        return render({**self.facts, "checkpoint": self.path.name})

    def _predict(self, batch: Sequence[Work]) -> list[dict[str, Any] | Exception]:
        """Return predictions; the error of an input is its own."""
        results: list[dict[str, Any] | Exception | None] = [None] * len(batch)
        items: dict[int, Any] = {}
        for index, work in enumerate(batch):
            try:
                items[index] = work.value if work.is_read else self.service.read(work.value)
            except UserError as error:
                results[index] = error
        for index, result in zip(items, self._predict_items(list(items.values())), strict=True):
            results[index] = result
        return [each for each in results if each is not None]

    def _predict_items(self, items: Sequence[Any]) -> Sequence[dict[str, Any] | Exception]:
        if not items:
            return []
        try:
            return self.service.predict(items)
        except UserError as error:
            if len(items) == 1:
                return [error]
        return [each for item in items for each in self._predict_items([item])]


@dataclass
class _Entry:
    path: Path
    task: str
    served: ServedModel | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ModelStore:
    """The models of a server by name."""

    def __init__(self, options: ServeOptions, metrics: Metrics) -> None:
        """Find the checkpoints; none is loaded yet.

        Raises:
            UserError: a file is no checkpoint, or the folder has no finished run.
        """
        from gru_suite.devices import torch_device

        self.options, self.metrics = options, metrics
        self.device = torch_device(options.device)
        torch.set_num_threads(options.threads)
        self.compute = ThreadPoolExecutor(1, "predict", _start_thread)
        self.live = ThreadPoolExecutor(1, "stream", _start_thread)
        self.reading = ThreadPoolExecutor(2, "read", _start_thread)
        self.num_streams = 0
        self.entries: dict[str, _Entry] = {}
        for name, path in _named([*options.checkpoints, *_finished_runs(options.folder)]):
            self.entries[name] = _Entry(path, _task_of(path))

    async def get(self, name: str) -> ServedModel:
        """Return a model, loaded if it is not.

        Raises:
            NoSuchModel: there is none of this name.
            UserError: its file cannot be loaded.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise NoSuchModel(f"no model {name[:80]!r}{nearest(name[:80], self.entries)}")
        served = entry.served
        if served is None:
            async with entry.lock:
                if entry.served is None:
                    entry.served = await self._load(name, entry.path)
                served = entry.served
            self._drop_unused(name)
        # The least recently used one stands first.
        self.entries[name] = self.entries.pop(name)
        return served

    async def _load(self, name: str, path: Path) -> ServedModel:
        def load_now() -> ServedModel:
            served = ServedModel(name, path, self.options, self)
            served.service.warm_up()
            return served

        return await asyncio.get_running_loop().run_in_executor(self.reading, load_now)

    def _drop_unused(self, name: str) -> None:
        loaded = [key for key, entry in self.entries.items() if entry.served and key != name]
        for key in loaded[: max(0, len(loaded) + 1 - self.options.max_models)]:
            served = self.entries[key].served
            if served is not None and not (served.pool and len(served.pool)):
                self.entries[key].served = None

    async def load_first(self) -> None:
        """Load the models, as many as may be in memory.

        Raises:
            UserError: one cannot be loaded.
        """
        for name in list(self.entries)[: self.options.max_models]:
            await self.get(name)

    async def watch(self) -> None:
        """Replace models whose file has changed; ends when it is cancelled.

        Requests that have begun, and open streams, end with the model that they began with.
        """
        seen: dict[str, Any] = {}
        while True:
            await asyncio.sleep(_LOOK_S)
            for name, entry in list(self.entries.items()):
                served = entry.served
                stamp = _stamp(entry.path)
                if served is None or stamp is None or stamp == served.stamp:
                    continue
                if seen.get(name) != stamp:
                    # It may still be written; whole when two looks are the same.
                    seen[name] = stamp
                    continue
                try:
                    entry.served = await self._load(name, entry.path)
                    _log.info("model %s: %s taken over", name, entry.served.version)
                except Exception as error:
                    served.stamp = stamp
                    _log.error("model %s: the new file is not taken over: %s", name, error)

    def close(self) -> None:
        """End the threads."""
        for executor in (self.compute, self.live, self.reading):
            executor.shutdown(wait=False, cancel_futures=True)


def _start_thread() -> None:
    # Of a thread, not of the process.
    torch.set_flush_denormal(True)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _task_of(path: Path) -> str:
    facts = read_facts(path)
    return str(facts.get("task", {}).get("name") or facts.get("task_class", ""))


def _finished_runs(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise UserError(f"serve={folder}: no such folder")
    found = sorted(
        path
        for path in folder.rglob("checkpoints/best.ckpt")
        if (path.parent.parent / "metrics.json").is_file()
    )
    if not found:
        raise UserError(f"serve={folder}: no finished run there (checkpoints/best.ckpt)")
    return found


def _named(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Return a name of letters, digits, dots and dashes for each checkpoint."""
    named: dict[str, Path] = {}
    for path in paths:
        whole = path.expanduser().absolute()
        parts = [part for part in whole.with_suffix("").parts if part != "checkpoints"]
        base = parts[-2] if parts[-1] in _COMMON and len(parts) > 2 else parts[-1]
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip("-.") or "model"
        name, number = base, 1
        while name in named:
            number += 1
            name = f"{base}-{number}"
        named[name] = whole
    return list(named.items())
