"""The API of a server, and the files of its page."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from gru_suite.errors import UserError
from gru_suite.model.service.service import to_json
from gru_suite.serving.batching import Overloaded
from gru_suite.serving.guard import Guard, Refused, TooLarge, sentence_of
from gru_suite.serving.inputs import read_inputs, read_one
from gru_suite.serving.openapi import OPERATIONS, TAGS
from gru_suite.serving.options import ServeOptions
from gru_suite.serving.store import ModelStore, NoSuchModel, ServedModel, Work
from gru_suite.serving.stream_route import serve_stream

_PAGE = Path(__file__).parent / "page"


def create_app(store: ModelStore) -> Guard:
    """Return the ASGI application of a server.

    Args:
        store: its models.
    """
    options, metrics = store.options, store.metrics

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(store.watch())
        yield
        watching.cancel()
        store.close()

    app = FastAPI(
        title="GRU Suite",
        version=version("gru-suite"),
        description="Predictions, streams and gates of recurrent models.",
        openapi_tags=TAGS,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    _add_errors(app)

    def route(method: str, path: str) -> Callable[[Any], Any]:
        return app.api_route(
            path, methods=[method], response_model=None, **OPERATIONS[method, path]
        )

    @route("GET", "/health")
    async def health() -> Response:
        return as_json({"status": "ok", "models": len(store.entries)})

    @route("GET", "/metrics")
    async def metrics_text() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @route("GET", "/v1/models")
    async def models() -> Response:
        return as_json({"models": [_summary(store, name) for name in sorted(store.entries)]})

    @route("GET", "/v1/models/{name}")
    async def model(name: str) -> Response:
        return as_json(describe(await store.get(name)))

    @route("POST", "/v1/models/{name}/predict")
    async def predict(name: str, request: Request) -> Response:
        began = time.perf_counter()
        served = await store.get(name)
        with served.batcher.arriving():
            works = await read_inputs(request, served, options.max_items)
        found = await _within(served.batcher.submit(works), options)
        metrics.inputs.labels(name).inc(len(works))
        milliseconds = round(1000 * (time.perf_counter() - began), 3)
        return as_json(
            {
                "model": name,
                "version": served.version,
                "predictions": found,
                "milliseconds": milliseconds,
            }
        )

    @route("POST", "/v1/models/{name}/explain")
    async def explain(name: str, request: Request) -> Response:
        served = await store.get(name)
        work, _ = await read_one(request, served)
        service = served.service
        return as_json(await _alone(store, work, served, service.explain))

    @route("POST", "/v1/models/{name}/gates")
    async def gates(name: str, request: Request) -> Response:
        served = await store.get(name)
        work, fields = await read_one(request, served)
        return as_json(
            await _alone(
                store, work, served, lambda item: served.service.gates(item, fields["layer"])
            )
        )

    @app.websocket("/v1/models/{name}/stream")
    async def stream(socket: WebSocket, name: str) -> None:
        await serve_stream(socket, name, store)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(_PAGE / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/page", StaticFiles(directory=_PAGE))
    return Guard(app, options, metrics)


def describe(served: ServedModel) -> dict[str, Any]:
    """Return what a page needs to know of a model, as plain data."""
    service, backbone = served.service, served.model.backbone
    return {
        "name": served.name,
        "task": served.model.name,
        "version": served.version,
        "file": served.path.name,
        "input_kind": service.input_kind,
        "output_kind": service.output_kind,
        "inputs": service.inputs(),
        "outputs": service.outputs(),
        "example": service.example(),
        "suffixes": list(service.suffixes),
        "explains": service.explains,
        "gates": service.gate_names,
        "num_layers": backbone.rnn.num_layers,
        "bidirectional": bool(backbone.rnn.bidirectional),
        "streams": served.pool is not None,
        "stream_reason": served.stream_reason,
        "live": service.live() if served.pool is not None else {},
        "card": {"markdown": served.card()},
        "usage": [
            "import gru_suite",
            "",
            f'model = gru_suite.load("{served.path.name}")',
            *served.model.usage(),
        ],
    }


def as_json(content: Any) -> Response:
    """Return a response; NaN and infinity become null."""
    return Response(to_json(content), media_type="application/json")


def _summary(store: ModelStore, name: str) -> dict[str, Any]:
    entry = store.entries[name]
    service = entry.served.service if entry.served else None
    return {
        "name": name,
        "task": entry.task,
        "file": entry.path.name,
        "input_kind": service.input_kind if service else None,
        "output_kind": service.output_kind if service else None,
    }


async def _alone(
    store: ModelStore, work: Work, served: ServedModel, function: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Run a function of one input where batches run."""

    def run() -> dict[str, Any]:
        item = work.value if work.is_read else served.service.read(work.value)
        return function(item)

    loop = asyncio.get_running_loop()
    running = loop.run_in_executor(store.compute, run)
    found: dict[str, Any] = await _within(_awaited(running), store.options)
    return found


async def _awaited(future: "asyncio.Future[Any]") -> Any:
    return await future


async def _within(work: Coroutine[Any, Any, Any], options: ServeOptions) -> Any:
    try:
        return await asyncio.wait_for(work, options.timeout_s)
    except asyncio.TimeoutError:
        raise Refused(503, f"no prediction within {options.timeout_s:g} seconds") from None


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, error: Exception | str, **headers: str) -> Response:
        text = sentence_of(error)
        return Response(json.dumps({"error": text}), status, headers, media_type="application/json")

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return answer(error.status, error, **error.headers)

    @app.exception_handler(TooLarge)
    async def too_large(request: Request, error: TooLarge) -> Response:
        # What is left of the body is not read.
        return answer(413, error, connection="close")

    @app.exception_handler(NoSuchModel)
    async def unknown(request: Request, error: NoSuchModel) -> Response:
        return answer(404, error)

    @app.exception_handler(UserError)
    async def wrong(request: Request, error: UserError) -> Response:
        return answer(422, error)

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        return answer(503, "too many inputs wait; try again later", **{"retry-after": "1"})

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # Starlette raises it again after this answer, and the guard logs it.
        return answer(500, "the server failed; its log has the reason")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return answer(error.status_code, error.detail, **(error.headers or {}))
