"""Embedded data: stick figures in six actions, rendered as MP4 files on first use.

The videos are synthetic: scores on them do not tell how a model does on filmed people. They are
read like any other videos. The rendering processes do not import torch.

Shapes: T frames, H height, W width, C red, green and blue.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.data.cache import make_once
from gru_suite.video.people.drawing import (
    HEIGHT,
    WIDTH,
    View,
    crop_border,
    draw_background,
    draw_figure_on,
    on_grid,
    view_background,
)
from gru_suite.video.people.figures import Array, Figure, Pose, draw_figure
from gru_suite.video.people.motions import ACTIONS, move
from gru_suite.video.rendering import render_files
from gru_suite.video.writing import write_video

FRAME_RATE_HZ = 24
# More figures help training more than more takes of the same figure.
FIGURES = {"train": 60, "val": 12, "test": 18}
TAKES = 1
PARTS_FILE = "parts.csv"
# To be increased when the same clips are rendered to other pixels.
_VERSION = 2
_SEED = 2012
_SECONDS = (2.0, 3.0)
# Facing right, left, the camera, and directions between.
_YAWS_DEGREES = (0, 180, 35, 145, 60, 120, 90, 90)


class Clip(NamedTuple):
    """A video: figure, action and take."""

    action: str
    figure: int
    take: int

    @property
    def name(self) -> str:
        """File name below the folder."""
        return f"{self.action}/{self.figure:02d}_{self.take}.mp4"


def rendered_people(cache: Path) -> Path:
    """Return the folder of rendered videos; render them on first use.

    It contains a folder for each action and ``parts.csv`` with the columns file, part and figure.

    Args:
        cache: parent folder.

    Raises:
        UserError: the videos cannot be encoded, or the folder cannot be written.
    """
    parts, clips = part_of_figure(), all_clips()

    def make(folder: Path) -> None:
        for action in ACTIONS:
            (folder / action).mkdir()
        text = f"rendering {len(clips)} videos of stick figures (about 30 MB, once)"
        render_files(__name__, clips, folder, text)
        rows = [f"{clip.name},{parts[clip.figure]},{clip.figure:02d}\n" for clip in clips]
        (folder / PARTS_FILE).write_text("".join(["file,part,figure\n", *rows]), "utf-8")

    return make_once(cache / f"rendered_people-{_recipe_key(parts, clips)}", make)


def part_of_figure() -> dict[int, str]:
    """Return the part of each figure; no figure is in two parts."""
    parts = [part for part, count in FIGURES.items() for _ in range(count)]
    random.Random(_SEED).shuffle(parts)
    return dict(enumerate(parts))


def all_clips() -> list[Clip]:
    """Return all clips: several takes of each figure and action."""
    return [
        Clip(action, figure, take)
        for action in ACTIONS
        for figure in range(sum(FIGURES.values()))
        for take in range(TAKES)
    ]


def _recipe_key(parts: dict[int, str], clips: Sequence[Clip]) -> str:
    """Return a key of everything that determines the videos."""
    recipe = json.dumps([_VERSION, _SEED, FRAME_RATE_HZ, HEIGHT, WIDTH, parts, clips])
    return hashlib.blake2b(recipe.encode(), digest_size=8).hexdigest()


# Drawing


def render(clip: Clip) -> NDArray[np.uint8]:
    """Return the frames of a clip, shape (T, H, W, C), equal on every machine."""
    figure = draw_figure(np.random.default_rng([_SEED, clip.figure]))
    draw = np.random.default_rng([_SEED, clip.figure, ACTIONS.index(clip.action), clip.take])
    num_frames = round(draw.uniform(*_SECONDS) * FRAME_RATE_HZ)
    time_T = np.arange(num_frames) / FRAME_RATE_HZ
    pose = move(clip.action, draw, figure, time_T)
    view, horizon = _draw_view(draw, num_frames)
    frames_THWC = _background_frames(draw, figure, pose, view, horizon)
    draw_figure_on(frames_THWC, figure, pose, view)
    return _record(draw, crop_border(frames_THWC))


def _draw_view(draw: np.random.Generator, num_frames: int) -> tuple[View, int]:
    """Return a camera that follows the figure, with random tremor, and the horizon."""
    way_T = np.linspace(-0.5, 0.5, num_frames)
    size = draw.uniform(60, 76)
    shake_2T = draw.uniform(0, 1.2) * _tremor(draw, num_frames)
    ground = draw.uniform(86, 92)
    view = View(
        yaw=np.deg2rad(draw.choice(_YAWS_DEGREES) + draw.normal(0, 10)),
        pitch=np.deg2rad(draw.uniform(0, 14)),
        pixels_per_metre=size / 1.7,
        distance=draw.uniform(5, 9),
        x_T=WIDTH / 2 + draw.uniform(-12, 12) + draw.normal(0, 10) * way_T + shake_2T[0],
        ground_T=ground + draw.normal(0, 2) * way_T + shake_2T[1],
        approach_T=draw.normal(0, 0.3) * way_T,
    )
    return view, int(ground - draw.uniform(4, 24))


def _tremor(draw: np.random.Generator, num_frames: int) -> Array:
    """Return the tremor of a hand-held camera, about -1 to 1, horizontal and vertical."""
    rates, phases = draw.uniform(0.5, 5, (2, 4, 1)), draw.uniform(0, 2 * np.pi, (2, 4, 1))
    time_T = np.arange(num_frames) / FRAME_RATE_HZ
    return np.asarray(np.sin(2 * np.pi * rates * time_T + phases).mean(1), np.float64)


def _background_frames(
    draw: np.random.Generator, figure: Figure, pose: Pose, view: View, horizon: int
) -> NDArray[np.float32]:
    """Return frames of the background, with their border."""
    # On a treadmill, or before a distant wall, the background does not move.
    passes = 0.0 if draw.random() < 0.35 else np.cos(view.yaw) * draw.uniform(0.5, 1.0)
    x_T = passes * pose.travel_T * view.pixels_per_metre - (view.x_T - view.x_T[0])
    x_T = on_grid(x_T - x_T.min())
    width = int(x_T.max()) + WIDTH + 2
    colors = [np.asarray(figure.colors[name], np.float32) for name in ("top", "trousers", "skin")]
    y_T = np.clip(view.ground_T[0] - view.ground_T, -2, 2)
    return view_background(draw_background(draw, width, horizon, colors), x_T, y_T)


def _record(draw: np.random.Generator, frames_THWC: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return frames with changing exposure and pixel noise."""
    num_frames = len(frames_THWC)
    light_T = 1 + draw.uniform(0, 0.04) * _tremor(draw, num_frames)[0]
    light_T = on_grid(draw.uniform(0.8, 1.1) * light_T * 16) / 16
    noise_THW = draw.standard_normal(frames_THWC.shape[:3], np.float32)
    noise_THW *= np.float32(draw.uniform(1, 6))
    seen = frames_THWC * light_T.astype(np.float32)[:, None, None, None]
    seen += noise_THW[..., None]
    np.rint(seen, out=seen)
    np.minimum(np.maximum(seen, 0, out=seen), 255, out=seen)
    return seen.astype(np.uint8)


# Files


def render_file(folder: Path, action: str, figure: int, take: int) -> str:
    """Write a clip below a folder; return its name."""
    clip = Clip(action, figure, take)
    write_video(folder / clip.name, render(clip), FRAME_RATE_HZ)
    return clip.name
