"""The page of a tracker: boxes drawn in the first frame, and played back over the video."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_checks import unnamed_controls
from video_files import write_video

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def film(path: Path) -> Path:
    frames = np.full((30, 96, 128, 3), 40, np.uint8)
    for number in range(30):
        frames[number, 30:60, 10 + 2 * number : 40 + 2 * number] = (230, 200, 90)
    return write_video(path, frames, codec="libvpx-vp9")


def test_a_drawn_box_is_followed(open_model: Open, server: Any, tmp_path: Path) -> None:
    page = open_model("walkers")
    page.set_input_files("input[type=file]", film(tmp_path / "square.webm"))
    layer = page.locator("canvas.layer")
    # wait_for_function evaluates strings in the page, whose policy forbids it.
    for _ in range(200):
        if page.locator("video").evaluate("video => video.videoWidth > 0"):
            break
        page.wait_for_timeout(100)
    area = layer.bounding_box()
    scale = area["width"] / 128
    assert area["height"] / 96 == pytest.approx(scale, rel=0.02)
    follow = page.get_by_role("button", name="Follow", exact=True)
    assert follow.is_disabled()
    page.mouse.move(area["x"] + 10 * scale, area["y"] + 30 * scale)
    page.mouse.down()
    page.mouse.move(area["x"] + 40 * scale, area["y"] + 60 * scale, steps=3)
    page.mouse.up()
    page.get_by_text("Boxes as numbers, in pixels").click()
    inputs = page.locator(".box-row input")
    typed = [int(inputs.nth(place).input_value()) for place in range(4)]
    assert typed == pytest.approx([10, 30, 30, 30], abs=1)
    follow.click()
    page.locator(".verdict").filter(has_text="Followed 1 object through 30 frames").wait_for()
    page.get_by_text("Boxes as a table").click()
    table = page.get_by_role("region", name="Table of the boxes")
    first = table.locator("tbody tr").first.locator("td").all_inner_texts()
    assert [float(cell) for cell in first[2:6]] == typed
    painted = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
    assert layer.evaluate(f"canvas => ({painted})(canvas).data.some((value) => value > 0)")
    assert unnamed_controls(page) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Boxes (.csv)").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == 31


def test_boxes_can_be_typed(open_model: Open, tmp_path: Path) -> None:
    page = open_model("walkers")
    page.set_input_files("input[type=file]", film(tmp_path / "square.webm"))
    page.get_by_text("Boxes as numbers, in pixels").click()
    page.get_by_role("button", name="Add a box").click()
    page.get_by_role("button", name="Add a box").click()
    page.get_by_role("button", name="Remove box 1").click()
    for place, value in enumerate((10, 30, 30, 30)):
        page.locator(".box-row input").nth(place).fill(str(value))
        page.locator(".box-row input").nth(place).blur()
    page.get_by_role("button", name="Follow", exact=True).click()
    page.locator(".verdict").filter(has_text="Followed 1 object").wait_for()
    assert unnamed_controls(page) == []


def test_the_example_has_its_box(open_model: Open) -> None:
    page = open_model("walkers")
    page.get_by_role("button", name="Try an example").click()
    page.get_by_role("button", name="Follow", exact=True).click()
    page.locator(".verdict").filter(has_text="Followed 1 object").wait_for()
