"""What every page has: the list of models, card, lines of code, token, errors, names for all."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from page_checks import unnamed_controls

pytestmark = pytest.mark.slow

NAMES = ("series", "texts", "tones", "ahead", "squares", "waves", "dates", "notes")
NAMES += ("dictation", "walkers")
Open = Callable[[str], Any]


def test_the_list_leads_to_each_model(view: Any, server: Any) -> None:
    page = view.page
    page.goto(server.url)
    links = page.get_by_role("navigation", name="Models").get_by_role("link")
    links.first.wait_for()
    assert links.count() == len(NAMES)
    for name in NAMES:
        links.filter(has_text=re.compile(rf"^{name}")).click()
        page.get_by_role("heading", level=1, name=name, exact=True).wait_for()
        assert page.title() == f"{name} - GRU Suite"
        assert page.evaluate("document.activeElement.tagName") == "H1"


@pytest.mark.parametrize("name", NAMES)
def test_every_page_has_names_card_and_code(name: str, open_model: Open, server: Any) -> None:
    page = open_model(name)
    assert unnamed_controls(page) == []
    page.get_by_text("Model card").click()
    card = page.locator(".card")
    assert card.locator("li").count() > 3
    assert card.get_by_text("Limits").is_visible()
    page.get_by_text("Use it in Python or from a shell").click()
    code = page.get_by_label("Python, with the checkpoint", exact=True)
    assert "gru_suite.load" in code.inner_text()
    assert (
        f"{server.url}/v1/models/{name}/predict"
        in page.get_by_label("Shell, by this server", exact=True).inner_text()
    )
    page.get_by_role("button", name="Copy: Python, with the checkpoint").click()
    page.get_by_text(re.compile(r"^(Copied|Selected)")).wait_for()
    assert unnamed_controls(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_unknown_model_is_an_error_in_words(view: Any, server: Any) -> None:
    view.page.goto(f"{server.url}/#/nothing")
    view.page.get_by_role("alert").filter(has_text=re.compile(r"\w+ .*")).wait_for()


def test_token_and_a_server_that_goes_and_comes(
    view: Any, start_server: Callable[..., Any]
) -> None:
    guarded = start_server("texts", words=("serve.token=right-and-long",))
    page = view.page
    page.goto(f"{guarded.url}/#/texts")
    dialog = page.get_by_role("dialog", name="This server needs a token")
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Continue").click()
    dialog = page.get_by_role("dialog", name="The server does not accept this token")
    dialog.get_by_label("Token").fill("right-and-long")
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="texts").wait_for()
    # It lives as long as the tab.
    page.reload()
    page.get_by_role("heading", level=1, name="texts").wait_for()
    page.get_by_text("Use it in Python or from a shell").click()
    assert "Bearer" in page.get_by_label("Shell, by this server", exact=True).inner_text()
    # By the address, and then out of it.
    page.evaluate("sessionStorage.clear()")
    page.goto(f"{guarded.url}/?token=right-and-long#/texts")
    page.get_by_role("heading", level=1, name="texts").wait_for()
    assert "token" not in page.url

    guarded.process.terminate()
    guarded.process.wait(timeout=30)
    page.get_by_label("Text", exact=True).fill("good film")
    page.locator("#connection").filter(has_text="does not respond").wait_for()
    port = guarded.url.rsplit(":", 1)[1]
    start_server("texts", words=("serve.token=right-and-long", f"serve.port={port}"))
    # The text that was typed is still there, and its prediction comes by itself.
    page.locator("#connection").filter(has_text="responds again").wait_for()
    page.locator(".verdict").filter(has_text="%").wait_for()
    assert page.get_by_label("Text", exact=True).input_value() == "good film"
