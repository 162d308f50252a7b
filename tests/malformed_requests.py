"""Requests that no client should send: a body, its headers and its path for each seed."""

import base64
import io
import json
import random
import wave
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from service_models import load_table

SECRET_PATHS = ("/etc/passwd", "../../../../etc/passwd", "file:///etc/passwd", "..\\..\\boot.ini")
KINDS = {
    "series": "table", "texts": "text", "live-texts": "text", "words": "audio", "moves": "video",
}  # fmt: skip
SUFFIXES = {
    "table": [".csv", ".tsv", ".parquet", ".xlsx"], "text": [".txt"],
    "audio": [".wav", ".flac", ".webm"], "video": [".mp4", ".webm"],
}  # fmt: skip
WORDS = (
    "null", "true", "-1", "0", "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "9" * 400,
    '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '""', '"' + "a" * 3000 + '"', "[]", "{}", "[[]]",
    "[null]", '[{"a": [1, {"b": null}]}]', "[" * 900 + "]" * 900, '{"a":' * 300 + "1" + "}" * 300,
)  # fmt: skip


class Malformed(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def recording() -> bytes:
    """Return a small WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((9000 * np.sin(np.arange(4000) / 9)).astype("<i2").tobytes())
    return buffer.getvalue()


def files(video: bytes) -> dict[str, bytes]:
    """Return a good file of each suffix."""
    table = load_table(40)
    parquet = io.BytesIO()
    table.to_parquet(parquet, index=False)
    csv = table.to_csv(index=False).encode()
    return {
        ".csv": csv,
        ".tsv": csv.replace(b",", b"\t"),
        ".parquet": parquet.getvalue(),
        ".xlsx": b"PK\x03\x04" + bytes(200),
        ".txt": "a good film".encode("utf-16"),
        ".wav": recording(),
        ".mp4": video,
        ".flac": recording(),
        ".webm": video,
    }


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Cut, overwrite, repeat or mix the bytes of a file."""
    changed = bytearray(content)
    kind = draw.randrange(5)
    if kind == 0:
        return content[: draw.randrange(len(content) + 1)]
    if kind == 1:
        for _ in range(draw.randrange(1, 30)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    elif kind == 2:
        first = draw.randrange(len(changed))
        changed[first : first + draw.randrange(1, 99)] = draw.randbytes(draw.randrange(99))
    elif kind == 3:
        return draw.randbytes(draw.randrange(2000))
    else:
        # Sizes of headers.
        first = draw.randrange(min(64, len(changed)))
        changed[first : first + 4] = draw.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
    return bytes(changed)


def _value(draw: random.Random, kind: str) -> str:
    """Return JSON, or what looks like it, in place of an input."""
    word = draw.choice(WORDS)
    shapes: dict[str, tuple[str, ...]] = {
        "text": (word, f"[{word}]", json.dumps(draw.choice(SECRET_PATHS))),
        "table": (
            word,
            f'{{"csv": {word}}}',
            f'{{"rows": {word}}}',
            f'{{"rows": [{{"time": {word}, "id": "a", "rain": 1, "load": {word}}}]}}',
            f'{{"columns": {{"time": [{word}], "id": ["a"], "rain": [1], "load": [1]}}}}',
            f'{{"columns": {{"time": ["2024-01-01"], "load": {word}}}}}',
            json.dumps({"csv": draw.choice(SECRET_PATHS)}),
            json.dumps({"path": draw.choice(SECRET_PATHS)}),
            json.dumps({"csv": 'time,id,rain,load\n"' + "x\n" * draw.randrange(40)}),
            _long_table(draw, word),
        ),
        "audio": (
            word,
            f'{{"samples": {word}, "sample_rate_hz": 16000}}',
            f'{{"samples": [{word}, 0.1], "sample_rate_hz": 16000}}',
            f'{{"samples": [0.1, 0.2, 0.3], "sample_rate_hz": {word}}}',
            json.dumps({"samples": draw.choice(SECRET_PATHS), "sample_rate_hz": 16000}),
        ),
        "video": (
            word,
            f'{{"frames": {word}}}',
            f'{{"frames": [[[[{word}, 0, 0]]]]}}',
            f'{{"frames": [[[[1, 2, 3], {word}]]]}}',
            json.dumps({"frames": draw.choice(SECRET_PATHS)}),
        ),
    }
    return draw.choice(shapes[kind])


def _long_table(draw: random.Random, word: str) -> str:
    """Return a table of enough rows, with one odd value."""
    table = load_table(30, ("a",)).astype({"time": str})
    columns = {name: [json.dumps(each) for each in table[name].tolist()] for name in table}
    columns[draw.choice(list(columns))][draw.randrange(30)] = word
    text = ", ".join(f'"{name}": [{", ".join(each)}]' for name, each in columns.items())
    return f'{{"columns": {{{text}}}}}'


def _json_body(draw: random.Random, kind: str) -> bytes:
    value = _value(draw, kind)
    body = draw.choice(
        (
            f'{{"input": {value}}}',
            f'{{"inputs": [{value}, {_value(draw, kind)}]}}',
            f'{{"inputs": {value}}}',
            f'{{"input": {value}, "layer": {draw.choice(WORDS)}}}',
            f'{{"input": {value}, "extra": 1}}',
            value,
        )
    ).encode("utf-8", "surrogatepass")
    chance = draw.random()
    if chance < 0.1:
        return body[: draw.randrange(len(body) + 1)]
    if chance < 0.15:
        return body.decode().encode("utf-16")
    return body


def _form(draw: random.Random, content: bytes, name: str) -> tuple[str, bytes]:
    boundary = "xyz"
    field = draw.choice(("files", "file", "layer", 'a"b'))
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; '
        f'filename="{name}"\r\nContent-Type: {draw.choice(("text/csv", "x", ""))}\r\n\r\n'
    ).encode() + content
    body += f"\r\n--{boundary}--\r\n".encode()
    if draw.random() < 0.2:
        body = damaged(draw, body)
    return f"multipart/form-data; boundary={boundary}", body


def malformed(seed: int, good: dict[str, bytes]) -> Malformed:
    """Return the request of a seed.

    Args:
        seed: any number.
        good: :func:`files`.
    """
    draw = random.Random(seed)
    model = draw.choice(list(KINDS))
    name = draw.choice((model,) * 60 + ("no model", "../..", "%00", "é", "a" * 500))
    verb = draw.choice(("predict",) * 14 + ("gates",) * 4 + ("explain", "stream", "other"))
    path = f"/v1/models/{name}/{verb}".replace(" ", "%20").replace("é", "%C3%A9")
    method = "POST" if draw.random() < 0.95 else draw.choice(("GET", "PUT", "DELETE", "PATCH"))
    suffix = draw.choice(SUFFIXES[KINDS[model]] if draw.random() < 0.9 else list(good))
    content = good[suffix]
    file_name = draw.choice((f"a{suffix}",) * 3 + SECRET_PATHS + (f"../../a{suffix}", "", suffix))
    makers: dict[str, Callable[[], tuple[str, bytes]]] = {
        "json": lambda: ("application/json", _json_body(draw, KINDS[model])),
        "base64": lambda: ("application/json", _base64_body(draw, content, file_name)),
        "form": lambda: _form(draw, damaged(draw, content), file_name),
        "other": lambda: (
            draw.choice(("text/plain", "multipart/form-data", "application/json; charset=x", "/")),
            draw.randbytes(draw.randrange(300)),
        ),
    }
    kind = draw.choice(("json", "json", "json", "base64", "form", "form", "other"))
    content_type, body = makers[kind]()
    return Malformed(method, path, {"content-type": content_type}, body)


def _base64_body(draw: random.Random, content: bytes, name: str) -> bytes:
    text = base64.b64encode(damaged(draw, content)).decode()
    if draw.random() < 0.3:
        text = draw.choice(("!", "YQ", "=", text + "=", "é", "a b", *SECRET_PATHS))
    value: dict[str, Any] = {"base64": text, "name": name}
    if draw.random() < 0.2:
        value[draw.choice(("name", "base64", "path"))] = draw.choice((None, 1, [], {}))
    return json.dumps({"input": value}).encode()
