"""The page of a text-to-text model: target, alternatives, and the alignment in both directions."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from page_checks import color_count, unnamed_controls, wait_for_gates

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]
TEXT = "Saturday, April 3, 2021"


def prediction_of(page: Any, server: Any, text: str) -> dict[str, Any]:
    """Return what the server says of the same text."""
    answer = page.request.post(f"{server.url}/v1/models/dates/predict", data={"input": text})
    return dict(answer.json()["predictions"][0])


def strengths(words: Any) -> list[float]:
    """Return how strongly each word is shaded, 0 to 1."""
    script = "nodes => nodes.map((node) => Number(node.style.getPropertyValue('--strength')))"
    return list(words.evaluate_all(script))


def translate(page: Any, text: str) -> None:
    """Type a text and wait for its translation."""
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Translate").click()
    page.get_by_role("region", name="Alignment", exact=True).wait_for()


def test_text_alternatives_and_scores(open_model: Open, server: Any) -> None:
    page = open_model("dates")
    expected = prediction_of(page, server, TEXT)
    area = page.get_by_label("Text", exact=True)
    area.fill(TEXT)
    # Not while one types.
    page.wait_for_timeout(400)
    assert page.get_by_role("listbox").count() == 0
    area.press("Control+Enter")
    page.get_by_role("region", name="Alignment", exact=True).wait_for()
    assert page.locator(".written").inner_text() == expected["text"]
    share = f"{100 * math.exp(expected['score']):.1f} %"
    assert share in page.get_by_text("a token, geometric mean").inner_text()
    others = page.get_by_role("list", name="Alternatives").get_by_role("listitem")
    assert others.count() == len(expected["alternatives"]) > 0
    first = expected["alternatives"][0]
    share = f"{100 * math.exp(first['score']):.1f} % a token"
    assert others.first.inner_text() == f"{first['text']} {share}"
    assert color_count(page.get_by_role("img", name="Attention of each target word")) > 1
    assert unnamed_controls(page) == []
    wait_for_gates(page)
    page.get_by_text("Use it in Python or from a shell").click()
    assert TEXT in page.get_by_label("Shell, by this server", exact=True).inner_text()


def test_words_shade_those_of_the_other_side(open_model: Open, server: Any) -> None:
    page = open_model("dates")
    translate(page, TEXT)
    found = prediction_of(page, server, TEXT)
    attention = found["attention"]
    source = page.get_by_role("listbox", name="Words of the source").get_by_role("option")
    target = page.get_by_role("listbox", name="Words of the target").get_by_role("option")
    assert source.all_inner_texts() == found["source_words"]
    assert target.all_inner_texts() == found["target_words"]
    assert set(strengths(source) + strengths(target)) == {0.0}
    # By the mouse, then away from it.
    target.first.hover()
    expected = [share / max(attention[0]) for share in attention[0]]
    assert strengths(source) == pytest.approx(expected, abs=0.001)
    page.get_by_text("is made from").wait_for()
    page.get_by_role("heading", level=1).hover()
    assert set(strengths(source)) == {0.0}
    # By the keyboard: one stop for a line, arrows within it.
    source.first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == found["source_words"][1]
    column = [row[1] for row in attention]
    expected = [share / max(column) for share in column]
    assert strengths(target) == pytest.approx(expected, abs=0.001)
    assert source.nth(1).get_attribute("aria-selected") == "true"
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == found["source_words"][-1]
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == found["source_words"][-1]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == found["target_words"][0]
    # The heat map is read value by value.
    page.get_by_role("img", name="Attention of each target word").focus()
    page.keyboard.press("ArrowRight")
    said = f"from “{found['source_words'][1]}”: {100 * attention[0][1]:.1f} %"
    page.get_by_text(said).wait_for()


def test_a_finger_points_too(browser: Any, server: Any) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(f"{server.url}/#/dates")
    page.get_by_role("button", name="Try an example").tap()
    target = page.get_by_role("listbox", name="Words of the target").get_by_role("option")
    target.first.tap()
    page.get_by_text("is made from").wait_for()
    source = page.get_by_role("listbox", name="Words of the source").get_by_role("option")
    assert max(strengths(source)) == 1
    context.close()


def test_a_file_fills_the_box(open_model: Open) -> None:
    page = open_model("dates")
    area = page.get_by_label("Text", exact=True)
    file = {"name": "a.txt", "mimeType": "text/plain", "buffer": "\ufeff3. März 2021".encode()}
    page.set_input_files("input[type=file]", file)
    page.get_by_role("region", name="Alignment", exact=True).wait_for()
    assert area.input_value() == "3. März 2021"
    page.set_input_files("input[type=file]", {**file, "buffer": "März".encode("latin-1")})
    page.get_by_role("alert").filter(has_text="a.txt: is not UTF-8").wait_for()
    page.set_input_files("input[type=file]", {**file, "buffer": b"a" * 500_001})
    page.get_by_role("alert").filter(has_text="a.txt: has more than the 100,000 ch").wait_for()
    page.set_input_files("input[type=file]", {**file, "name": "a.pdf"})
    page.get_by_role("alert").filter(has_text="a.pdf: needs a file of .txt").wait_for()
    assert area.input_value() == "3. März 2021"


def test_errors_stand_in_words(open_model: Open, server: Any) -> None:
    page = open_model("dates")
    page.get_by_role("button", name="Translate").click()
    page.get_by_role("alert").filter(has_text="Type or paste a text first.").wait_for()
    long = "3 April " * 400
    page.get_by_label("Text", exact=True).fill(long)
    page.get_by_role("button", name="Translate").click()
    answer = page.request.post(f"{server.url}/v1/models/dates/predict", data={"input": long})
    assert answer.status == 422
    page.get_by_role("alert").filter(has_text=answer.json()["error"]).wait_for()
    # What follows is not hindered by it, and markup stays text.
    translate(page, "<b>3</b> April <img src=x>")
    assert page.get_by_role("alert").filter(has_text=" ").count() == 0
    assert page.locator("main img, main .piece b").count() == 0
