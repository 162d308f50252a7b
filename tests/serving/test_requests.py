"""Requests to a real server of trained checkpoints, one of them of a task package."""

import base64
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_runs import train
from server_process import Server, running_server

pytestmark = pytest.mark.slow

NAMES = ("series", "texts", "tones", "ahead", "squares", "waves", "dates", "notes")
Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small checkpoint of each kind; see :func:`served_runs.train`."""
    if sys.platform == "win32":
        pytest.skip("trains in forked processes")
    return train(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def server(trained: Path) -> Iterator[Server]:
    """Start a server of all the small checkpoints, one of them of a task package."""
    files = [trained / name / "checkpoints" / "best.ckpt" for name in NAMES]
    package = str(trained / "package" / "gru-suite-wave-kind")
    words = ("serve.requests_per_second=0",)
    with running_server(files, trained, words, package) as started:
        yield started
        log = started.log.read_text()
    assert "Traceback" not in log, log


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
        "dates": "text",
        "notes": "text",
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
    address = f"{server.url}/v1/models/texts/predict"

    def ask(number: int) -> httpx.Response:
        body = {"input": "good w1" if number % 5 else "   "}
        return httpx.post(address, json=body, timeout=60)

    # Threads: a browser's tests may have an event loop in this one.
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(ask, range(100)))
    assert [each.status_code for each in answers] == [200 if n % 5 else 422 for n in range(100)]
    batches = [
        line
        for line in httpx.get(f"{server.url}/metrics").text.splitlines()
        if line.startswith('gru_suite_batch_size_bucket{le="1.0",model="texts"}')
    ]
    total = httpx.get(f"{server.url}/metrics").text.split('batch_size_count{model="texts"} ')[1]
    # Not each alone.
    assert float(batches[0].split()[-1]) < float(total.split()[0])


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


def test_translations_in_batches_and_wrong_texts(post: Post) -> None:
    texts = ["Saturday, April 3, 2021", "3 avril", "zwölf", "el 3 de abril de 2021"]
    together = post("dates", json={"inputs": texts}).json()["predictions"]
    for text, found in zip(texts, together, strict=True):
        assert found["source"] == text
        assert "".join(found["source_words"]) == text.replace(" ", "")
        assert len(found["attention"]) == len(found["target_words"])
        for row in found["attention"]:
            assert len(row) == len(found["source_words"])
            assert sum(row) == pytest.approx(1, abs=0.01)
        scores = [found["score"], *(each["score"] for each in found["alternatives"])]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] < 0
        (alone,) = post("dates", json={"input": text}).json()["predictions"]
        assert alone["text"] == found["text"]
        assert alone["score"] == pytest.approx(found["score"], abs=1e-4)
    gates = post("dates", "gates", json={"input": texts[0]}).json()
    assert gates["unit_of_step"] == "token"
    assert "".join(gates["step_labels"]) == texts[0].replace(" ", "")
    (by_file,) = post("dates", files={"files": ("a.txt", b"3 avril")}).json()["predictions"]
    assert by_file["text"] == together[1]["text"]
    refused = {"  ": "no text", "3 April " * 400: "tokens", "a" * 100_001: "100,000"}
    for text, said in refused.items():
        answer = post("dates", json={"input": text})
        assert answer.status_code == 422
        assert said in answer.json()["error"]
    for value, kind in ((5, "number"), (None, "null"), (["a"], "array"), ({"text": "a"}, "object")):
        answer = post("dates", json={"input": value})
        assert answer.status_code == 422
        assert f"type {kind}" in answer.json()["error"]
    assert post("dates", files={"files": ("a.pdf", b"a")}).status_code == 422
    assert post("dates", "explain", json={"input": "3 avril"}).status_code == 422
