"""The page of a summariser: the summary, and the document with its sentences shaded by score."""

from collections.abc import Callable
from typing import Any

import pytest
from page_checks import unnamed_controls, wait_for_gates

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]
TEXT = (
    "Read a file of settings. The file is written in TOML. It returns a dictionary of the values, "
    "and <b>nothing</b> is cached. Errors name the line."
)


def test_sentences_are_shaded_and_the_chosen_ones_marked(open_model: Open, server: Any) -> None:
    page = open_model("notes")
    answer = page.request.post(f"{server.url}/v1/models/notes/predict", data={"input": TEXT})
    expected = answer.json()["predictions"][0]
    sentences = expected["sentences"]
    assert len(sentences) == 4
    page.get_by_label("Text", exact=True).fill(TEXT)
    page.get_by_role("button", name="Summarise").click()
    shown = page.get_by_role("listbox", name="Sentences of the document").get_by_role("option")
    shown.first.wait_for()
    assert page.locator(".written").inner_text() == expected["summary"]
    assert shown.all_inner_texts() == [each["text"] for each in sentences]
    largest = max(each["score"] for each in sentences)
    for place, each in enumerate(sentences):
        piece = shown.nth(place)
        strength = piece.evaluate("node => Number(node.style.getPropertyValue('--strength'))")
        assert strength == pytest.approx(each["score"] / largest, abs=0.001)
        # Not by the colour alone.
        mark = piece.evaluate("node => getComputedStyle(node, '::before').content")
        assert ("\N{CHECK MARK}" in mark) == each["chosen"]
        piece.hover()
        said = f"Sentence {place + 1} of 4: score {100 * each['score']:.1f} %"
        page.get_by_text(said + (", in the summary." if each["chosen"] else ".")).wait_for()
    page.get_by_role("heading", level=1).hover()
    assert page.get_by_text("Sentence 4 of 4").count() == 0
    shown.first.focus()
    page.keyboard.press("ArrowDown")
    page.get_by_text("Sentence 2 of 4").wait_for()
    page.get_by_text("Scores as a table").click()
    rows = page.get_by_role("region", name="Table of the scores").locator("tbody tr")
    assert [("yes" in row) for row in rows.all_inner_texts()] == [e["chosen"] for e in sentences]
    assert page.locator("main b").count() == 0
    assert unnamed_controls(page) == []
    wait_for_gates(page)


def test_a_text_without_words_is_refused_in_words(open_model: Open) -> None:
    page = open_model("notes")
    page.get_by_role("button", name="Summarise").click()
    page.get_by_role("alert").filter(has_text="Type or paste a text first.").wait_for()
