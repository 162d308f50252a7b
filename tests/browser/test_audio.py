"""The page of a sound classifier: microphone, streamed or recorded, and files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_checks import NO_NUMBER, bar_texts, color_count, unnamed_controls, wait_for_gates

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def test_the_microphone_streams(open_model: Open) -> None:
    page = open_model("tones")
    page.get_by_role("button", name="Use the microphone").click()
    page.get_by_text("Listening.").first.wait_for()
    page.locator(".bars .number").filter(has_text="%").first.wait_for()
    level = page.get_by_label("Level")
    seen, levels = set(), []
    for _ in range(40):
        seen.add(tuple(bar_texts(page).values()))
        levels.append(float(level.evaluate("meter => meter.value")))
        page.wait_for_timeout(100)
    assert len(seen) > 3, "the posteriors follow the sound"
    assert color_count(page.get_by_role("img", name="Waveform of the microphone")) > 1
    # The tones have -13 dB, and silence lies between them.
    assert min(levels) == -60
    assert -20 < max(levels) < -8
    wait_for_gates(page)
    word = page.get_by_role("list", name="Words").get_by_role("listitem").first
    word.wait_for()
    assert "%" in word.inner_text()
    assert unnamed_controls(page) == []
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("The microphone is off.").wait_for()
    # And again, with nothing left of the first time.
    page.get_by_role("button", name="Use the microphone").click()
    page.locator(".bars .number").filter(has_text="%").first.wait_for()
    page.get_by_role("link", name="texts").click()
    page.get_by_role("heading", level=1, name="texts").wait_for()


def test_a_checkpoint_that_looks_ahead_predicts_at_stop(open_model: Open, server: Any) -> None:
    page = open_model("ahead")
    reason = page.request.get(f"{server.url}/v1/models/ahead").json()["stream_reason"]
    assert reason
    assert page.get_by_text(reason).is_visible()
    page.get_by_role("button", name="Use the microphone").click()
    page.get_by_text("Recording.").wait_for()
    page.wait_for_timeout(2500)
    assert set(bar_texts(page).values()) == {NO_NUMBER}
    assert color_count(page.get_by_role("img", name="Waveform of the microphone")) > 1
    page.get_by_role("button", name="Stop").click()
    page.locator(".verdict").filter(has_text="%").wait_for()
    assert page.get_by_role("img", name="Probabilities over time").is_visible()
    wait_for_gates(page)


def test_a_file_gives_a_timeline(open_model: Open, media: Path) -> None:
    page = open_model("tones")
    page.set_input_files("input[type=file]", media / "tones.wav")
    chart = page.get_by_role("img", name="Probabilities over time")
    chart.wait_for()
    assert color_count(chart.locator("canvas")) > 20
    page.get_by_text("Probabilities as a table").click()
    page.get_by_role("region", name="Table of probabilities").locator("tbody tr").nth(5).wait_for()
    assert page.get_by_label("The recording").is_visible()
    wait_for_gates(page)
    assert unnamed_controls(page) == []


def test_a_file_that_is_no_sound_gives_the_servers_sentence(open_model: Open) -> None:
    page = open_model("tones")
    page.set_input_files(
        "input[type=file]", {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"no sound"}
    )
    page.locator(".error").filter(has_text="a.wav").wait_for()
