"""WebSocket streams of a real server: every kind, bad chunks, clients that stall or vanish."""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from server_process import Server, running_server
from service_models import load_table

pytestmark = pytest.mark.slow

websockets = pytest.importorskip("websockets.sync.client")

# Of a stream beside clients that stall or vanish; the machine of the tests may be busy.
MOST_P99_S = 0.5


@contextmanager
def stream(server: Server, name: str) -> Iterator[Any]:
    """Open a stream and pass its first message."""
    address = f"{server.url.replace('http', 'ws')}/v1/models/{name}/stream"
    with websockets.connect(address) as opened:
        ready = json.loads(opened.recv(timeout=20))
        assert (ready["type"], ready["model"]) == ("ready", name)
        yield opened


def ask(opened: Any, message: Any) -> dict[str, Any]:
    """Send a chunk, bytes or JSON, and return the next message."""
    opened.send(message if isinstance(message, bytes) else json.dumps(message))
    answer: dict[str, Any] = json.loads(opened.recv(timeout=20))
    return answer


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 10, 10)).save(buffer, "JPEG")
    return buffer.getvalue()


def chunk(value: Any) -> dict[str, Any]:
    return {"type": "chunk", "value": value}


CHUNKS: dict[str, list[Any]] = {
    "words": [b"\x10\x20" * 40, b"\0" * 4000],
    "moves": [picture(), picture()],
    "live-texts": [chunk("a go"), chunk("od film")],
    "series": [
        chunk({"rows": load_table(30, ("b",)).astype({"time": str}).to_dict("records")}),
        chunk({"csv": load_table(31, ("b",)).iloc[30:].to_csv(index=False)}),
    ],
}


def message_of_type(opened: Any, kind: str) -> dict[str, Any]:
    """Return the next message of a type."""
    while True:
        found: dict[str, Any] = json.loads(opened.recv(timeout=20))
        if found["type"] == kind:
            return found


@pytest.mark.parametrize("name", list(CHUNKS))
def test_a_stream_predicts_is_reset_and_ends(server: Server, name: str) -> None:
    first, second = CHUNKS[name]
    with stream(server, name) as opened:
        found = ask(opened, first)
        assert (found["type"], found["chunks"]) == ("prediction", 1), found
        assert "label" in found or "series" in found
        assert ask(opened, second)["chunks"] == 2
        opened.send('{"type": "reset"}')
        again = ask(opened, first)
        assert again["chunks"] == 3
        for key in ("label", "probability", "series", "words", "level_db", "seconds"):
            assert again.get(key) == found.get(key)
        opened.send(second if isinstance(second, bytes) else json.dumps(second))
        opened.send('{"type": "end"}')
        assert message_of_type(opened, "prediction")["chunks"] == 4
        with pytest.raises(Exception, match="1000"):
            opened.recv(timeout=20)


def test_bad_chunks_are_told_and_the_stream_goes_on(server: Server) -> None:
    bad: dict[str, list[Any]] = {
        "words": [b"\0" * 3, b"\0" * 9001, chunk("abc"), chunk(None)],
        "moves": [b"", b"\xff\xd8\xff\xe0", picture()[:100], chunk([1])],
        "live-texts": [b"abc", chunk(3), chunk("a" * 100_001), chunk("\ud800")],
        "series": [b"abc", chunk("x"), chunk({"rows": [{"load": [1]}]}), chunk({"csv": "a,b\n1"})],
    }
    for name, messages in bad.items():
        with stream(server, name) as opened:
            for message in messages:
                found = ask(opened, message)
                assert found["type"] == "error" or message == chunk("\ud800"), (name, found)
            for text in ("", "{", "[1]", '{"type": "x"}', '{"type": "chunk"}', "[" * 5000, "NaN"):
                opened.send(text)
                assert json.loads(opened.recv(timeout=20))["type"] == "error"
            assert ask(opened, CHUNKS[name][0])["type"] == "prediction", name
    assert "Traceback" not in server.log.read_text()


def test_a_model_that_looks_ahead_and_an_unknown_one_are_refused(server: Server) -> None:
    for name, sentence in (("ahead", "task.causal=true"), ("none", "no model 'none'")):
        address = f"{server.url.replace('http', 'ws')}/v1/models/{name}/stream"
        with websockets.connect(address) as opened:
            found = json.loads(opened.recv(timeout=20))
            assert found["type"] == "error"
            assert sentence in found["error"]
            with pytest.raises(Exception, match="1008"):
                opened.recv(timeout=20)


def open_streams(server: Server) -> float:
    """Return the number of open streams."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(each.split()[-1]) for each in lines if each.startswith("gru_suite_streams{"))


def wait_for_streams(server: Server, count: int) -> None:
    until = time.monotonic() + 20
    while open_streams(server) != count:
        assert time.monotonic() < until, open_streams(server)
        time.sleep(0.02)


def test_more_streams_than_allowed_are_told_to_come_later(runs: Path) -> None:
    checkpoint = runs / "words" / "checkpoints" / "best.ckpt"
    with running_server([checkpoint], runs, ["serve.max_streams=2"]) as server:
        with stream(server, "words"), stream(server, "words"):
            address = f"{server.url.replace('http', 'ws')}/v1/models/words/stream"
            with websockets.connect(address) as third:
                assert "2 streams are open" in json.loads(third.recv(timeout=20))["error"]
                with pytest.raises(Exception, match="1013"):
                    third.recv(timeout=20)
        wait_for_streams(server, 0)
        with stream(server, "words") as opened:
            assert ask(opened, b"\0" * 400)["chunks"] == 1


def test_streams_that_end_while_predictions_are_sent_are_closed(runs: Path) -> None:
    checkpoint = runs / "words" / "checkpoints" / "best.ckpt"
    with running_server([checkpoint], runs) as server:

        def one(number: int) -> None:
            with stream(server, "words") as opened:
                for _ in range(20):
                    opened.send(bytes(80))
                if number % 2:
                    opened.send('{"type": "end"}')
                    while json.loads(opened.recv(timeout=20))["chunks"] < 20:
                        pass

        for _ in range(8):
            threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        wait_for_streams(server, 0)
        assert "Traceback" not in server.log.read_text()


def test_clients_that_stall_or_vanish_do_not_hold_up_another(server: Server) -> None:
    latencies: list[float] = []
    before = open_streams(server)
    with stream(server, "words") as good, stalled(server) as sends:
        for number in range(150):
            if number % 10 == 0:
                vanish(server)
            sends()
            began = time.perf_counter()
            ask(good, b"\x10\x20" * 20)
            latencies.append(time.perf_counter() - began)
    p99_s = float(np.percentile(latencies, 99))
    print(f"\np50 {1000 * np.median(latencies):.1f} ms, p99 {1000 * p99_s:.1f} ms")
    assert p99_s < MOST_P99_S
    wait_for_streams(server, int(before))
    assert "Traceback" not in server.log.read_text()


def handshake(server: Server) -> socket.socket:
    """Return a socket with an open stream, for a client without manners."""
    opened = socket.create_connection(server.address, timeout=20)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.sendall(
        b"GET /v1/models/words/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b"101" in opened.recv(1000)
    return opened


def frame(content: bytes) -> bytes:
    """Return a masked binary message of under 126 bytes; the mask is zeros."""
    return bytes([0x82, 0x80 | len(content)]) + bytes(4) + content


@contextmanager
def stalled(server: Server) -> Iterator[Any]:
    """Yield a function that sends chunks of a client that never reads."""
    opened = handshake(server)
    opened.setblocking(False)

    def send() -> None:
        with suppress(BlockingIOError):
            opened.send(frame(bytes(100)) * 100)

    yield send
    opened.close()


def vanish(server: Server) -> None:
    """Send half a message and reset the connection."""
    opened = handshake(server)
    opened.sendall(frame(bytes(100)) + frame(bytes(100))[:50])
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    opened.close()
