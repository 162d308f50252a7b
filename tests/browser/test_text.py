"""The page of a text classifier: probabilities and token weights follow as one types."""

from collections.abc import Callable
from typing import Any

import pytest
from page_checks import NO_NUMBER, bar_texts, unnamed_controls, wait_for_gates

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def test_bars_and_tokens_follow_the_typing(open_model: Open) -> None:
    page = open_model("texts")
    area = page.get_by_label("Text", exact=True)
    area.press_sequentially("great w1 w2", delay=20)
    said = page.locator(".verdict")
    said.filter(has_text="pos, ").wait_for()
    first = bar_texts(page)
    assert set(first) == {"neg", "pos"}
    assert all(text.endswith(" %") for text in first.values())
    page.locator(".tokens .token").first.wait_for()
    assert page.locator(".tokens").inner_text() == "great w1 w2"
    area.fill("awful poor w3 😀 bad")
    said.filter(has_text="neg, ").wait_for()
    assert bar_texts(page) != first
    # Places count characters: what follows an emoji is not shifted.
    assert page.locator(".tokens").inner_text() == "awful poor w3 😀 bad"
    assert "bad" in page.locator(".tokens .token").all_inner_texts()
    title = page.locator(".tokens .token").first.get_attribute("title")
    assert title[0] in "+\N{MINUS SIGN}"
    wait_for_gates(page)
    page.get_by_text("Weights as a table").click()
    assert unnamed_controls(page) == []
    area.fill("")
    said.filter(has_text="Type or paste a text.").wait_for()
    assert set(bar_texts(page).values()) == {NO_NUMBER}


def test_stale_answers_are_dropped(open_model: Open) -> None:
    page = open_model("texts")
    held = []
    page.route("**/explain", lambda route: held.append(route) if not held else route.continue_())
    area = page.get_by_label("Text", exact=True)
    area.fill("awful bad poor")
    page.wait_for_timeout(500)
    assert len(held) == 1
    area.fill("great good fine")
    page.locator(".verdict").filter(has_text="pos, ").wait_for()
    held[0].abort()
    page.wait_for_timeout(200)
    assert page.locator(".verdict").inner_text().startswith("pos, ")


def test_markup_stays_text(open_model: Open) -> None:
    page = open_model("texts")
    text = "good <b>film</b> <img src=x onerror=document.title=1>"
    page.get_by_label("Text", exact=True).fill(text)
    page.locator(".tokens .token").first.wait_for()
    assert page.locator(".tokens").inner_text() == text
    assert page.locator("main img, main b").count() == 0
