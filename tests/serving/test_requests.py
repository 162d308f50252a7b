"""Requests to a real server: predictions, gates, limits, and whatever else people send."""

import asyncio
import base64
import json
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_process import Server

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("GRU_SUITE_REQUESTS", "300"))
Post = Callable[..., httpx.Response]


@pytest.fixture
def post(server: Server) -> Post:
    def send(model: str, verb: str = "predict", **request: Any) -> httpx.Response:
        return httpx.post(f"{server.url}/v1/models/{model}/{verb}", timeout=60, **request)

    return send


def test_every_model_predicts_its_example_and_shows_its_gates(server: Server, post: Post) -> None:
    models = httpx.get(f"{server.url}/v1/models").json()["models"]
    kinds = {each["name"]: each["input_kind"] for each in models}
    assert kinds == {
        "series": "table",
        "texts": "text",
        "tones": "audio",
        "ahead": "audio",
        "squares": "video",
        "waves": "numbers",
    }
    for name in kinds:
        about = httpx.get(f"{server.url}/v1/models/{name}").json()
        example = about["example"] or [[0.1, 0.2, 0.3]] * 10
        answer = post(name, json={"inputs": [example, example]})
        assert answer.status_code == 200, answer.text
        first, second = answer.json()["predictions"]
        assert first == second
        gates = post(name, "gates", json={"input": example}).json()
        values = gates["gates"]["update"]
        assert len(values) == len(gates["steps"]) <= 200
        assert all(0 <= value <= 1 for step in values for value in step)
        assert len(values[0]) == len(gates["units"]) <= 64


def test_files_one_and_many(trained: Path, post: Post) -> None:
    sounds = sorted((trained / "data" / "sounds" / "low").glob("*.wav"))[:3]
    files = [("files", (path.name, path.read_bytes())) for path in sounds]
    found = post("ahead", files=files).json()["predictions"]
    assert [each["name"] for each in found] == [path.name for path in sounds]
    content = base64.b64encode(sounds[0].read_bytes()).decode()
    alone = post("ahead", json={"input": {"name": "x.wav", "base64": content}}).json()
    expected = pytest.approx(found[0]["probability"], abs=1e-5)
    assert alone["predictions"][0]["probability"] == expected
    table = (trained / "data" / "series.csv").read_bytes()
    by_file = post("series", files={"files": ("series.csv", table)}).json()["predictions"][0]
    by_text = post("series", json={"input": {"csv": table.decode()}}).json()["predictions"][0]
    assert by_file["series"] == by_text["series"]
    assert by_file["columns"] == {"used": ["time", "value"], "ignored": []}
    video = next((trained / "data" / "videos" / "left").glob("*.mp4"))
    seen = post("squares", files={"files": (video.name, video.read_bytes())}).json()["predictions"]
    assert len(seen[0]["steps"]["time"]) > 3


def test_an_input_of_one_request_does_not_spoil_those_of_others(server: Server) -> None:
    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            address = f"{server.url}/v1/models/texts/predict"
            bodies = [{"input": "good w1" if n % 5 else "   "} for n in range(100)]
            return await asyncio.gather(*(client.post(address, json=body) for body in bodies))

    answers = asyncio.run(ask())
    assert [each.status_code for each in answers] == [200 if n % 5 else 422 for n in range(100)]
    batches = [
        line
        for line in httpx.get(f"{server.url}/metrics").text.splitlines()
        if line.startswith('gru_suite_batch_size_bucket{le="1.0",model="texts"}')
    ]
    total = httpx.get(f"{server.url}/metrics").text.split('batch_size_count{model="texts"} ')[1]
    # Not each alone.
    assert float(batches[0].split()[-1]) < float(total.split()[0])


@pytest.mark.parametrize(
    ("model", "value", "needed"),
    [
        ("texts", 3, "needs a text"),
        ("texts", "", "found no text"),
        ("texts", "x" * 100_001, "at most 100,000"),
        ("series", {"csv": "time,other\n2024-01-01,1\n"}, "value"),
        ("series", {"rows": [1]}, "array of objects"),
        ("series", {"path": "/etc/passwd"}, "needs"),
        ("tones", {"samples": [0.0] * 10, "sample_rate_hz": 16000}, "less than"),
        ("tones", {"samples": [0.0] * 40_000, "sample_rate_hz": 1000}, "at most 30"),
        ("tones", {"samples": "/etc/passwd", "sample_rate_hz": 16000}, "needs"),
        ("squares", {"frames": [[[[300, 0, 0]]]]}, "needs"),
        ("squares", {"pictures": ["AAAA"]}, "cannot be read"),
        ("waves", "/etc/passwd", "needs rows of finite numbers"),
        ("waves", [[1e999]], "finite"),
        ("texts", {"name": "../../etc/passwd.txt", "base64": "*"}, "base64"),
        ("tones", {"name": "a.exe", "base64": "AAAA"}, ".wav"),
        ("tones", {"name": "a.wav", "base64": "AAAA"}, "a.wav"),
        ("squares", {"name": "a.mp4", "base64": "AAAA"}, "a.mp4"),
    ],
)
def test_wrong_inputs_get_a_sentence(model: str, value: Any, needed: str, post: Post) -> None:
    # Infinity is no JSON, and Python reads it all the same.
    answer = post(model, content=json.dumps({"input": value}))
    assert answer.status_code == 422, answer.text
    assert needed in answer.json()["error"]
    assert "gru-suite-" not in answer.text


def test_wrong_requests(server: Server, post: Post) -> None:
    address = f"{server.url}/v1/models/texts/predict"
    assert httpx.post(f"{server.url}/v1/models/tets/predict", json={}).status_code == 404
    assert "'texts'" in httpx.get(f"{server.url}/v1/models/tets").json()["error"]
    assert httpx.get(address).status_code == 405
    assert post("texts", content="{").status_code == 400
    assert post("texts", content="[" * 50_000).status_code == 400
    assert post("texts", json=[]).status_code == 400
    assert post("texts", content="x", headers={"content-type": "text/plain"}).status_code == 415
    assert post("texts", json={"inputs": []}).status_code == 422
    assert post("texts", json={"inputs": ["a"] * 257}).status_code == 422
    assert "'input'" in post("texts", json={"inptu": "a"}).json()["error"]
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert post("texts", content="--y", headers=broken).status_code in (400, 422)
    assert post("texts", json={"input": "a"}, headers={"host": "evil.example"}).status_code == 403
    foreign = {"origin": "http://evil.example"}
    assert post("texts", json={"input": "a"}, headers=foreign).status_code == 403
    assert post("series", "explain", json={"input": {"rows": []}}).status_code == 422
    assert post("texts", "gates", json={"input": "a", "layer": 9}).status_code == 422


def test_a_huge_upload_is_refused_before_it_is_read(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for head in ("Content-Length: 1000000000", "Transfer-Encoding: chunked"):
        with socket.create_connection((host, int(port)), timeout=20) as link:
            lines = ("POST /v1/models/texts/predict HTTP/1.1", f"Host: {host}:{port}", head)
            link.sendall("\r\n".join((*lines, "", "")).encode())
            sent = 0
            answer = b""
            link.settimeout(0.05)
            while not answer and sent < 50:
                try:
                    # A chunk of a hundred thousand bytes.
                    link.sendall(b"186a0\r\n" + b"a" * 100_000 + b"\r\n")
                    sent += 1
                    answer = link.recv(1000)
                except TimeoutError:
                    continue
                except OSError:
                    break
            assert sent < 40
            if answer:
                assert b" 413 " in answer
    assert httpx.get(f"{server.url}/health").status_code == 200


def mutated(draw: random.Random, examples: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return a model, an operation and a request that is mostly wrong."""
    model, verb = draw.choice(sorted(examples)), draw.choice(("predict", "explain", "gates"))
    body = json.dumps({draw.choice(("input", "inputs")): examples[model]})
    odd = ["NaN", "1e999", "-Infinity", '"\\ud800"', "null", "[]", "{}", "true", '"../x"']
    odd.append("9" * 400)
    for _ in range(draw.randrange(4)):
        place = draw.randrange(len(body))
        end = min(len(body), place + draw.randrange(1, 30))
        other = draw.choice([*odd, "", body[:20], '"', "]", "}", ",", "[" * 200])
        body = body[:place] + other + body[end:]
    if draw.random() < 0.3:
        suffixes = (".wav", ".csv", ".mp4", ".parquet", ".txt", ".xlsx", "", "/../a.wav")
        begins = (b"RIFF", b"PAR1", b"\x00\x00\x00 ftypisom", b"PK\x03\x04", b"time,value\n")
        suffix, magic = draw.choice(suffixes), draw.choice(begins)
        content = magic + draw.randbytes(draw.randrange(300))
        return model, verb, {"files": {"files": (f"a{suffix}", content)}}
    return model, verb, {"content": body.encode("utf-8", "replace")}


def test_malformed_requests_get_an_answer_and_leave_nothing(server: Server, post: Post) -> None:
    examples = {
        "texts": "good w1",
        "series": {"rows": [{"time": f"2024-01-01 {h:02}:00", "value": h} for h in range(24)]},
        "tones": {"samples": [0.1, -0.1] * 400, "sample_rate_hz": 16000},
        "squares": {"frames": [[[[0, 0, 0]] * 8] * 8] * 3},
        "waves": [[0.1, 0.2, 0.3]] * 5,
    }
    draw = random.Random(0)
    seen: dict[int, int] = {}
    memory: list[float] = []
    for number in range(COUNT):
        model, verb, request = mutated(draw, examples)
        answer = post(model, verb, **request)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (model, verb, request, answer.text)
        if answer.status_code != 200:
            assert answer.json()["error"], (model, verb, request)
        if number % max(1, COUNT // 10) == 0:
            memory.append(server.resident_mb)
    print(seen, [round(each) for each in memory])
    assert seen[422] > 10
    assert memory[-1] - memory[len(memory) // 2] < 60
