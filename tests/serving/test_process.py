"""The process of a server: its start, its end, and what ends it at once."""

import json
import re
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server_process import running_server, start_process
from service_models import load_table

pytestmark = pytest.mark.slow


def best(runs: Path, name: str) -> Path:
    return runs / name / "checkpoints" / "best.ckpt"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_what_it_has_begun(runs: Path, number: signal.Signals) -> None:
    with running_server([best(runs, "series"), best(runs, "words")], runs) as server:
        printed = server.log.read_text()
        assert printed == f"serving series, words\nopen {server.url} (Ctrl+C ends)\n"
        table = load_table(20_000).astype({"time": str})
        body = {"input": {"columns": {name: table[name].tolist() for name in table}}}
        with ThreadPoolExecutor(1) as threads, httpx.Client(timeout=60) as client:
            assert client.get(f"{server.url}/health").json() == {"status": "ok", "models": 2}
            url = f"{server.url}/v1/models/series/predict"
            request = threads.submit(client.post, url, json=body)
            metrics = f"{server.url}/metrics"
            until = time.monotonic() + 30
            while 'batch_size_count{model="series"} 1.0' not in httpx.get(metrics).text:
                assert time.monotonic() < until
            server.process.send_signal(number)
            assert request.result().status_code == 200
        assert server.process.wait(timeout=20) == 0
        assert server.log.read_text() == printed


def test_open_streams_do_not_hold_up_the_end(runs: Path) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with running_server([best(runs, "words")], runs) as server:
        printed = server.log.read_text()
        address = server.url.replace("http", "ws") + "/v1/models/words/stream"
        with connect(address) as socket_:
            socket_.recv()
            socket_.send(bytes(400))
            socket_.recv()
            began = time.monotonic()
            server.process.terminate()
            with pytest.raises(ConnectionClosed):
                socket_.recv(timeout=20)
        assert server.process.wait(timeout=20) == 0
        assert time.monotonic() - began < 8
        assert server.log.read_text() == printed


def refused(words: list[str], folder: Path) -> str:
    """Return what a server that ends at once prints."""
    log = folder / "refused.log"
    process = start_process(words, folder, log)
    try:
        assert process.wait(timeout=60) == 2, log.read_text()
    finally:
        process.kill()
    printed = log.read_text()
    assert "Traceback" not in printed
    return printed


def test_what_cannot_be_served_ends_with_a_sentence(runs: Path, tmp_path: Path) -> None:
    good = f"checkpoint={best(runs, 'texts')}"
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(best(runs, "texts").read_bytes()[:3000])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cases = {
            f"cannot listen at 127.0.0.1:{port}: Address already in use; serve.port=0": [
                good, f"serve.port={port}",
            ],
            "other machines could reach the server; add serve.token=": [
                good, "serve.host=0.0.0.0", "serve.port=0",
            ],
            "no such file": [f"checkpoint={tmp_path / 'none.ckpt'}", "serve.port=0"],
            "not a complete checkpoint file": [f"checkpoint={damaged}", "serve.port=0"],
            "no finished run there": [f"serve={tmp_path}", "serve.port=0"],
            "nothing to serve": ["serve.port=0"],
        }  # fmt: skip
        for sentence, words in cases.items():
            assert sentence in refused(words, tmp_path)


def test_a_folder_of_runs_behind_a_token(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "outputs" / "unfinished" / "checkpoints").mkdir(parents=True)
    shutil.copy(best(runs, "texts"), tmp_path / "outputs" / "unfinished" / "checkpoints")
    shutil.copytree(runs / "texts", tmp_path / "outputs" / "day" / "texts")
    words = (f"serve={tmp_path / 'outputs'}", "serve.token=secret", "serve.host=0.0.0.0")
    with running_server((), tmp_path, words) as server:
        assert "/?token=... (Ctrl+C ends)" in server.log.read_text()
        assert "secret" not in server.log.read_text()
        port = server.address[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            assert client.get("/v1/models").status_code == 401
            client.headers["authorization"] = "Bearer secret"
            (model,) = client.get("/v1/models").json()["models"]
            assert model["name"] == "texts"
            files = [("files", (f"{number}.txt", b"good")) for number in range(3)]
            url = "/v1/models/texts/predict"
            assert len(client.post(url, files=files[:1]).json()["predictions"]) == 1
            assert len(client.post(url, files=files).json()["predictions"]) == 3
            assert client.get("/").text.startswith("<!doctype html>")


def raw(address: tuple[str, int], head: str, body: bytes) -> tuple[bytes, float]:
    """Send a head and a little of its body; return the answer and the seconds to it."""
    began = time.perf_counter()
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        answer = connection.recv(65536)
        seconds = time.perf_counter() - began
        while more := connection.recv(65536):
            answer += more
        return answer, seconds


def test_a_body_of_a_gigabyte_is_refused_at_once(runs: Path) -> None:
    with running_server([best(runs, "texts")], runs) as server:
        head = "POST /v1/models/texts/predict HTTP/1.1\nHost: localhost\n"
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            answer, seconds = raw(
                server.address,
                f"{head}Content-Type: {kind}\nContent-Length: 1000000000",
                b"--x\r\n",
            )
            assert answer.startswith(b"HTTP/1.1 413"), answer
            assert b"connection: close" in answer.lower()
            error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            assert error.startswith("a body of 1,000.0 MB: at most 32 MB are taken here")
            assert seconds < 1
            print(f"\n1 GB as {kind.partition(';')[0]}: 413 after {1000 * seconds:.1f} ms")


def test_an_endless_chunked_body_is_cut_off(runs: Path) -> None:
    with running_server([best(runs, "texts")], runs, ["serve.max_body_mb=4"]) as server:
        before = server.resident_mb
        head = (
            "POST /v1/models/texts/predict HTTP/1.1\nHost: localhost\n"
            "Content-Type: application/json\nTransfer-Encoding: chunked\n\n"
        ).replace("\n", "\r\n")
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        sent, answer = 0, b""
        with socket.create_connection(server.address, timeout=20) as connection:
            connection.sendall(head.encode())
            connection.settimeout(0.001)
            while not answer and sent < 500_000_000:
                try:
                    connection.settimeout(5)
                    connection.sendall(piece)
                    sent += len(piece)
                    connection.settimeout(0.0005)
                    answer = connection.recv(65536)
                except TimeoutError:
                    continue
                except OSError:
                    break
        assert answer.startswith(b"HTTP/1.1 413") or not answer
        assert sent < 60_000_000
        assert server.resident_mb - before < 60
        assert httpx.get(f"{server.url}/health").is_success
        assert "Traceback" not in server.log.read_text()


def test_garbage_on_the_socket_leaves_the_others(runs: Path) -> None:
    with running_server([best(runs, "texts")], runs) as server:
        for garbage in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\0" * 5000, b"A" * 200_000):
            with socket.create_connection(server.address, timeout=5) as connection:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
        assert httpx.get(f"{server.url}/health").is_success
        assert not re.search("Traceback", server.log.read_text())
