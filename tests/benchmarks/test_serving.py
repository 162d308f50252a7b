"""Load on a server: 64 clients with batching, without, and on plain FastAPI; microphones.

``GRU_SUITE_SERVING_SECONDS=60 GRU_SUITE_STREAM_SECONDS=600 pytest -m slow -s
tests/benchmarks/test_serving.py`` takes the figures to quote. ``GRU_SUITE_SERVING_RUNS`` names a
folder with the trained runs weather, reviews and words_live, ``GRU_SUITE_SERVING_SOUNDS`` one with
recordings at 16 kHz; by default models are untrained and sounds are tones. The clients are a
process of their own, on the cores of the server.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from server_process import running_server
from service_models import save_checkpoint

from gru_suite.tasks.forecasting.samples.weather import load_weather
from gru_suite.testing.contract import build, compose_config

pytestmark = pytest.mark.slow

TESTS = Path(__file__).resolve().parents[1]
SECONDS = float(os.environ.get("GRU_SUITE_SERVING_SECONDS", "4"))
STREAM_SECONDS = float(os.environ.get("GRU_SUITE_STREAM_SECONDS", "5"))
# Each server is asked in turn, so that what else the machine does meets all of them.
ROUNDS = 3 if SECONDS >= 30 else 1
CLIENTS, MICROPHONES = 64, 32
# On a machine that may be busy.
MOST_START_S = 15.0
RUNS = {
    "weather": ["task=forecasting", "debug=tiny"],
    "reviews": ["task=sentiment", "debug=tiny"],
    "words_live": [
        "task=speech_commands", "debug=tiny", "task.causal=true", "task.pooling=last",
        "backbone.bidirectional=false",
    ],
}  # fmt: skip
TEXTS = (
    "A wonderful film with a story that stays with you.",
    "Two hours of my life that I will not get back.",
    "The acting is fine, but the plot makes no sense at all.",
    "Funny, sad and beautifully made; see it.",
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a checkpoint of each of ``RUNS``."""
    given = os.environ.get("GRU_SUITE_SERVING_RUNS")
    root = Path(given) if given else tmp_path_factory.mktemp("runs")
    paths = {name: root / name / "checkpoints" / "best.ckpt" for name in RUNS}
    if not given:
        for name, words in RUNS.items():
            task, _ = build(compose_config(words))
            save_checkpoint(task.model.eval(), paths[name])
    return paths


def write_bodies(folder: Path, name: str) -> Path:
    """Write the bodies of requests, a line each."""
    if name == "reviews":
        inputs: list[Any] = list(TEXTS)
    else:
        table = load_weather()
        station = table[table["origin"] == "JFK"].astype({"time": str})
        inputs = []
        for first in range(0, 8 * 168, 168):
            rows = station.iloc[first : first + 168]
            columns = {key: rows[key].astype(object).where(rows[key].notna(), None) for key in rows}
            inputs.append({"columns": {key: each.tolist() for key, each in columns.items()}})
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps({"input": each}) for each in inputs))
    return path


def program(name: str, *words: object) -> str:
    """Run a program of the tests and return what it prints."""
    command = [sys.executable, str(TESTS / name), *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    limit_s = 120 + SECONDS + STREAM_SECONDS
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=limit_s
    ).stdout


@contextmanager
def plain_server(checkpoint: Path, port: int) -> Iterator[None]:
    """Run the plain endpoint."""
    command = [sys.executable, str(TESTS / "plain_server.py"), str(checkpoint), str(port)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/openapi.json")
                break
            except httpx.TransportError:
                assert time.monotonic() < until
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("name", ["reviews", "weather"])
def test_batching_against_one_by_one(
    checkpoints: dict[str, Path], tmp_path: Path, name: str
) -> None:
    bodies, path = write_bodies(tmp_path, name), f"/v1/models/{name}/predict"
    found: dict[str, list[dict[str, Any]]] = {}
    with ExitStack() as servers:
        addresses: dict[str, tuple[int, str]] = {}
        for kind, words in (("batching", ()), ("one by one", ("serve.batch_size=1",))):
            options = ("serve.requests_per_second=0", *words)
            server = running_server([checkpoints[name]], tmp_path, options)
            addresses[kind] = servers.enter_context(server).address[1], path
            time.sleep(0.01)
        port = free_port()
        servers.enter_context(plain_server(checkpoints[name], port))
        addresses["plain FastAPI"] = port, "/predict"
        for _ in range(ROUNDS):
            for kind, (port, there) in addresses.items():
                words = ("127.0.0.1", port, there, bodies, "--clients", CLIENTS)
                text = program("request_load.py", *words, "--seconds", SECONDS / ROUNDS)
                found.setdefault(kind, []).append(json.loads(text))
    rates = {}
    for kind, rounds in found.items():
        rates[kind] = float(np.mean([each["per_second"] for each in rounds]))
        parts = [f"{key} {[each[key] for each in rounds]}" for key in ("p50_ms", "p99_ms")]
        errors = sum(each["errors"] for each in rounds)
        print(f"\n{name}, {kind}: {rates[kind]:.0f}/s, {', '.join(parts)}, {errors} errors")
        assert not errors, rounds
    assert rates["batching"] > rates["one by one"]


def test_microphones_in_real_time(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    sounds = os.environ.get("GRU_SUITE_SERVING_SOUNDS")
    if sounds is None:
        sounds = str(tmp_path)
        clock = np.arange(16000) / 16000
        for pitch in (200, 500, 900):
            wave = 0.3 * np.sin(2 * np.pi * pitch * clock) * np.hanning(16000)
            soundfile.write(tmp_path / f"{pitch}.wav", wave, 16000)
    options = ("serve.requests_per_second=0",)
    with running_server([checkpoints["words_live"]], tmp_path, options) as server:
        address = f"{server.url.replace('http', 'ws')}/v1/models/words_live/stream"
        words = (address, sounds, "--clients", MICROPHONES, "--seconds", STREAM_SECONDS)
        print("", *(text := program("stream_load.py", *words, "--pid", server.process.pid)), sep="")
    found = json.loads(text.splitlines()[-1])
    assert found["errors"] == 0, found
    assert found["pieces"] == pytest.approx(MICROPHONES * STREAM_SECONDS * 50, rel=0.05)


@pytest.mark.parametrize("name", list(RUNS))
def test_start_to_ready(checkpoints: dict[str, Path], tmp_path: Path, name: str) -> None:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        with running_server([checkpoints[name]], tmp_path):
            seconds.append(time.perf_counter() - began)
    print(f"\n{name}: ready after {np.median(seconds):.2f} s, median of {np.round(seconds, 2)}")
    assert min(seconds) < MOST_START_S
