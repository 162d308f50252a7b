"""The process of a server: its socket, its start and its end."""

import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gru_suite.errors import UserError
from gru_suite.serving.options import ServeOptions

# A message of a stream; a second of sound at 48 kHz has 96,000 bytes, a picture more.
_MAX_MESSAGE_BYTES = 2_000_000
_STOP_S = 10


def serve(options: ServeOptions) -> int:
    """Serve until SIGINT or SIGTERM; requests that have begun are answered before the end.

    Returns:
        The exit code.

    Raises:
        UserError: the extra ``serve`` is not installed, a checkpoint cannot be loaded, or the
            address cannot be used.
    """
    try:
        import uvicorn

        from gru_suite.serving.api import create_app
    except ModuleNotFoundError as error:
        raise UserError(
            f"serve needs {error.name}, which is not installed: pip install 'gru-suite[serve]'"
        ) from error
    from gru_suite.serving.metrics import Metrics
    from gru_suite.serving.store import ModelStore

    class Server(uvicorn.Server):
        """Says that it is ready, and ends without a signal raised again."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            before = {
                each: signal.signal(each, self.handle_exit)
                for each in (signal.SIGINT, signal.SIGTERM)
            }
            try:
                yield
            finally:
                for each, handler in before.items():
                    signal.signal(each, handler)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # Before the first request is taken: a file that does not load ends the start.
            await store.load_first()
            # Modules and models stay; a collector that looks at all of them takes a third of the
            # time of small requests.
            gc.collect()
            gc.freeze()
            await super().startup(sockets=sockets)
            _say_ready(options, store, sockets or [])

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("gru_suite.serving").setLevel(logging.INFO)
    # It warns of every malformed form, whose sender is told.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    with _listening(options) as listener:
        store = ModelStore(options, Metrics())
        config = uvicorn.Config(
            create_app(store),
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws_max_size=_MAX_MESSAGE_BYTES,
            # Predictions are small and frequent.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_STOP_S,
            server_header=False,
        )
        server = Server(config)
        try:
            # On uvloop where it is installed.
            server.run(sockets=[listener])
        finally:
            store.close()
    return 0


@contextmanager
def _listening(options: ServeOptions) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it each message
    # of a stream waits for the client's next one.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((options.host, options.port))
        except OSError as error:
            raise UserError(
                f"cannot listen at {options.host}:{options.port}: {error.strerror or error}; "
                "serve.port=0 takes a free port"
            ) from None
        yield listener


def _say_ready(options: ServeOptions, store: Any, sockets: list[socket.socket]) -> None:
    host = f"[{options.host}]" if ":" in options.host else options.host
    port = sockets[0].getsockname()[1]
    names = ", ".join(list(store.entries)[:10])
    more = f", and {len(store.entries) - 10} more" if len(store.entries) > 10 else ""
    token = "/?token=..." if options.token else ""
    sys.stdout.write(f"serving {names}{more}\nopen http://{host}:{port}{token} (Ctrl+C ends)\n")
    sys.stdout.flush()
