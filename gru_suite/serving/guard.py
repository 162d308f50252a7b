"""What every request passes first: its size, its rate, its token, and where it comes from."""

import hmac
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gru_suite.serving.metrics import Metrics
from gru_suite.serving.options import ServeOptions

_log = logging.getLogger("gru_suite.serving")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        b"style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
        b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
# Addresses whose rate is remembered.
_MAX_CLIENTS = 10_000
# Characters of a message.
_MAX_SENTENCE = 1000


class TooLarge(Exception):
    """A body is larger than allowed."""


class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


def sentence_of(error: Exception | str) -> str:
    """Return the message of an error, cut where it repeats much of what was sent."""
    text = str(error)
    return text if len(text) <= _MAX_SENTENCE else f"{text[:_MAX_SENTENCE]} ..."


class RateLimit:
    """A bucket of tokens for each client, filled at a steady rate; a second's worth at most."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float) -> bool:
        """Return whether a client may make a request now."""
        if not self._per_second:
            return True
        size = max(1.0, self._per_second)
        left, last = self._buckets.pop(client, (size, now))
        left = min(size, left + (now - last) * self._per_second)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return allowed


class Guard:
    """ASGI middleware: refuses early, counts, and turns every fault into a JSON error."""

    def __init__(self, app: Any, options: ServeOptions, metrics: Metrics) -> None:
        self._app, self._options, self._metrics = app, options, metrics
        self._rate = RateLimit(options.requests_per_second)
        self._max_bytes = int(options.max_body_mb * 1e6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        try:
            self._check(scope, headers)
        except Refused as error:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": str(error)[:120]})
                return
            self._metrics.requests.labels("refused", error.status).inc()
            # What is left of the body is not read.
            await _answer(send, error.status, str(error), connection="close", **error.headers)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        options, path = self._options, scope["path"]
        host = headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if options.is_local and not options.token and name not in _LOCAL_NAMES:
            # A foreign page whose name was made to point here.
            raise Refused(403, f"host {name[:80]!r}: this server is for this machine alone")
        origin = headers.get("origin")
        if origin is not None and origin != "null" and _netloc(origin) != host:
            raise Refused(
                403, f"origin {origin[:80]!r}: pages of other sites may not use this server"
            )
        if options.token and path.startswith(("/v1", "/metrics")):
            self._check_token(scope, headers)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise Refused(413, self._too_large(int(length)))
        if path.startswith("/v1") and not self._rate.take(
            (scope.get("client") or ("unknown",))[0], time.monotonic()
        ):
            raise Refused(
                429,
                f"more than {options.requests_per_second:g} requests a second; wait a little",
                **{"retry-after": "1"},
            )

    def _check_token(self, scope: Scope, headers: dict[str, str]) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            sent = query.get("token", [""])[0].strip().encode()
        else:
            sent = given.strip().encode("latin-1")
        # curl sends the bytes of UTF-8; a browser's fetch sends Latin-1.
        token = self._options.token
        known = [token.encode(errors="replace"), token.encode("latin-1", errors="replace")]
        if not any([hmac.compare_digest(sent, each) for each in known]):
            found = "another token" if sent else "none"
            raise Refused(
                401,
                f"a token is needed, found {found}: send the header Authorization: Bearer TOKEN",
                **{"www-authenticate": "Bearer"},
            )

    def _too_large(self, size: int) -> str:
        return (
            f"a body of {size / 1e6:,.1f} MB: at most {self._options.max_body_mb:g} MB are taken "
            "here (serve.max_body_mb)"
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status, received = time.perf_counter(), 500, 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise TooLarge(self._too_large(received))
            return message

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        try:
            await self._app(scope, limited, with_headers)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"][:200])
            if not started:
                await _answer(send, 500, "the server failed; its log has the reason")
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def _answer(send: Send, status: int, text: str, **headers: str) -> None:
    body = json.dumps({"error": text}).encode()
    found = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
    found += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*found, *_HEADERS]})
    await send({"type": "http.response.body", "body": body})
