"""Options of ``gru-suite serve``."""

import dataclasses
import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gru_suite.errors import UserError, nearest

_PREFIX = "serve."


@dataclass(frozen=True)
class ServeOptions:
    """Options of a server.

    Attributes:
        checkpoints: files to serve.
        folder: a folder whose finished runs are served, or None.
        device: ``cpu``, ``gpu`` or ``auto``.
        host: address to listen at.
        port: to listen at; 0 takes a free one.
        token: that requests must carry; empty for none.
        threads: of torch.
        batch_size: inputs predicted at once, at most; 1 switches batching off.
        wait_ms: longest wait for further requests of a batch, while they are being received.
        max_body_mb: largest body of a request.
        max_items: inputs in a request.
        max_seconds: of a recording or video.
        max_queue: inputs that wait; further requests are refused.
        max_streams: concurrent streams of all models.
        max_models: models in memory; the least recently used is dropped.
        requests_per_second: of one client address; 0 for no limit.
        timeout_s: longest time for a prediction, and for a client to take a message.
    """

    checkpoints: tuple[Path, ...] = ()
    folder: Path | None = None
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = 8765
    token: str = ""
    threads: int = 1
    batch_size: int = 64
    wait_ms: float = 2.0
    max_body_mb: float = 32.0
    max_items: int = 256
    max_seconds: float = 600.0
    max_queue: int = 1024
    max_streams: int = 64
    max_models: int = 8
    requests_per_second: float = 100.0
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            UserError: an option is out of its range, or a server for other machines has no token.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not least <= value < math.inf:
                raise UserError(f"serve.{name}={value:g}: needs at least {least:g}, and finite")
        if self.port > 65535:
            raise UserError(f"serve.port={self.port}: needs a number from 0 to 65535")
        if not self.is_local and not self.token:
            raise UserError(
                f"serve.host={self.host}: other machines could reach the server; add "
                "serve.token=SECRET, or leave serve.host out"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


_LEAST: dict[str, float] = {
    "port": 0,
    "threads": 1,
    "batch_size": 1,
    "wait_ms": 0,
    "max_body_mb": 0.001,
    "max_items": 1,
    "max_seconds": 0.1,
    "max_queue": 1,
    "max_streams": 0,
    "max_models": 1,
    "requests_per_second": 0,
    "timeout_s": 0.1,
}


def parse_options(words: Sequence[str]) -> ServeOptions:
    """Return the options of a command line.

    Args:
        words: ``checkpoint=FILE``, several separated by commas or repeated; ``serve=FOLDER``;
            ``device=``; ``serve.<option>=``.

    Raises:
        UserError: an option is unknown or its value not valid, or there is nothing to serve.
    """
    fields = {each.name: each for each in dataclasses.fields(ServeOptions)}
    keys = ["checkpoint", "serve", "device"]
    keys += [
        f"{_PREFIX}{name}" for name in fields if name not in ("checkpoints", "folder", "device")
    ]
    found: dict[str, object] = {}
    checkpoints: list[Path] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"{word!r} is no option; write checkpoint={word}")
        if key not in keys:
            raise UserError(f"no key {key!r}{nearest(key, keys)}")
        if key == "checkpoint":
            checkpoints += [Path(each) for each in value.strip("[]").split(",") if each]
        elif key == "serve":
            found["folder"] = Path(value).expanduser()
        else:
            name = key.removeprefix(_PREFIX)
            found[name] = _converted(key, value, type(fields[name].default))
    if not checkpoints and "folder" not in found:
        raise UserError(
            "nothing to serve; add checkpoint=FILE, or serve=outputs for all finished runs there"
        )
    return ServeOptions(checkpoints=tuple(checkpoints), **found)  # type: ignore[arg-type]


def _converted(key: str, value: str, kind: type) -> object:
    try:
        return kind(value)
    except ValueError:
        needed = "a whole number" if kind is int else "a number"
        raise UserError(f"{key}={value}: needs {needed}") from None
