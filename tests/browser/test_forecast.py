"""The page of a forecaster: pasted rows and files in, chart, table and CSV out."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_checks import color_count, wait_for_gates

pytestmark = pytest.mark.slow

Open = Callable[[str], Any]
ROWS = "Or paste rows, with the names of the columns in the first line"


def forecast_of(page: Any, server: Any, text: str) -> Any:
    """Return what the server says of the same rows."""
    answer = page.request.post(
        f"{server.url}/v1/models/series/predict", data={"input": {"csv": text}}
    )
    return answer.json()["predictions"][0]["series"][0]


def test_pasted_rows_become_a_chart_and_a_file(
    open_model: Open, server: Any, trained: Path, tmp_path: Path
) -> None:
    text = "\n".join((trained / "data" / "series.csv").read_text().splitlines()[:301])
    page = open_model("series")
    page.get_by_label(ROWS).fill(text)
    page.get_by_role("button", name="Forecast", exact=True).click()
    chart = page.get_by_role("img", name="Chart of value")
    chart.wait_for()
    assert color_count(chart.locator("canvas")) > 20
    assert page.get_by_text("80 % interval").is_visible()
    page.get_by_text("Columns used").wait_for()
    # Values at the cursor, and zoom by dragging.
    chart.scroll_into_view_if_needed()
    box = chart.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    legend = chart.locator(".u-legend")
    assert "2024-01-" in legend.inner_text()
    first = "() => document.querySelector('.u-legend td').textContent"
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 60, steps=4)
    page.mouse.up()
    page.mouse.move(box["x"] + 2, box["y"] + 50)
    zoomed = page.evaluate(first)
    page.get_by_role("button", name="Reset zoom").click()
    page.mouse.move(box["x"] + 3, box["y"] + 50)
    assert page.evaluate(first) < zoomed

    series = forecast_of(page, server, text)
    page.get_by_text("Forecast as a table").click()
    assert (
        page.get_by_role("region", name="Table of the forecast").locator("tbody tr").count() == 12
    )
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "forecast.csv")
    with (tmp_path / "forecast.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["time"] for row in rows] == [str(time) for time in series["time"]]
    target = series["targets"]["value"]
    assert [float(row["forecast"]) for row in rows] == target["forecast"]
    for level, values in target["quantiles"].items():
        assert [float(row[f"quantile_{level}"]) for row in rows] == values
    wait_for_gates(page)


def test_a_dropped_file_and_its_gates_by_the_keyboard(open_model: Open, trained: Path) -> None:
    page = open_model("series")
    rows = (trained / "data" / "series.csv").read_text()
    transfer = page.evaluate_handle(
        """text => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "series.csv", {type: "text/csv"}));
          return transfer;
        }""",
        rows,
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})
    page.get_by_role("img", name="Chart of value").wait_for()
    wait_for_gates(page)
    page.get_by_role("img", name="Heat map of the update gate").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.locator(".value").filter(has_text="unit 1: 0.").wait_for()


def test_the_keyboard_alone_forecasts(open_model: Open) -> None:
    page = open_model("series")
    page.get_by_role("heading", level=1).focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Try an example":
            break
    assert page.evaluate("document.activeElement.textContent") == "Try an example"
    page.keyboard.press("Enter")
    page.get_by_role("img", name="Chart of value").wait_for()
    page.get_by_text("Forecast as a table").focus()
    page.keyboard.press("Space")
    assert page.get_by_role("region", name="Table of the forecast").is_visible()


def test_rows_that_cannot_be_forecast_give_the_servers_sentence(
    open_model: Open, server: Any
) -> None:
    page = open_model("series")
    page.get_by_role("button", name="Forecast", exact=True).click()
    page.get_by_role("alert").filter(has_text="Paste rows").wait_for()
    text = "when,what\n2024-01-01,<img src=x onerror=alert(1)>\n"
    page.get_by_label(ROWS).fill(text)
    page.get_by_role("button", name="Forecast", exact=True).click()
    answer = page.request.post(
        f"{server.url}/v1/models/series/predict", data={"input": {"csv": text}}
    )
    assert 400 <= answer.status < 500
    page.get_by_role("alert").filter(has_text=answer.json()["error"]).wait_for()
    assert page.locator("main img").count() == 0
