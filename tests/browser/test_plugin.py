"""The page of a task that somebody else wrote: rows of numbers in, classes out."""

from collections.abc import Callable
from typing import Any

import pytest
from page_checks import bar_texts, unnamed_controls, wait_for_gates

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


def test_rows_of_numbers_become_probabilities(open_model: Open, server: Any) -> None:
    page = open_model("waves")
    rows = [[0.1 * step, 1.0, -0.2] for step in range(20)]
    area = page.get_by_label("Rows of numbers, one a step")
    area.fill("\n".join(", ".join(map(str, row)) for row in rows))
    page.get_by_role("button", name="Predict").click()
    page.locator(".verdict").filter(has_text="%").wait_for()
    answer = page.request.post(f"{server.url}/v1/models/waves/predict", data={"input": rows})
    probability = answer.json()["predictions"][0]["probability"]
    assert bar_texts(page) == {label: f"{100 * p:.1f} %" for label, p in probability.items()}
    wait_for_gates(page)
    assert unnamed_controls(page) == []


def test_what_is_no_row_of_numbers_is_named(open_model: Open, server: Any) -> None:
    page = open_model("waves")
    area = page.get_by_label("Rows of numbers, one a step")
    area.fill("1, 2, 3\nfour")
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("alert").filter(has_text="Line 2 is not a row of numbers: four").wait_for()
    area.fill("1, 2")
    page.get_by_role("button", name="Predict").click()
    answer = page.request.post(f"{server.url}/v1/models/waves/predict", data={"input": [[1, 2]]})
    assert 400 <= answer.status < 500
    page.get_by_role("alert").filter(has_text=answer.json()["error"]).wait_for()
