"""Pictures of the page for the documentation, of trained checkpoints.

    python tests/browser/make_screenshots.py RUNS SOUND VIDEO [OUTPUT]

RUNS is a folder with some of the finished runs weather, reviews, words_live (causal), people,
captions (English to German), papers (summaries of abstracts), dictation (of embedded sentences) and
walkers (embedded people to follow); SOUND is a WAV file that the
microphone plays, VIDEO a file that the browser can play. The pictures page_<task>.png are written
to OUTPUT, docs/pictures by default, each of at most 150 KB.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

# Helpers of the tests, as pytest finds them.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import pandas
from conftest import FLAGS, chromium_path
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from server_process import running_server

from gru_suite.data.cache import cache_folder
from gru_suite.tasks.forecasting.samples.weather import load_weather
from gru_suite.tasks.tracking.samples.tracked_people import tracked_people
from gru_suite.tasks.transcription.samples.spoken_sentences import spoken_sentences

MAX_BYTES = 150_000
FREQUENT = 96
RUNS = {
    "weather": "forecasting",
    "reviews": "sentiment",
    "words_live": "speech_commands",
    "people": "video_action",
    "captions": "translation",
    "papers": "summarization",
    "dictation": "transcription",
    "walkers": "tracking",
}
REVIEW = (
    "The first half is slow and the plot makes no sense, but the two leads are wonderful together, "
    "and the last twenty minutes are the funniest and most moving thing I have seen this year."
)
CAPTION = "A man in a blue shirt is playing the guitar while two children dance in the street."
PAPER = (
    "Trains in the mountains stop when snow drifts cover the track. Fences of wood hold the snow "
    "back, but they rot, and every autumn they are set up anew. Other work has studied how high "
    "such fences have to be. We propose fences of living bushes, which keep drifts off the track "
    "at a tenth of the cost. Over four winters we compare both kinds on twelve stretches of a line "
    "in the Alps. Bushes hold back as much snow as wood once they are five years old. Until then a "
    "row of wood has to stand before them. The data and the plans are published."
)


def show(page: Page, name: str, video: Path) -> None:
    """Give the page of a run its input and wait for what it shows."""
    said = page.locator(".verdict").filter(has_text="%")
    if name == "weather":
        rows = load_weather().groupby("origin").tail(240)
        area = page.get_by_label("Or paste rows")
        area.fill(rows.to_csv(index=False))
        area.evaluate("area => { area.scrollTop = 0; }")
        page.get_by_role("button", name="Forecast", exact=True).click()
        page.get_by_role("img", name="Chart of temp").wait_for()
    elif name == "reviews":
        page.get_by_label("Text", exact=True).fill(REVIEW)
        said.wait_for()
    elif name == "words_live":
        page.get_by_role("button", name="Use the microphone").click()
        page.locator(".words li").nth(3).wait_for(timeout=60_000)
    elif name in ("captions", "papers"):
        area = page.get_by_label("Text", exact=True)
        area.fill(CAPTION if name == "captions" else PAPER)
        area.evaluate("area => { area.scrollTop = 0; }")
        page.get_by_role("button", name="Translate" if name == "captions" else "Summarise").click()
        page.get_by_role("option").nth(3).hover()
    elif name == "dictation":
        table = spoken_sentences(cache_folder("audio"))
        longest = pandas.read_csv(table).sort_values("text", key=lambda text: text.str.len())
        page.set_input_files("input[type=file]", table.parent / longest.path.iloc[-1])
        page.get_by_label("The recording").wait_for()
    elif name == "walkers":
        table = tracked_people(cache_folder("video"))
        boxes = pandas.read_csv(table)
        first = boxes[(boxes.part == "test") & (boxes.frame == 0)].iloc[0]
        page.set_input_files("input[type=file]", table.parent / first.video)
        page.get_by_text("Boxes as numbers, in pixels").click()
        page.get_by_role("button", name="Add a box").click()
        for place, column in enumerate(("x", "y", "width", "height")):
            page.locator(".box-row input").nth(place).fill(str(round(first[column])))
            page.locator(".box-row input").nth(place).blur()
        page.get_by_text("Boxes as numbers, in pixels").click()
        page.get_by_role("button", name="Follow", exact=True).click()
        page.locator(".verdict").filter(has_text="Followed 1 object").wait_for()
        page.wait_for_timeout(1500)
    else:
        page.set_input_files("input[type=file]", video)
        said.wait_for()
        page.locator(".overlay .label").filter(has_text="%").wait_for()
        page.wait_for_timeout(1500)
    page.locator(".gates .heat-map").first.wait_for()
    page.wait_for_timeout(500)


def few_colors(image: Any) -> Any:
    """Return an image of 256 colours: the most frequent ones exactly, the others by median cut."""
    counts = sorted(image.getcolors(image.width * image.height), reverse=True)[:FREQUENT]
    others = image.quantize(256 - len(counts)).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(value for _, color in counts for value in color), *others][:768])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def save(picture: bytes, path: Path) -> None:
    """Write a picture, with few colours and smaller where it has more than MAX_BYTES."""
    image: Any = Image.open(io.BytesIO(picture)).convert("RGB")
    image.save(path, "PNG", optimize=True)
    while path.stat().st_size > MAX_BYTES:
        few_colors(image).save(path, "PNG", optimize=True)
        smaller = (9 * image.width // 10, 9 * image.height // 10)
        image = image.resize(smaller, Image.Resampling.LANCZOS)
    print(path, path.stat().st_size)


def main(runs: Path, sound: Path, video: Path, output: Path) -> None:
    """Start a server and a browser, and write the pictures."""
    output.mkdir(parents=True, exist_ok=True)
    found = {name: task for name, task in RUNS.items() if (runs / name).is_dir()}
    checkpoints = [runs / name / "checkpoints" / "best.ckpt" for name in found]
    microphone = f"--use-file-for-fake-audio-capture={sound}"
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(checkpoints, Path(folder)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=[*FLAGS, microphone]
        )
        for name, task in found.items():
            page = browser.new_page(viewport={"width": 1100, "height": 900})
            page.goto(f"{server.url}/#/{name}")
            page.get_by_role("heading", level=1, name=name, exact=True).wait_for()
            show(page, name, video)
            save(page.screenshot(full_page=True), output / f"page_{task}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    docs = Path(__file__).resolve().parents[2] / "docs" / "pictures"
    main(*(Path(word).resolve() for word in (*sys.argv[1:], str(docs))[:4]))
