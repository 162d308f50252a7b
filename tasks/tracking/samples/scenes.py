"""Rendered scenes: people who walk past each other and behind things, with their boxes.

Shapes: T frames, H height, W width, C red, green and blue, N people; the last axis of a box is x,
y, width and height, in pixels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.video.people.drawing import (
    HEIGHT,
    WIDTH,
    View,
    crop_border,
    draw_background,
    draw_figure_on,
    on_grid,
    project,
    view_background,
)
from gru_suite.video.people.figures import Array, Figure, Pose, draw_figure
from gru_suite.video.people.motions import move

FRAME_RATE_HZ = 24
NUM_FRAMES = 96
LEAST_VISIBLE, CLEARLY_VISIBLE = 0.35, 0.8
"""Shares of a box that are not hidden: from which its object is visible, and a track begins."""

_PEOPLE = (2, 3)
# Of a person in a scene, in pixels.
_LONGEST_WAY = 100.0
# Share of the scenes with a post in front of everybody, and its width in pixels.
_POSTS, _POST_WIDTH = 0.75, (8, 20)
_SEED = 1705


class Scene(NamedTuple):
    """A rendered scene.

    Attributes:
        frames_THWC: uint8.
        boxes_NT4: of each person, also while hidden.
        shares_NT: of the box that is inside the image and not behind anything.
    """

    frames_THWC: NDArray[np.uint8]
    boxes_NT4: NDArray[np.float32]
    shares_NT: NDArray[np.float32]


class Person(NamedTuple):
    """A person of a scene, in the camera's view."""

    figure: Figure
    pose: Pose
    view: View


def render_scene(number: int, figures: list[int]) -> Scene:
    """Return a scene; the same number gives the same scene on every machine.

    Args:
        number: of the scene.
        figures: numbers of the bodies that may occur.
    """
    draw = np.random.default_rng([_SEED, number])
    count = int(draw.integers(_PEOPLE[0], _PEOPLE[1] + 1))
    chosen = draw.choice(figures, count, replace=False)
    camera_2T = _camera(draw)
    zoom = draw.normal(0, 0.25) * np.linspace(-0.5, 0.5, NUM_FRAMES)
    horizon = int(draw.uniform(50, 70))
    people = [_person(draw, int(figure), horizon, camera_2T, zoom) for figure in chosen]
    # Those further down are nearer, and drawn over the others.
    people.sort(key=lambda person: float(person.view.ground_T.mean()))
    colors = [np.asarray(p.figure.colors["top"], np.float32) for p in people]
    x_T = on_grid(camera_2T[0] - camera_2T[0].min())
    background = draw_background(draw, int(x_T.max()) + WIDTH + 2, horizon, colors)
    frames_THWC = view_background(background, x_T, np.clip(camera_2T[1], -2, 2))
    for person in people:
        draw_figure_on(frames_THWC, person.figure, person.pose, person.view)
    frames_THWC = crop_border(frames_THWC).copy()
    posts = _posts(draw, camera_2T[0], frames_THWC)
    boxes_NT4 = np.stack([_boxes(person) for person in people])
    shares_NT = np.stack(
        [_visible(boxes_NT4[n], boxes_NT4[n + 1 :], posts) for n in range(len(people))]
    )
    light = np.float32(draw.uniform(0.85, 1.1))
    noise = draw.standard_normal(frames_THWC.shape[:3], np.float32)[..., None]
    seen = frames_THWC * light + noise * np.float32(draw.uniform(1, 5))
    return Scene(np.clip(np.rint(seen), 0, 255).astype(np.uint8), boxes_NT4, shares_NT)


def _camera(draw: np.random.Generator) -> Array:
    """Return a panning and trembling camera, horizontal and vertical, in pixels, (2, T)."""
    time_T = np.arange(NUM_FRAMES) / FRAME_RATE_HZ
    pan_T = draw.normal(0, 10) * time_T + draw.uniform(0, 8) * np.sin(
        2 * np.pi * draw.uniform(0.1, 0.4) * time_T + draw.uniform(0, 6)
    )
    shake_2T = draw.uniform(0, 0.8) * np.sin(
        2 * np.pi * draw.uniform(0.5, 3, (2, 1)) * time_T + draw.uniform(0, 6, (2, 1))
    )
    return np.asarray(np.stack([pan_T, np.zeros(NUM_FRAMES)]) + shake_2T, np.float64)


def _person(
    draw: np.random.Generator, number: int, horizon: int, camera_2T: Array, zoom_T: Array
) -> Person:
    """Return a person who crosses the view, near its middle in the middle of the scene."""
    figure = draw_figure(np.random.default_rng([_SEED, number, 1]))
    time_T = np.arange(NUM_FRAMES) / FRAME_RATE_HZ
    pose = move("walk" if draw.random() < 0.75 else "run", draw, figure, time_T)
    leftward = draw.random() < 0.5
    yaw = np.deg2rad((180 if leftward else 0) + draw.normal(0, 15))
    size = draw.uniform(38, 60)
    scale = size / 1.7
    way_T = np.cos(yaw) * scale * pose.travel_T
    # Slower steps than the legs suggest, so that everybody stays in view for a while.
    way_T = way_T * min(1.0, _LONGEST_WAY / max(float(np.ptp(way_T)), 1.0))
    middle = WIDTH / 2 + draw.uniform(-30, 30)
    x_T = middle + way_T - way_T[NUM_FRAMES // 2] - (camera_2T[0] - camera_2T[0, NUM_FRAMES // 2])
    ground = horizon + draw.uniform(6, HEIGHT - horizon - 4)
    # Clamped outside of the image, where nothing is drawn.
    x_T = np.clip(x_T, -35, WIDTH + 35)
    view = View(
        yaw=float(yaw),
        pitch=np.deg2rad(draw.uniform(0, 10)),
        pixels_per_metre=scale,
        distance=6.0,
        x_T=np.asarray(x_T, np.float64),
        ground_T=np.asarray(ground - camera_2T[1], np.float64),
        approach_T=np.asarray(np.clip(zoom_T * 6.0, -3, 3), np.float64),
    )
    return Person(figure, pose, view)


def _boxes(person: Person) -> NDArray[np.float32]:
    """Return the box around all of a person in each frame, (T, 4)."""
    seen, scale_T = project(person.pose, person.view)
    points_JT2 = np.stack([point_T3[:, :2] for point_T3 in seen.values()])
    limb_T1 = (1.4 * person.figure.limb_radius * scale_T)[:, None]
    low_T2, high_T2 = points_JT2.min(0) - limb_T1, points_JT2.max(0) + limb_T1
    head_T1 = (person.figure.head_radius * scale_T)[:, None]
    low_T2 = np.minimum(low_T2, seen["head"][:, :2] - head_T1)
    high_T2 = np.maximum(high_T2, seen["head"][:, :2] + head_T1)
    return np.concatenate([low_T2, high_T2 - low_T2], 1).astype(np.float32)


def _posts(
    draw: np.random.Generator, camera_T: Array, frames_THWC: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw a post in front of everybody; return their boxes, (posts, T, 4)."""
    boxes = []
    for _ in range(int(draw.random() < _POSTS)):
        width = int(draw.integers(*_POST_WIDTH))
        middle = draw.uniform(20, WIDTH - 20)
        left_T = middle - width / 2 - 1.3 * (camera_T - camera_T[NUM_FRAMES // 2])
        color = draw.integers(20, 220, 3).astype(np.float32)
        shade = np.linspace(0.8, 1.1, width, dtype=np.float32)[:, None]
        top = int(draw.integers(0, 20))
        for frame, left in zip(frames_THWC, np.round(left_T).astype(int), strict=True):
            first, last = max(left, 0), min(left + width, WIDTH)
            if first < last:
                frame[top:, first:last] = (color * shade)[first - left : last - left]
        box_T4 = np.stack(
            [np.round(left_T), *np.broadcast_arrays(top, width, HEIGHT - top, left_T)[:3]], 1
        )
        boxes.append(box_T4)
    return np.array(boxes, np.float32).reshape(len(boxes), NUM_FRAMES, 4)


def _visible(
    box_T4: NDArray[np.float32], nearer_NT4: NDArray[np.float32], posts_NT4: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the share of a box that is inside the image and not behind others, (T,)."""
    found = np.empty(len(box_T4), np.float32)
    for frame, (x, y, w, h) in enumerate(box_T4):
        columns, rows = x + (np.arange(24) + 0.5) / 24 * w, y + (np.arange(24) + 0.5) / 24 * h
        inside = ((columns >= 0) & (columns < WIDTH))[None] & ((rows >= 0) & (rows < HEIGHT))[
            :, None
        ]
        for other, margin in ((nearer_NT4[:, frame], 0.2), (posts_NT4[:, frame], 0.0)):
            for left, top, width, height in other:
                # A person fills the middle of its box only.
                left, width = left + margin * width, (1 - 2 * margin) * width
                across = (columns >= left) & (columns < left + width)
                down = (rows >= top) & (rows < top + height)
                inside &= ~(across[None] & down[:, None])
        found[frame] = inside.mean()
    return found
