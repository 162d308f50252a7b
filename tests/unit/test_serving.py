"""The server without its process: options, what it refuses, what it takes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from service_models import save_checkpoint
from serving_clients import client_of, get_of, run
from stream_fixtures import sentiment_model

from gru_suite.errors import UserError
from gru_suite.serving.options import ServeOptions, parse_options

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "texts"
    return save_checkpoint(sentiment_model(), folder / "checkpoints" / "best.ckpt")


def test_options_of_a_command_line() -> None:
    words = ["checkpoint=a.ckpt,b.ckpt", "checkpoint=[c.ckpt]", "serve.port=0", "device=cpu"]
    options = parse_options([*words, "serve.wait_ms=0.5", "serve.host=0.0.0.0", "serve.token=t"])
    assert options.checkpoints == (Path("a.ckpt"), Path("b.ckpt"), Path("c.ckpt"))
    assert (options.port, options.device, options.wait_ms) == (0, "cpu", 0.5)
    assert not options.is_local
    assert parse_options(["serve=~"]).folder == Path.home()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "nothing to serve; add checkpoint=FILE"),
        (["a.ckpt"], "'a.ckpt' is no option; write checkpoint=a.ckpt"),
        (["serve.prot=1"], r"no key 'serve.prot'; did you mean 'serve.port'"),
        (["checkpoint=a", "serve.port=x"], "serve.port=x: needs a whole number"),
        (["checkpoint=a", "serve.wait_ms=x"], "serve.wait_ms=x: needs a number"),
        (["checkpoint=a", "serve.port=70000"], "needs a number from 0 to 65535"),
        (["checkpoint=a", "serve.port=-1"], "serve.port=-1: needs at least 0"),
        (["checkpoint=a", "serve.batch_size=0"], "needs at least 1"),
        (["checkpoint=a", "serve.timeout_s=nan"], "needs at least 0.1"),
        (["checkpoint=a", "serve.max_body_mb=inf"], "serve.max_body_mb=inf: needs .* finite"),
        (["checkpoint=a", "serve.host=0.0.0.0"], "other machines could reach the server"),
        (["checkpoint=a", "serve.host=example.org"], "other machines could reach the server"),
    ],
)
def test_options_that_cannot_work_are_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_options(words)


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::", False)],
)
def test_hosts_that_only_this_machine_reaches(host: str, local: bool) -> None:
    assert ServeOptions(host=host, token="t").is_local == local


def test_a_rate_is_a_bucket_of_a_second() -> None:
    from gru_suite.serving.guard import RateLimit

    rate = RateLimit(2)
    assert [rate.take("a", 0), rate.take("a", 0), rate.take("a", 0)] == [True, True, False]
    assert rate.take("b", 0)
    assert [rate.take("a", 0.5), rate.take("a", 0.5)] == [True, False]
    assert [rate.take("a", 9), rate.take("a", 9), rate.take("a", 9)] == [True, True, False]
    assert all(RateLimit(0).take("a", 0) for _ in range(99))
    assert [RateLimit(0.5).take("a", 0)] == [True]
    for number in range(10_050):
        rate.take(str(number), 10)
    assert len(rate._buckets) <= 10_000


@pytest.mark.parametrize(
    ("headers", "status", "sentence"),
    [
        ({"host": "localhost:3"}, 200, ""),
        ({"host": "[::1]:3"}, 200, ""),
        ({"host": "evil.example"}, 403, "this server is for this machine alone"),
        ({"host": "localhost.evil.example"}, 403, "for this machine alone"),
        ({"host": ""}, 403, "for this machine alone"),
        ({"origin": "http://localhost:1"}, 200, ""),
        ({"origin": "http://evil.example"}, 403, "pages of other sites"),
        ({"origin": "http://localhost:2"}, 403, "pages of other sites"),
        ({"origin": "http://[bad"}, 403, "pages of other sites"),
        ({"content-length": "999999999999"}, 413, "at most 32 MB are taken here"),
    ],
)
def test_requests_from_elsewhere_and_large_ones_are_refused(
    texts: Path, headers: dict[str, str], status: int, sentence: str
) -> None:
    found = get_of(texts)("GET", "/v1/models", headers=headers)
    assert found.status_code == status
    assert sentence in found.json().get("error", "")
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in found.headers["content-security-policy"]


def test_a_token_is_asked_for(texts: Path) -> None:
    async def work() -> None:
        async with client_of(texts, token="sécret") as client:
            statuses = {}
            for name, headers in {
                "none": {},
                "wrong": {"authorization": "Bearer no"},
                "basic": {"authorization": "Basic abc"},
                "right": {"authorization": "bearer sécret".encode()},
            }.items():
                found = await client.get("/v1/models", headers=headers)
                statuses[name] = found.status_code
                assert found.is_success or "a token is needed" in found.json()["error"]
            assert statuses == {"none": 401, "wrong": 401, "basic": 401, "right": 200}
            assert (await client.get("/v1/models?token=s%C3%A9cret")).is_success
            assert (await client.get("/metrics")).status_code == 401
            assert (await client.get("/health")).is_success
            assert (await client.get("/")).is_success

    run(work())


def test_requests_too_fast_are_told_when_to_come_again(texts: Path) -> None:
    async def work() -> None:
        async with client_of(texts, requests_per_second=3.0) as client:
            found = [await client.get("/v1/models") for _ in range(5)]
            assert [each.status_code for each in found[:3]] == [200, 200, 200]
            assert found[4].status_code == 429
            assert found[4].headers["retry-after"] == "1"
            assert "more than 3 requests a second" in found[4].json()["error"]
            assert (await client.get("/health")).is_success

    run(work())


def test_a_chunked_body_is_read_to_the_limit_only(texts: Path) -> None:
    sent = 0

    async def endless(first: bytes) -> AsyncIterator[bytes]:
        nonlocal sent
        yield first
        while sent < 10_000_000:
            sent += 10_000
            yield b" " * 10_000

    part = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    kinds = {"application/json": b"[", "multipart/form-data; boundary=x": part}
    for kind, first in kinds.items():
        sent = 0
        found = get_of(texts, max_body_mb=0.1)(
            "POST",
            "/v1/models/texts/predict",
            content=endless(first),
            headers={"content-type": kind},
        )
        assert found.status_code == 413
        assert "at most 0.1 MB" in found.json()["error"]
        assert sent < 200_000


REQUESTS: list[tuple[dict[str, Any], int, str]] = [
    ({"json": {"input": "good"}}, 200, ""),
    ({"json": {"inputs": ["good", "bad"]}}, 200, ""),
    ({"json": {"inputs": []}}, 422, "0 inputs: needs 1 to 256"),
    ({"json": {"inputs": ["a"] * 257}}, 422, "257 inputs"),
    ({"json": {"inputs": "good"}}, 422, "inputs is of type string: needs an array"),
    ({"json": {"input": "a", "inputs": ["b"]}}, 422, "not both"),
    ({"json": {}}, 422, "needs input (one) or inputs"),
    ({"json": {"inptu": "a"}}, 422, "did you mean 'input'?"),
    ({"json": [1]}, 400, "the body is of type array: needs an object"),
    ({"json": {"inputs": ["good", 3]}}, 422, "type number: needs a text"),
    ({"json": {"input": {"base64": "Z29vZA==", "name": "a.txt"}}}, 200, ""),
    ({"json": {"input": {"base64": "!", "name": "a.txt"}}}, 422, "base64"),
    ({"json": {"input": {"base64": "YQ==", "name": "a.exe"}}}, 422, "needs a file of .txt"),
    ({"json": {"input": {"base64": "YQ==", "path": "a.txt"}}}, 422, "needs the form"),
    ({"content": b"{"}, 400, "the body is not JSON"),
    ({"content": b""}, 400, "the body is not JSON"),
    ({"content": b"[" * 100_000}, 400, "the body is not JSON"),
    ({"content": b'{"input": "\xff"}'}, 400, "the body is not JSON"),
    ({"content": b"a=1", "headers": {"content-type": "text/plain"}}, 415, "content type"),
    ({"files": [("files", ("a.txt", b"good"))]}, 200, ""),
    ({"files": [("x", ("a.txt", b"good")), ("y", ("b.txt", b"bad"))]}, 200, ""),
    ({"files": [("files", ("../../a.txt", b"\xff"))]}, 422, "a.txt: is not UTF-8"),
    ({"files": [("files", ("", b"good"))]}, 422, "files"),
    ({"data": {"a": "b"}, "files": []}, 415, "content type"),
    (
        {"content": b"--x", "headers": {"content-type": "multipart/form-data"}},
        400,
        "the form cannot be read",
    ),
    (
        {"content": b"abc", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        400,
        "the form cannot be read",
    ),
]


def test_bodies_that_are_taken_and_bodies_that_are_refused(texts: Path) -> None:
    async def work() -> None:
        async with client_of(texts) as client:
            for request, status, sentence in REQUESTS:
                found = await client.post("/v1/models/texts/predict", **request)
                assert found.status_code == status, (request, found.text)
                assert sentence in found.json().get("error", ""), request

    run(work())


def test_explanations_and_gates(texts: Path) -> None:
    async def work() -> None:
        async with client_of(texts) as client:
            cases: list[tuple[str, Any, int]] = [
                ("explain", {"input": "a good film"}, 200),
                ("explain", {}, 422),
                ("gates", {"input": "a good film", "layer": 0}, 200),
                ("gates", {"input": "a good film", "layer": 1}, 422),
                ("gates", {"input": "a good film", "layer": True}, 422),
                ("gates", {"input": "a good film", "layer": -1}, 422),
                ("gates", {"input": "a good film", "layer": 10**30}, 422),
            ]
            for verb, body, status in cases:
                found = await client.post(f"/v1/models/texts/{verb}", json=body)
                assert found.status_code == status, (verb, body, found.text)
            file = {"files": ("a.txt", b"good")}
            for layer, status in (("0", 200), ("x", 422), ("-1", 422), ("9", 422)):
                url = "/v1/models/texts/gates"
                found = await client.post(url, files=file, data={"layer": layer})
                assert found.status_code == status, found.text

    run(work())


def test_a_long_sentence_is_cut() -> None:
    from gru_suite.serving.guard import sentence_of

    assert sentence_of(UserError("a" * 1000)) == "a" * 1000
    assert sentence_of("a" * 5000) == "a" * 1000 + " ..."


def test_messages_are_sent_at_once() -> None:
    from gru_suite.serving.server import _listening

    async def work() -> None:
        connected: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            connected.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with _listening(ServeOptions(port=0)) as listener:
            server = await asyncio.start_server(accept, sock=listener)
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert await connected
            writer.close()
            server.close()

    run(work())
