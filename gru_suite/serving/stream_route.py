"""The WebSocket of a stream.

A client sends chunks, binary or as JSON; the server sends the prediction after them, and only the
newest where a client is slow.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from gru_suite.errors import UserError
from gru_suite.model.service.service import kind_of, to_json
from gru_suite.serving.guard import sentence_of
from gru_suite.serving.store import ModelStore, ServedModel
from gru_suite.serving.stream_pool import StreamClient, StreamPool

_REFUSED, _TRY_LATER, _DONE, _GONE = 1008, 1013, 1000, 1001
# Without a message for so long a client is taken for gone.
_IDLE_S = 300.0
# Between two cancellations of a task.
_AGAIN_S = 0.05
_MAX_ERRORS = 100
"""Bad chunks of a client, before it is sent away."""


class _Ended(Exception):
    """The client has ended its stream."""


async def serve_stream(socket: WebSocket, name: str, store: ModelStore) -> None:
    """Serve one client until it ends, goes, or stops taking messages."""
    await socket.accept()
    try:
        served = await store.get(name)
        pool = _pool(served)
    except UserError as error:
        await _refuse(socket, str(error), _REFUSED)
        return
    gauge = store.metrics.streams
    if store.num_streams >= store.options.max_streams:
        await _refuse(socket, f"{store.num_streams} streams are open; try again later", _TRY_LATER)
        return
    store.num_streams += 1
    gauge.labels(name).inc()
    client = None
    try:
        client = await pool.join()
        live = served.service.live()
        await _send(socket, {"type": "ready", "model": name, "version": served.version, **live})
        await _serve(socket, client, pool, store.options.timeout_s)
    finally:
        store.num_streams -= 1
        gauge.labels(name).dec()
        if client is not None:
            await asyncio.shield(pool.leave(client))


def _pool(served: ServedModel) -> StreamPool:
    if served.pool is None:
        raise UserError(served.stream_reason)
    return served.pool


async def _serve(
    socket: WebSocket, client: StreamClient, pool: StreamPool, timeout_s: float
) -> None:
    sending = asyncio.create_task(_send_found(socket, client, timeout_s))
    receiving = asyncio.create_task(_receive(socket, client, pool))
    done, pending = await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
    ended = receiving in done and isinstance(receiving.exception(), _Ended)
    if ended:
        await client.idle.wait()
    for task in pending:
        await _stop(task)
    for task in done:
        # Retrieved, so that asyncio does not report it.
        task.exception()
    with suppress(Exception):
        await asyncio.wait_for(_close(socket, client, ended), timeout_s)


async def _stop(task: "asyncio.Task[None]") -> None:
    # Before Python 3.12 asyncio.wait_for may swallow one cancellation: when what it waits for is
    # done in the same turn.
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN_S)
    if not task.cancelled():
        task.exception()


async def _close(socket: WebSocket, client: StreamClient, ended: bool) -> None:
    if ended:
        await _tell(socket, client)
    await socket.close(_DONE if ended else _GONE)


async def _receive(socket: WebSocket, client: StreamClient, pool: StreamPool) -> None:
    num_errors = 0
    while num_errors < _MAX_ERRORS:
        message = await asyncio.wait_for(socket.receive(), _IDLE_S)
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", _GONE))
        try:
            content = message.get("bytes")
            if content is not None:
                await pool.push(client, content)
            else:
                await _command(message.get("text") or "", client, pool)
        except UserError as error:
            num_errors += 1
            client.errors.append(str(error))
            client.told.set()


async def _command(text: str, client: StreamClient, pool: StreamPool) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(
            'a message that is not JSON: needs {"type": "chunk", "value": ...}'
        ) from None
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "chunk" and "value" in value:
        await pool.push(client, value["value"])
    elif kind == "reset":
        await pool.reset(client)
    elif kind == "end":
        raise _Ended
    else:
        found = repr(kind)[:80] if isinstance(value, dict) else kind_of(value)
        raise UserError(f"a message of type {found}: needs chunk (with value), reset or end")


async def _send_found(socket: WebSocket, client: StreamClient, timeout_s: float) -> None:
    while True:
        await client.told.wait()
        await asyncio.wait_for(_tell(socket, client), timeout_s)


async def _tell(socket: WebSocket, client: StreamClient) -> None:
    errors, prediction = client.take()
    for error in errors:
        await _send(socket, {"type": "error", "error": sentence_of(error)})
    if prediction is not None:
        found = {"type": "prediction", "chunks": client.num_chunks, **prediction}
        await _send(socket, found)


async def _send(socket: WebSocket, content: dict[str, Any]) -> None:
    await socket.send_text(to_json(content))


async def _refuse(socket: WebSocket, text: str, code: int) -> None:
    with suppress(Exception):
        await _send(socket, {"type": "error", "error": text})
        await socket.close(code)
