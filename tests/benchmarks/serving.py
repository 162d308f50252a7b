"""Load on a server of checkpoints, from another process over loopback.

``python tests/benchmarks/serving.py CHECKPOINT`` compares a server with batching, one without, and
a plain FastAPI endpoint that predicts one request after the other. Server and clients share the
machine, so its figures are ratios between servers. ``tests/stream_load.py`` streams recordings.
"""

import argparse
import asyncio
import json
import os
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

from server_process import running_server

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


def compare(checkpoint: Path, seconds: float, clients: int, rounds: int) -> None:
    """Print the figures of the three servers, in turns."""
    name = "model"
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, f"{name}s.ckpt")
        link.symlink_to(checkpoint.absolute())
        words = (f"checkpoint={link}", "serve.requests_per_second=0")
        with (
            running_server((), Path(folder), words) as batching,
            running_server((), Path(folder), (*words, "serve.batch_size=1")) as single,
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
            memory = batching.resident_mb
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


def main() -> None:
    """Compare the servers by the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--seconds", type=float, default=60, help="of each server, in all")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    compare(given.checkpoint, given.seconds, given.clients, given.rounds)


if __name__ == "__main__":
    main()
