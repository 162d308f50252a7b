"""Make the pictures of the docs from real runs: ``python docs/make_pictures.py [FOLDER]``.

Trains the four embedded data sets with their defaults and compares the cells on the weather, in
FOLDER (``outputs/pictures``), which takes ten minutes or so; what is finished there is not trained
again. Pages of HTML need a Chromium; without one their pictures stay as they are.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image, ImageChops

import gru_suite

PICTURES = Path(__file__).resolve().parent / "pictures"
WIDTH = 1200
REVIEWS = (
    "a warm and funny film with a wonderful cast",
    "the plot is dull and the jokes are never funny",
    "slow to begin with , but moving in the end",
)
WORDS = ("yes", "left", "stop", "go", "right")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run(folder: Path, *words: str) -> None:
    """Run a command line in a folder."""
    command = [sys.executable, "-m", "gru_suite", *words]
    subprocess.run(command, cwd=folder, check=True)


def train(folder: Path, name: str, *words: str) -> Path:
    """Return the best checkpoint of a run, which is trained where it is not there."""
    checkpoint = folder / "outputs" / name / "checkpoints" / "best.ckpt"
    if not (folder / "outputs" / name / "metrics.json").is_file():
        run(folder, *words, f"hydra.run.dir=outputs/{name}")
    return checkpoint


def save(image: Image.Image, name: str, width: int = WIDTH) -> None:
    """Write a picture of at most this width, in 128 colours."""
    small = image.convert("RGB")
    if small.width > width:
        height = round(small.height * width / small.width)
        small = small.resize((width, height), Image.Resampling.LANCZOS)
    path = PICTURES / f"{name}.png"
    small.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KB")


def page_picture(page: Path, name: str, size: tuple[int, int], box: int | None = None) -> None:
    """Write a picture of a page of HTML, its empty end cut off, at most ``box`` pixels high."""
    browser = next((found for each in BROWSERS if (found := shutil.which(each))), None)
    if browser is None:
        print(f"no browser: {name} is left as it is")
        return
    shot = page.with_suffix(".shot.png")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    window = f"--window-size={size[0]},{size[1]}"
    where = [f"--screenshot={shot}", window, page.resolve().as_uri()]
    subprocess.run([browser, *flags, *where], check=True, capture_output=True)
    image = Image.open(shot).convert("RGB")
    empty = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
    bounds = ImageChops.difference(image, empty).getbbox() or (0, 0, *image.size)
    save(image.crop((0, 0, image.width, min(box or image.height, bounds[3] + 12))), name)


def forecast(folder: Path) -> None:
    """Windows of the test part of the weather run."""
    run_folder = train(folder, "weather").parents[1]
    save(Image.open(run_folder / "plots" / "forecasts.png"), "forecast")


def attributions(folder: Path) -> None:
    """The page that ``predict`` writes for texts."""
    checkpoint = train(folder, "reviews", "task=sentiment")
    (folder / "texts.txt").write_text("\n".join(REVIEWS) + "\n", encoding="utf-8")
    words = (f"checkpoint={checkpoint.resolve()}", "input=texts.txt", "output=labels.csv")
    run(folder, "predict", *words)
    page_picture(folder / "labels.html", "attributions", (760, 800))


def timeline(folder: Path) -> None:
    """The plot that ``predict`` writes for a long recording."""
    from gru_suite.tasks.speech_commands.samples.spoken_words import spoken_words

    checkpoint = train(folder, "words", "task=speech_commands")
    samples = spoken_words(folder / "samples")
    parts = [np.zeros(8000, np.float32)]
    for number, word in enumerate(WORDS):
        spoken, rate_hz = soundfile.read(
            sorted((samples / word).glob("*.wav"))[3 * number], dtype="float32"
        )
        parts += [spoken, np.zeros(rate_hz // 2, np.float32)]
    soundfile.write(folder / "words.wav", np.concatenate(parts), 16_000)
    paths = (f"checkpoint={checkpoint.resolve()}", "input=words.wav", "output=words.csv")
    run(folder, "predict", *paths)
    save(Image.open(folder / "words.png"), "timeline")


def annotated(folder: Path) -> None:
    """A late frame of the copy that ``predict annotate=true`` writes of a video."""
    from gru_suite.tasks.video_action.samples.rendered_people import rendered_people

    checkpoint = train(folder, "people", "task=video_action")
    videos = rendered_people(folder / "samples")
    model = gru_suite.load(checkpoint)
    # Of a few videos the one that the model is most certain of.
    tried = [sorted(each.glob("*.mp4"))[0] for each in sorted(videos.iterdir()) if each.is_dir()]
    found = model.predict([str(each) for each in tried])
    video = tried[int(np.argmax([max(each.probability.values()) for each in found]))]
    paths = (f"checkpoint={checkpoint.resolve()}", f"input={video}", "output=actions.csv")
    run(folder, "predict", *paths, "annotate=true")
    (copy,) = (each for each in folder.glob("actions*.mp4"))
    with av.open(copy) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    save(frames[-4], "annotated", 640)


def comparison(folder: Path) -> None:
    """The report on the three cells over three seeds."""
    sweep = folder / "outputs" / "cells"
    if not (sweep / "comparison" / "report.html").is_file():
        run(folder, "sweep=gru_vs_lstm", "hydra.sweep.dir=outputs/cells")
        run(folder, "compare", "outputs/cells")
    page_picture(sweep / "comparison" / "report.html", "comparison", (1100, 3000), 930)


def main() -> None:
    """Make all pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/pictures").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for picture in (forecast, attributions, timeline, annotated, comparison):
        picture(folder)


if __name__ == "__main__":
    main()
