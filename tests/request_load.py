"""Clients that ask a server for predictions as fast as it answers.

``python tests/request_load.py HOST PORT PATH BODIES --clients 64 --seconds 60`` sends the lines of
the file BODIES in turn, each the JSON body of a request, over connections that are kept, and prints
one line of JSON: requests a second, milliseconds at the 50th and 99th percentile, and errors.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

import numpy as np


class Load:
    """What all clients have seen."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.errors: list[str] = []


async def client(
    host: str, port: int, requests: list[bytes], first: int, until: float, load: Load
) -> None:
    """Send one request after the other until a time."""
    number = first
    while time.perf_counter() < until:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            while time.perf_counter() < until:
                began = time.perf_counter()
                writer.write(requests[number % len(requests)])
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                load.seconds.append(time.perf_counter() - began)
                number += 1
                if not head.startswith(b"HTTP/1.1 200"):
                    load.errors.append(f"{head[:12]!r} {body[:200]!r}")
            writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            load.errors.append(repr(error))


async def run(
    host: str, port: int, path: str, bodies: list[bytes], clients: int, seconds: float
) -> None:
    """Run the clients and print what they have seen."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    requests = [f"{head}Content-Length: {len(b)}\r\n\r\n".encode() + b for b in bodies]
    load, began = Load(), time.perf_counter()
    tasks = (
        client(host, port, requests, number, began + seconds, load) for number in range(clients)
    )
    await asyncio.gather(*tasks)
    elapsed = time.perf_counter() - began
    milliseconds = 1000 * np.array(load.seconds or [np.nan])
    found = {
        "requests": len(load.seconds),
        "per_second": round(len(load.seconds) / elapsed, 1),
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 1),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 1),
        "errors": len(load.errors),
        "first_errors": load.errors[:2],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    lines = given.bodies.read_bytes().splitlines()
    asyncio.run(run(given.host, given.port, given.path, lines, given.clients, given.seconds))
