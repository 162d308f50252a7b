"""The page of a video classifier: camera and files, with the prediction over the picture."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_checks import bar_texts, unnamed_controls, wait_for_gates
from video_files import write_video

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def test_the_camera_streams_with_the_prediction_over_the_picture(open_model: Open) -> None:
    page = open_model("squares")
    page.get_by_role("button", name="Use the camera").click()
    page.locator(".overlay .label").filter(
        has_text=re.compile(r"^(left|right) \d+\.\d %$")
    ).wait_for()
    page.locator(".overlay .fps").filter(has_text=re.compile(r"^\d+\.\d frames/s$")).wait_for()
    assert page.get_by_label("Video", exact=True).evaluate("video => video.videoWidth") > 0
    seen = set()
    for _ in range(20):
        seen.add(tuple(bar_texts(page).values()))
        page.wait_for_timeout(100)
    assert len(seen) > 1
    wait_for_gates(page)
    assert unnamed_controls(page) == []
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("The camera is off.").wait_for()


def test_a_file_plays_with_the_running_prediction(open_model: Open, tmp_path: Path) -> None:
    frames = np.full((50, 96, 96, 3), 30, np.uint8)
    for number in range(50):
        frames[number, 24:72, number : number + 12] = 230
    write_video(tmp_path / "square.webm", frames, codec="libvpx-vp9")
    page = open_model("squares")
    page.set_input_files("input[type=file]", tmp_path / "square.webm")
    page.locator(".verdict").filter(has_text="%").wait_for()
    page.get_by_role("img", name="Prediction over time").wait_for()
    page.locator(".overlay .label").filter(has_text="%").wait_for()
    wait_for_gates(page)
    assert unnamed_controls(page) == []


def test_a_file_that_the_browser_cannot_play_has_its_prediction(
    open_model: Open, trained: Path
) -> None:
    page = open_model("squares")
    # MPEG-4 part 2: FFmpeg reads it, Chromium does not.
    page.set_input_files("input[type=file]", trained / "data" / "videos" / "left" / "0.mp4")
    page.locator(".verdict").filter(has_text="%").wait_for()
    page.get_by_text("This browser cannot play the file").wait_for()
