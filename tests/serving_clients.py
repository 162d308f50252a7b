"""HTTP clients of the server's application, without a socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gru_suite.serving.options import ServeOptions


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine, for a minute at most."""

    async def limited() -> Any:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(limited())


@asynccontextmanager
async def client_of(*paths: Path, **options: Any) -> AsyncIterator[Any]:
    """Yield an HTTP client of an application with a loaded store; it has ``store``."""
    import httpx

    from gru_suite.serving.api import create_app
    from gru_suite.serving.metrics import Metrics
    from gru_suite.serving.store import ModelStore

    options = {"requests_per_second": 0.0, "device": "cpu", **options}
    store = ModelStore(ServeOptions(checkpoints=paths, **options), Metrics())
    await store.load_first()
    watching = asyncio.create_task(store.watch())
    transport = httpx.ASGITransport(create_app(store), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:1") as client:
        client.store = store
        yield client
    watching.cancel()
    store.close()


def get_of(path: Path, **options: Any) -> Callable[..., Any]:
    """Return a function that sends one request to an application of its own."""

    def send(method: str, url: str, **request: Any) -> Any:
        async def work() -> Any:
            async with client_of(path, **options) as client:
                return await client.request(method, url, **request)

        return run(work())

    return send
