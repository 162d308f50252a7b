"""The page of a speech-to-text model: a file, and the microphone while it runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_checks import unnamed_controls, wait_for_gates

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def test_a_file_gives_a_transcript(open_model: Open, server: Any, media: Path) -> None:
    page = open_model("dictation")
    sound = media / "tones.wav"
    answer = page.request.post(
        f"{server.url}/v1/models/dictation/predict",
        multipart={
            "files": {"name": "tones.wav", "mimeType": "audio/wav", "buffer": sound.read_bytes()}
        },
    )
    expected = answer.json()["predictions"][0]
    page.set_input_files("input[type=file]", sound)
    page.get_by_label("The recording").wait_for()
    shown = page.locator(".written").inner_text()
    assert shown == (expected["text"] or "No words found.")
    assert unnamed_controls(page) == []
    wait_for_gates(page)


def test_the_microphone_is_transcribed_while_it_runs(open_model: Open) -> None:
    page = open_model("dictation")
    page.get_by_role("button", name="Use the microphone").click()
    page.get_by_label("Waveform of the microphone").wait_for()
    wait_for_gates(page)
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("The microphone is off.").wait_for()
    assert page.locator(".written").inner_text()
    assert page.locator(".written .open").count() == 0
    assert unnamed_controls(page) == []
