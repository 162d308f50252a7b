"""A real server on small checkpoints, and a real browser in front of it."""

import os
import re
import shutil
import sys
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from served_runs import train
from server_process import Server, running_server

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--autoplay-policy=no-user-gesture-required",
)
SAMPLE_RATE_HZ = 16000
# What the browser itself writes of an answer with an error status or of no answer.
NETWORK_MESSAGE = re.compile(r"^Failed to load resource: ")


class View(NamedTuple):
    """A tab of the browser.

    Attributes:
        page: the tab, a ``playwright.sync_api.Page``.
        messages: errors and warnings of its console, and errors that nothing caught.
    """

    page: Any
    messages: list[str]

    def problems(self) -> list[str]:
        """Return messages other than those of the browser about a status."""
        return [text for text in self.messages if not NETWORK_MESSAGE.match(text)]


def chromium_path() -> str:
    """Return the browser, or skip."""
    if sys.platform == "win32":
        pytest.skip("trains in forked processes")
    pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra test)")
    found = os.environ.get("GRU_SUITE_CHROMIUM") or next(
        filter(None, map(shutil.which, CHROMIUM)), None
    )
    if found is None:
        pytest.skip("needs Chromium (GRU_SUITE_CHROMIUM names it)")
    return found


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small checkpoint of each kind; see :func:`served_runs.train`."""
    chromium_path()
    return train(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def start_server(trained: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server on run folders, with further words."""
    packages = str(trained / "package" / "gru-suite-wave-kind")
    with ExitStack() as servers:

        def start(*names: str, words: Sequence[str] = ()) -> Server:
            checkpoints = [trained / name / "checkpoints" / "best.ckpt" for name in names]
            started = running_server(checkpoints, trained, words, packages)
            return servers.enter_context(started)

        yield start


@pytest.fixture(scope="session")
def server(start_server: Callable[..., Server]) -> Server:
    """Start the server of all the small checkpoints."""
    names = ("series", "texts", "tones", "ahead", "squares", "waves", "dates", "notes")
    return start_server(*names, "dictation", "walkers")


def write_tones(path: Path, seconds: float = 8.0) -> None:
    """Write the high and the low tone of small_runs in turn, half a second each, with silence."""
    count = int(seconds * SAMPLE_RATE_HZ)
    clock = np.arange(count) / SAMPLE_RATE_HZ
    draw = np.random.default_rng(1)
    pitch = np.where(clock % 2 < 1, 1000, 220)
    sound = 0.3 * np.sin(2 * np.pi * pitch * clock) + 0.03 * draw.standard_normal(count)
    samples = np.where(clock % 1 < 0.5, sound, 0.0)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes((32767 * samples).astype("<i2").tobytes())


def write_camera(path: Path) -> None:
    """Write the film of a fake camera: a square that moves to the right, as in small_runs."""
    from video_files import write_video

    frames = np.full((50, 96, 128, 3), 30, np.uint8)
    for number in range(50):
        left = (5 * number) % 116
        frames[number, 24:72, left : left + 12] = 230
    write_video(path, frames, codec="mjpeg", pixels="yuvj420p")


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what the fake microphone and the fake camera see: tones.wav and camera.mjpeg."""
    folder = tmp_path_factory.mktemp("media")
    write_tones(folder / "tones.wav")
    write_camera(folder / "camera.mjpeg")
    return folder


@pytest.fixture(scope="module")
def browser(media: Path) -> Iterator[Any]:
    """Start Chromium with a fake microphone and a fake camera.

    For one file: while it runs, its event loop is that of the thread, which other tests may need.
    """
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    devices = (
        f"--use-file-for-fake-audio-capture={media / 'tones.wav'}",
        f"--use-file-for-fake-video-capture={media / 'camera.mjpeg'}",
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *devices])
        yield chromium
        chromium.close()


@pytest.fixture
def view(browser: Any) -> Iterator[View]:
    """Open a tab; at the end its console must be clean."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    opened = View(page, [])
    page.on(
        "console",
        lambda message: (
            opened.messages.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: opened.messages.append(str(error)))
    yield opened
    context.close()
    assert opened.problems() == []


@pytest.fixture
def open_model(view: View, server: Server) -> Callable[[str], Any]:
    """Return a function that shows the page of a model and returns the tab."""

    def show(name: str) -> Any:
        view.page.goto(f"{server.url}/#/{name}")
        view.page.get_by_role("heading", level=1, name=name, exact=True).wait_for()
        return view.page

    return show


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return the folder of the screenshots: GRU_SUITE_SCREENSHOTS, or a temporary one."""
    folder = Path(os.environ.get("GRU_SUITE_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
