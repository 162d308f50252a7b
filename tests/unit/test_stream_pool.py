"""Streams of several clients as rows of one batch."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from serving_clients import run

from gru_suite.errors import UserError
from gru_suite.model.service.streams import ServiceStreams
from gru_suite.serving.stream_pool import StreamPool


class Sums(ServiceStreams):
    """The sum of the numbers of each client; 13 is refused, 14 fails."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.open = threading.Event()
        self.open.set()

    def join(self) -> None:
        self.rows.append(0)

    def leave(self, row: int) -> None:
        self.rows.pop(row)

    def reset(self, row: int) -> None:
        self.rows[row] = 0

    def read(self, message: Any) -> Any:
        if not isinstance(message, int):
            raise UserError("needs a number")
        return message

    def push(self, chunks: Sequence[list[Any]]) -> list[dict[str, Any] | None]:
        assert self.open.wait(30)
        if any(13 in own for own in chunks):
            raise UserError("13 is refused")
        if any(14 in own for own in chunks):
            raise RuntimeError("a defect")
        for row, own in enumerate(chunks):
            self.rows[row] += sum(own)
        return [
            {"sum": self.rows[row], "words": own} if own else None for row, own in enumerate(chunks)
        ]


@asynccontextmanager
async def pool_of(streams: Sums) -> AsyncIterator[tuple[StreamPool, list[int]]]:
    sizes: list[int] = []
    with ThreadPoolExecutor(1) as executor:
        yield StreamPool(streams, executor, sizes.append), sizes


def test_streams_of_a_pool_are_rows_of_one_batch() -> None:
    async def work() -> None:
        streams = Sums()
        async with pool_of(streams) as (pool, sizes):
            clients = [await pool.join() for _ in range(3)]
            streams.open.clear()
            await pool.push(clients[0], 1)
            await asyncio.sleep(0.01)
            for client in clients:
                for number in (2, 3):
                    await pool.push(client, number)
            streams.open.set()
            for client in clients:
                await client.idle.wait()
            # Not sent yet: the newest prediction with all the words.
            assert clients[0].take() == ([], {"sum": 6, "words": [1, 2, 3]})
            assert clients[1].take() == ([], {"sum": 5, "words": [2, 3]})
            assert clients[1].take() == ([], None)
            assert [client.num_chunks for client in clients] == [3, 2, 2]
            assert sizes == [1, 3]
            await pool.leave(clients[0])
            await pool.leave(clients[0])
            clients[2].take()
            await pool.reset(clients[2])
            await pool.push(clients[2], 1)
            await clients[2].idle.wait()
            assert clients[2].take()[1] == {"sum": 1, "words": [1]}
            assert len(pool) == 2

    run(work())


def test_a_bad_chunk_of_one_client_leaves_the_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Hydra disables the loggers that it finds, where its own are.
    monkeypatch.setattr(logging.getLogger("gru_suite.serving"), "disabled", False)

    async def work() -> None:
        streams = Sums()
        async with pool_of(streams) as (pool, _):
            good, bad = await pool.join(), await pool.join()
            with pytest.raises(UserError, match="needs a number"):
                await pool.push(bad, "x")
            await pool.push(good, 1)
            await pool.push(bad, 13)
            await good.idle.wait()
            await bad.idle.wait()
            assert good.take() == ([], {"sum": 1, "words": [1]})
            assert bad.take() == (["13 is refused"], None)
            await pool.push(bad, 14)
            await bad.idle.wait()
            assert bad.take() == (["the prediction failed (RuntimeError)"], None)
            await pool.push(good, 1)
            await good.idle.wait()
            assert good.take()[1] == {"sum": 2, "words": [1]}

    run(work())
    assert "a batch of streams failed" in caplog.text


def test_a_client_with_too_many_waiting_chunks_is_not_read_further() -> None:
    async def work() -> None:
        streams = Sums()
        async with pool_of(streams) as (pool, _):
            client = await pool.join()
            streams.open.clear()
            await pool.push(client, 1)
            await asyncio.sleep(0.01)
            for _ in range(64):
                await pool.push(client, 1)
            waiting = asyncio.create_task(pool.push(client, 1))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            streams.open.set()
            await waiting
            await client.idle.wait()
            assert client.num_chunks == 66

    run(work())


def test_a_task_that_swallows_a_cancellation_is_stopped() -> None:
    # As asyncio.wait_for may, before Python 3.12.
    from gru_suite.serving.stream_route import _stop

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def work() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await _stop(task)
        assert task.cancelled()

    run(work())
