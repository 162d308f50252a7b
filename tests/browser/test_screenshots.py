"""Every page on a phone and on a desk, light and dark; GRU_SUITE_SCREENSHOTS keeps the pictures."""

from pathlib import Path
from typing import Any

import pytest
from page_checks import low_contrasts

pytestmark = pytest.mark.slow

NAMES = (
    "series",
    "texts",
    "tones",
    "squares",
    "waves",
    "dates",
    "notes",
    "dictation",
    "walkers",
)


def fill(page: Any, name: str, trained: Path, media: Path) -> None:
    """Give the page of a model an input, and wait for its prediction."""
    if name == "squares":
        page.set_input_files("input[type=file]", trained / "data" / "videos" / "left" / "0.mp4")
    elif name in ("tones", "dictation"):
        page.set_input_files("input[type=file]", media / "tones.wav")
    elif name == "waves":
        page.get_by_label("Rows of numbers, one a step").fill("0.1, 0.2, 0.3\n" * 20)
        page.get_by_role("button", name="Predict").click()
    else:
        page.get_by_role("button", name="Try an example").click()
    if name == "series":
        page.get_by_role("img", name="Chart of value").wait_for()
    elif name in ("dates", "notes"):
        page.get_by_role("option").first.hover()
    elif name == "dictation":
        page.get_by_label("The recording").wait_for()
    elif name == "walkers":
        page.get_by_role("button", name="Follow", exact=True).click()
        page.locator(".verdict").filter(has_text="Followed 1 object").wait_for()
    else:
        page.locator(".verdict").filter(has_text="%").wait_for()
    page.locator(".gates .heat-map").first.wait_for()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_screen_and_can_be_read(
    browser: Any,
    server: Any,
    trained: Path,
    media: Path,
    pictures: Path,
    width: int,
    scheme: str,
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    for name in NAMES:
        page.goto(f"{server.url}/#/{name}")
        page.get_by_role("heading", level=1, name=name, exact=True).wait_for()
        fill(page, name, trained, media)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert low_contrasts(page) == {}, name
        page.screenshot(path=pictures / f"{name}_{width}_{scheme}.png", full_page=True)
    context.close()
