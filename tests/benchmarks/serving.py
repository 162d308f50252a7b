"""Load on a server of checkpoints, from another process over loopback.

``python tests/benchmarks/serving.py load CHECKPOINT`` compares a server with batching, one without,
and a plain FastAPI endpoint that predicts one request after the other; ``microphones CHECKPOINT``
streams recordings to it in real time.

Server and clients share the machine, so its figures are ratios between servers.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from running_server import running_server

PLAIN = """
import sys, torch, uvicorn, fastapi, gru_suite, pandas
torch.set_num_threads(1); torch.set_flush_denormal(True)
model = gru_suite.load(sys.argv[1])
app = fastapi.FastAPI()

@app.post("/v1/models/model/predict")
def predict(body: dict):
    value = body["input"]
    if isinstance(value, str):
        return model.predict(value).to_dict()
    return model.predict(pandas.DataFrame(value["columns"])).to_dict()

uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""
TEXTS = (
    "a gorgeous, witty, seductive movie",
    "the plot makes no sense, but the two leads are wonderful together",
    "two hours too long",
    "it takes its time, and never once bores its audience",
)


def bodies(url: str, name: str) -> list[bytes]:
    """Return requests for a model: short texts, or its lookback of a series."""
    about = httpx.get(f"{url}/v1/models/{name}", timeout=60).raise_for_status().json()
    if about["input_kind"] == "text":
        return [json.dumps({"input": text}).encode() for text in TEXTS]
    lines = [line.split(",") for line in about["example"]["csv"].strip().split("\n")]
    columns = {
        key: [_number(line[place]) for line in lines[1:]] for place, key in enumerate(lines[0])
    }
    return [json.dumps({"input": {"columns": columns}}).encode()]


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


async def load(
    host: str, port: int, path: str, requests: Sequence[bytes], seconds: float, clients: int
) -> dict[str, Any]:
    """Send requests from clients with a connection each, one after the other; return figures."""
    times: list[float] = []
    errors = 0
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, port)
        count = number
        while time.perf_counter() < until:
            body = requests[count % len(requests)]
            count += 1
            began = time.perf_counter()
            lines = (
                f"POST {path} HTTP/1.1",
                f"Host: {host}:{port}",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                "",
                "",
            )
            writer.write("\r\n".join(lines).encode() + body)
            status = await reader.readline()
            length = 0
            while (line := await reader.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            await reader.readexactly(length)
            errors += b" 200 " not in status
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return {
        "requests_per_second": round(len(times) / seconds, 1),
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "errors": errors,
    }


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def compare(checkpoint: Path, seconds: float, clients: int, rounds: int) -> None:
    """Print the figures of the three servers, in turns."""
    name = "model"
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, f"{name}s.ckpt")
        link.symlink_to(checkpoint.absolute())
        words = (f"checkpoint={link}", "serve.requests_per_second=0")
        with (
            running_server(words, Path(folder)) as batching,
            running_server((*words, "serve.batch_size=1"), Path(folder)) as single,
        ):
            requests = bodies(batching.url, f"{name}s")
            plain = subprocess.Popen([sys.executable, "-c", PLAIN, str(checkpoint), "8798"])
            try:
                _wait(8798)
                found: dict[str, list[dict[str, Any]]] = {}
                for _ in range(rounds):
                    for title, port, path in (
                        ("batching", int(batching.url.rsplit(":", 1)[1]), f"{name}s"),
                        ("batch_size=1", int(single.url.rsplit(":", 1)[1]), f"{name}s"),
                        ("plain endpoint", 8798, name),
                    ):
                        target = f"/v1/models/{path}/predict"
                        figures = asyncio.run(
                            load("127.0.0.1", port, target, requests, seconds / rounds, clients)
                        )
                        found.setdefault(title, []).append(figures)
            finally:
                plain.terminate()
                plain.wait()
            memory = rss_mb(batching.process.pid)
    first = np.median([each["requests_per_second"] for each in found["batching"]])
    for title, runs in found.items():
        middle = {key: round(float(np.median([each[key] for each in runs])), 1) for key in runs[0]}
        print(
            f"{title:15} {middle}  batching is {first / middle['requests_per_second']:.2f} times "
            "as fast"
        )
    print(f"memory of the batching server: {memory:.0f} MB")


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            httpx.get(f"http://127.0.0.1:{port}/openapi.json").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the plain endpoint did not start")


async def microphone(
    url: str, pcm: bytes, rate_hz: int, seconds: float, delays: list[float]
) -> int:
    """Stream 20 ms at a time in real time; append the delay of each answer; return the words."""
    from websockets.asyncio.client import connect

    size = 2 * rate_hz // 50
    sent: list[float] = []
    words = 0
    async with connect(url, max_queue=None) as socket:
        await socket.recv()

        async def hear() -> None:
            nonlocal words
            answered = 0
            async for message in socket:
                found = json.loads(message)
                assert found["type"] == "prediction", found
                now = time.perf_counter()
                # The oldest chunk of those that are answered together.
                delays.append(now - sent[answered])
                answered = found["chunks"]
                words += len(found["words"])

        hearing = asyncio.create_task(hear())
        begun = time.perf_counter()
        for number in range(round(seconds * 50)):
            await asyncio.sleep(max(0.0, begun + 0.02 * number - time.perf_counter()))
            start = number * size % (len(pcm) - size)
            sent.append(time.perf_counter())
            await socket.send(pcm[start : start + size])
        await asyncio.sleep(0.5)
        hearing.cancel()
    return words


async def microphones(
    url: str, name: str, pcm: bytes, rate_hz: int, seconds: float, count: int, pid: int
) -> None:
    """Print the delays of many microphones, and the memory of the server over time."""
    delays: list[float] = []
    target = f"{url.replace('http', 'ws')}/v1/models/{name}/stream"
    step = 2 * rate_hz // 7
    started = [
        asyncio.create_task(
            microphone(target, pcm[step * row :] + pcm[: step * row], rate_hz, seconds, delays)
        )
        for row in range(count)
    ]
    pause = max(1.0, seconds / 10)
    begun, last = time.perf_counter(), 0
    while not all(each.done() for each in started):
        await asyncio.sleep(min(pause, 5))
        if time.perf_counter() - begun >= (last + 1) * pause:
            last += 1
            print(f"{time.perf_counter() - begun:5.0f} s  {rss_mb(pid):.0f} MB", flush=True)
    words = await asyncio.gather(*started)
    p50, p99, worst = np.percentile(delays, [50, 99, 100]) * 1000
    print(
        f"{count} streams, {seconds:g} s: {len(delays)} answers, delay p50 {p50:.1f} ms, "
        f"p99 {p99:.1f} ms, worst {worst:.0f} ms; {sum(words)} words"
    )


def main() -> None:
    """Run a benchmark by the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("load", "microphones"))
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recordings", type=Path, help="a folder of WAV files at the model's rate")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if given.what == "load":
        compare(given.checkpoint, given.seconds, given.clients or 64, given.rounds)
        return
    import soundfile

    draw = np.random.default_rng(0)
    parts = []
    for path in sorted(given.recordings.rglob("*.wav"))[:40]:
        samples, rate_hz = soundfile.read(path)
        parts += [samples, draw.normal(0, 0.001, rate_hz // 2)]
    pcm = (np.concatenate(parts).clip(-1, 1) * 32767).astype("<i2").tobytes()
    with tempfile.TemporaryDirectory() as folder:
        words = (f"checkpoint={given.checkpoint.absolute()}", "serve.requests_per_second=0")
        with running_server(words, Path(folder)) as server:
            name = httpx.get(f"{server.url}/v1/models").json()["models"][0]["name"]
            streaming = microphones(
                server.url,
                name,
                pcm,
                rate_hz,
                given.seconds,
                given.clients or 32,
                server.process.pid,
            )
            asyncio.run(streaming)


if __name__ == "__main__":
    main()
