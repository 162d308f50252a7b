"""Microphones in real time against a server, and the latency of each piece of sound.

``python tests/stream_load.py ws://HOST:PORT/v1/models/NAME/stream FOLDER --clients 32
--seconds 60 --pid N`` plays the recordings of FOLDER (``**/*.wav``) with pauses, 20 ms a message,
and prints one line of JSON a minute and one at the end: milliseconds from a message to the
prediction that covers it, and the memory of process N.
"""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from websockets.asyncio.client import connect

PIECE_S = 0.02
PAUSE_S = 0.7


class Load:
    """What all clients have seen."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.errors: list[str] = []
        self.num_words = 0
        self.late_s = 0.0


def recordings(files: Sequence[Path], count: int, seed: int) -> tuple[bytes, int]:
    """Return recordings with pauses of faint noise, as 16-bit samples, and their rate."""
    draw = np.random.default_rng(seed)
    parts, rate_hz = [], 0
    for index in draw.integers(0, len(files), count):
        samples, rate_hz = soundfile.read(files[index], dtype="float32")
        noise = 0.0005 * draw.standard_normal(round(PAUSE_S * rate_hz))
        parts += [samples[:rate_hz], noise.astype(np.float32)]
    sound = np.concatenate(parts)
    return (32767 * sound.clip(-1, 1)).astype("<i2").tobytes(), rate_hz


async def microphone(
    address: str, sound: bytes, rate_hz: int, start: float, until: float, load: Load
) -> None:
    """Send sound in real time until a time, and note when each piece is answered."""
    async with connect(address, max_size=None, compression=None) as socket:
        ready = json.loads(await socket.recv())
        if ready["type"] != "ready":
            load.errors.append(ready["error"])
            return
        assert rate_hz == ready["sample_rate_hz"]
        size = 2 * round(PIECE_S * rate_hz)
        sent: list[float] = []
        receiving = asyncio.create_task(_receive(socket, sent, load))
        position, due = 0, start
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            piece = sound[position : position + size]
            sent.append(time.perf_counter())
            load.late_s = max(load.late_s, sent[-1] - due)
            await socket.send(piece)
            position = (position + size) % (len(sound) - size)
            due += PIECE_S
        await socket.send('{"type": "end"}')
        await receiving


async def _receive(socket: Any, sent: list[float], load: Load) -> None:
    answered = 0
    async for text in socket:
        now = time.perf_counter()
        message = json.loads(text)
        if message["type"] != "prediction":
            load.errors.append(message["error"])
            continue
        load.num_words += len(message.get("words", ()))
        chunks = message["chunks"]
        load.latencies_s += [now - each for each in sent[answered:chunks]]
        answered = chunks
    if answered != len(sent):
        load.errors.append(f"{len(sent) - answered} pieces were not answered")


def summary(load: Load, first: int, pid: int | None) -> dict[str, Any]:
    """Return the latencies from a place on."""
    milliseconds = 1000 * np.array(load.latencies_s[first:] or [np.nan])
    found: dict[str, Any] = {
        "pieces": len(load.latencies_s) - first,
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 2),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 2),
        "max_ms": round(float(milliseconds.max()), 1),
        "client_late_ms": round(1000 * load.late_s, 1),
        "words": load.num_words,
        "errors": len(load.errors),
    }
    if pid is not None:
        status = Path(f"/proc/{pid}/status").read_text()
        found["resident_mb"] = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) // 1000
    return found


async def run(address: str, folder: Path, clients: int, seconds: float, pid: int | None) -> None:
    """Run the clients and print a summary each minute and at the end."""
    load, files = Load(), sorted(folder.rglob("*.wav"))
    sounds = [recordings(files, 40, number) for number in range(clients)]
    # Time to connect.
    start = time.perf_counter() + 2.0
    # Microphones of different clients do not tick together.
    starts = [start + PIECE_S * number / clients for number in range(clients)]
    tasks = [
        asyncio.create_task(microphone(address, *sound, begin, begin + seconds, load))
        for sound, begin in zip(sounds, starts, strict=True)
    ]
    first = 0
    while True:
        done, left = await asyncio.wait(tasks, timeout=60)
        if not left:
            break
        print(json.dumps({"minute": summary(load, first, pid)}), flush=True)
        first = len(load.latencies_s)
    load.errors += [repr(each.exception()) for each in done if each.exception()]
    print(json.dumps({"clients": clients, **summary(load, 0, pid), "first": load.errors[:3]}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pid", type=int)
    given = parser.parse_args()
    asyncio.run(run(given.address, given.folder, given.clients, given.seconds, given.pid))
