"""Requests of several clients as one batch."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


class Overloaded(Exception):
    """More inputs wait than are allowed."""


class Batcher(Generic[InputT, OutputT]):
    """Collects inputs while the one before is computed, and runs them together.

    An input alone is run at once. Only while further requests are known to be on their way, the
    batch waits for them, up to ``wait_s``.
    """

    def __init__(
        self,
        run: Callable[[Sequence[InputT]], Sequence[OutputT | Exception]],
        executor: Executor,
        batch_size: int,
        wait_s: float,
        max_queue: int,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Set the function and the limits.

        Args:
            run: from inputs to as many outputs or exceptions; called in the executor.
            executor: where batches run.
            batch_size: of inputs, at most.
            wait_s: longest wait for requests on their way.
            max_queue: inputs that may wait.
            observe: called with the size of each batch.
        """
        self._run, self._executor, self._observe = run, executor, observe
        self._batch_size, self._wait_s, self._max_queue = batch_size, wait_s, max_queue
        self._queue: deque[tuple[InputT, asyncio.Future[OutputT]]] = deque()
        self._arriving = 0
        self._worker: asyncio.Task[None] | None = None

    @contextmanager
    def arriving(self) -> Any:
        """Count a request as on its way within the block."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    async def submit(self, inputs: Sequence[InputT]) -> list[OutputT]:
        """Return the outputs of inputs, computed in batches with those of others.

        Raises:
            Overloaded: too many inputs wait.
            Exception: the first that an input has led to.
        """
        if len(self._queue) + len(inputs) > self._max_queue:
            raise Overloaded
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in inputs]
        self._queue.extend(zip(inputs, futures, strict=True))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        try:
            return list(await asyncio.gather(*futures))
        finally:
            # Of a client that has gone: not computed any more.
            for future in futures:
                future.cancel()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            if self._arriving and len(self._queue) < self._batch_size and self._wait_s:
                await asyncio.sleep(self._wait_s)
            batch: list[tuple[InputT, asyncio.Future[OutputT]]] = []
            while self._queue and len(batch) < self._batch_size:
                each = self._queue.popleft()
                if not each[1].done():
                    batch.append(each)
            if not batch:
                continue
            self._observe(len(batch))
            inputs = [each for each, _ in batch]
            outputs: Sequence[OutputT | Exception]
            try:
                outputs = await loop.run_in_executor(self._executor, self._run, inputs)
            except Exception as error:
                outputs = [error] * len(batch)
            for (_, future), output in zip(batch, outputs, strict=True):
                with suppress(asyncio.InvalidStateError):
                    if isinstance(output, Exception):
                        future.set_exception(output)
                        # It may have no reader left.
                        future.exception()
                    else:
                        future.set_result(output)
