"""Embedded data: rendered people who walk past each other and behind things.

The videos are synthetic: scores on them do not tell how a model does on filmed people.
"""

import csv
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gru_suite.data.cache import make_once
from gru_suite.video.people.drawing import HEIGHT, WIDTH
from gru_suite.video.rendering import render_files
from gru_suite.video.writing import write_video

from .scenes import CLEARLY_VISIBLE, FRAME_RATE_HZ, LEAST_VISIBLE, NUM_FRAMES, render_scene

TABLE = "boxes.csv"
# Scenes of a part, for each of the training part.
_SHARES = {"train": 1.0, "val": 0.15, "test": 0.225}
# Bodies of each part: none is in two.
FIGURES = {"train": (0, 120), "val": (120, 150), "test": (150, 190)}
# To be increased when the same scenes are rendered to other pixels.
_VERSION = 1
# Frames without any of a person in the image after which its track ends.
_GONE = 6


def tracked_people(cache: Path, count: int = 200) -> Path:
    """Return the table of boxes beside its videos; render them on first use.

    Args:
        cache: parent folder.
        count: scenes of the training part.

    Raises:
        UserError: the folder cannot be written.
    """
    scenes = {part: math.ceil(share * count) for part, share in _SHARES.items()}
    recipe = json.dumps([_VERSION, scenes, FIGURES, NUM_FRAMES, HEIGHT, WIDTH])
    key = hashlib.blake2b(recipe.encode(), digest_size=8).hexdigest()
    folder = cache / f"tracked_people-{key}"
    return make_once(folder, lambda new: _write(new, scenes)) / TABLE


def _write(folder: Path, scenes: dict[str, int]) -> None:
    parts = [part for part, count in scenes.items() for _ in range(count)]
    for part in scenes:
        (folder / part).mkdir()
    text = f"rendering {len(parts)} scenes of stick figures (about 25 MB, once)"
    jobs = [(part, number) for number, part in enumerate(parts)]
    rows = [row for found in render_files(__name__, jobs, folder, text) for row in found]
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "frame", "object", "x", "y", "width", "height", "visible", "part"])
        table.writerows(rows)


def render_file(folder: Path, part: str, number: int) -> list[Sequence[object]]:
    """Write a scene below a folder; return the rows of its boxes."""
    scene = render_scene(number, list(range(*FIGURES[part])))
    name = f"{part}/{number:03d}.mp4"
    write_video(folder / name, scene.frames_THWC, FRAME_RATE_HZ)
    rows: list[Sequence[object]] = []
    for person, (boxes_T4, shares_T) in enumerate(
        zip(scene.boxes_NT4, scene.shares_NT, strict=True)
    ):
        clear = np.flatnonzero(shares_T >= CLEARLY_VISIBLE)
        gone = 0
        for frame in range(int(clear[0]) if len(clear) else NUM_FRAMES, NUM_FRAMES):
            x, y, w, h = (round(float(value), 2) for value in boxes_T4[frame])
            gone = gone + 1 if x + w <= 0 or x >= WIDTH else 0
            if gone > _GONE:
                break
            visible = int(shares_T[frame] >= LEAST_VISIBLE)
            rows.append([name, frame, person, x, y, w, h, visible, part])
    return rows
