"""Batches of inputs of several requests."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from serving_clients import run

from gru_suite.serving.batching import Batcher, Overloaded


class Gate:
    """A function that doubles inputs, and waits until it is opened."""

    def __init__(self) -> None:
        self.open, self.batches = threading.Event(), list[list[Any]]()

    def __call__(self, batch: Sequence[Any]) -> list[Any]:
        self.batches.append(list(batch))
        assert self.open.wait(30)
        return [ValueError(each) if each == "bad" else each * 2 for each in batch]

    async def begun(self, count: int) -> None:
        """Wait for a number of batches."""
        while len(self.batches) < count:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def batcher_of(
    function: Callable[[Sequence[Any]], Sequence[Any]], **options: Any
) -> AsyncIterator[Batcher[Any, Any]]:
    limits = {"batch_size": 4, "wait_s": 0.0, "max_queue": 100, **options}
    with ThreadPoolExecutor(1) as executor:
        yield Batcher(function, executor, **limits)


def test_inputs_that_come_while_a_batch_runs_are_the_next_batch() -> None:
    async def work() -> None:
        gate = Gate()
        async with batcher_of(gate) as batcher:
            tasks = [asyncio.create_task(batcher.submit([0]))]
            await gate.begun(1)
            tasks += [asyncio.create_task(batcher.submit([n])) for n in range(1, 7)]
            await asyncio.sleep(0.01)
            gate.open.set()
            assert await asyncio.gather(*tasks) == [[2 * n] for n in range(7)]
            assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]

    run(work())


def test_an_input_alone_does_not_wait_and_one_with_others_on_their_way_does() -> None:
    async def work() -> None:
        gate = Gate()
        gate.open.set()
        async with batcher_of(gate, wait_s=0.2) as batcher:
            began = time.perf_counter()
            await batcher.submit([1])
            assert time.perf_counter() - began < 0.15
            with batcher.arriving():
                first = asyncio.create_task(batcher.submit([2]))
                await asyncio.sleep(0.01)
            assert await batcher.submit([3]) == [6]
            assert await first == [4]
            assert gate.batches == [[1], [2, 3]]

    run(work())


def test_the_error_of_an_input_is_its_own_and_that_of_a_batch_everyones() -> None:
    async def work() -> None:
        gate = Gate()
        async with batcher_of(gate) as batcher:
            tasks = [asyncio.create_task(batcher.submit([each])) for each in (1, "bad", 2)]
            await gate.begun(1)
            gate.open.set()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert found[0::2] == [[2], [4]]
            assert isinstance(found[1], ValueError)

        def fails(batch: Sequence[Any]) -> list[Any]:
            raise RuntimeError("all")

        async with batcher_of(fails) as batcher:
            both = (batcher.submit([1]), batcher.submit([2]))
            found = await asyncio.gather(*both, return_exceptions=True)
            assert [str(each) for each in found] == ["all", "all"]

    run(work())


def test_inputs_of_a_client_that_has_gone_are_not_computed() -> None:
    async def work() -> None:
        gate = Gate()
        async with batcher_of(gate) as batcher:
            first = asyncio.create_task(batcher.submit([1]))
            await gate.begun(1)
            gone = asyncio.create_task(batcher.submit([2]))
            stays = asyncio.create_task(batcher.submit([3]))
            await asyncio.sleep(0.01)
            gone.cancel()
            first.cancel()
            await asyncio.sleep(0.01)
            gate.open.set()
            assert await stays == [6]
            assert gate.batches == [[1], [3]]

    run(work())


def test_more_inputs_than_may_wait_are_refused() -> None:
    async def work() -> None:
        gate = Gate()
        async with batcher_of(gate, max_queue=2) as batcher:
            first = asyncio.create_task(batcher.submit([1]))
            await gate.begun(1)
            second = asyncio.create_task(batcher.submit([2, 3]))
            await asyncio.sleep(0.01)
            with pytest.raises(Overloaded):
                await batcher.submit([4])
            gate.open.set()
            assert await second == [4, 6]
            assert await batcher.submit([5]) == [10]
            await first

    run(work())
