"""Streams of many clients, computed as rows of one batch."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from gru_suite.errors import UserError
from gru_suite.model.service.streams import ServiceStreams

_log = logging.getLogger("gru_suite.serving")
_MAX_PENDING = 64
"""Chunks of a client that may wait; its connection is not read beyond that."""


class StreamClient:
    """A client of a pool: chunks that wait, and what it is to be told next.

    Attributes:
        num_chunks: chunks processed so far.
        told: set while there is something to send.
    """

    def __init__(self) -> None:
        self.pending: list[Any] = []
        self.num_chunks = 0
        self.prediction: dict[str, Any] | None = None
        self.errors: list[str] = []
        self.told = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()
        self.idle = asyncio.Event()
        self.idle.set()

    def tell(self, prediction: dict[str, Any]) -> None:
        """Replace the prediction that was not sent yet; found words are kept."""
        if self.prediction is not None and "words" in prediction:
            prediction["words"] = [*self.prediction.get("words", ()), *prediction["words"]]
        self.prediction = prediction
        self.told.set()

    def take(self) -> tuple[list[str], dict[str, Any] | None]:
        """Return what is to be sent, once."""
        errors, prediction = self.errors, self.prediction
        self.errors, self.prediction = [], None
        self.told.clear()
        return errors, prediction


class StreamPool:
    """Rows of a service's streams, a client each."""

    def __init__(
        self,
        streams: ServiceStreams,
        executor: Executor,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Set the streams, without clients.

        Args:
            streams: of a service.
            executor: where they are computed.
            observe: called with the number of rows of each batch.
        """
        self._streams, self._executor, self._observe = streams, executor, observe
        self._clients: list[StreamClient] = []
        self._lock = asyncio.Lock()
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return the number of clients."""
        return len(self._clients)

    async def join(self) -> StreamClient:
        """Add a client."""
        client = StreamClient()
        async with self._lock:
            await self._call(self._streams.join)
            self._clients.append(client)
        return client

    async def leave(self, client: StreamClient) -> None:
        """Remove a client."""
        async with self._lock:
            if client in self._clients:
                row = self._clients.index(client)
                self._clients.pop(row)
                await self._call(self._streams.leave, row)

    async def reset(self, client: StreamClient) -> None:
        """Set a client to its state before the first chunk."""
        await client.idle.wait()
        async with self._lock:
            await self._call(self._streams.reset, self._clients.index(client))

    async def push(self, client: StreamClient, message: Any) -> None:
        """Add a chunk of a client; waits while too many of its chunks do.

        Raises:
            UserError: it is no chunk.
        """
        chunk = self._streams.read(message)
        await client.room.wait()
        client.pending.append(chunk)
        client.idle.clear()
        if len(client.pending) >= _MAX_PENDING:
            client.room.clear()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while any(client.pending for client in self._clients):
            async with self._lock:
                clients = list(self._clients)
                chunks = [client.pending for client in clients]
                for client in clients:
                    client.pending = []
                    client.room.set()
                self._observe(sum(1 for each in chunks if each))
                try:
                    found = await self._call(self._push, chunks)
                except Exception as error:
                    _log.exception("a batch of streams failed")
                    failed = UserError(f"the prediction failed ({type(error).__name__})")
                    found = [failed] * len(clients)
            for client, each, result in zip(clients, chunks, found, strict=True):
                if each:
                    client.num_chunks += len(each)
                    if isinstance(result, Exception):
                        client.errors.append(str(result))
                        client.told.set()
                    elif result is not None:
                        client.tell(result)
                if not client.pending:
                    client.idle.set()

    def _push(self, chunks: Sequence[list[Any]]) -> list[Any]:
        """Return the predictions of the rows; the error of a row is its own."""
        try:
            return list(self._streams.push(chunks))
        except UserError:
            found: list[Any] = [None] * len(chunks)
            for row, own in enumerate(chunks):
                if own:
                    alone = [own if other == row else [] for other in range(len(chunks))]
                    try:
                        found[row] = self._streams.push(alone)[row]
                    except UserError as error:
                        found[row] = error
            return found

    async def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)
