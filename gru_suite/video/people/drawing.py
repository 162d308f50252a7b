"""Rendering of moving figures: camera, background, and anti-aliased limbs.

Shapes: T frames, H height, W width, C red, green and blue, N pixels of a window; points of the
image are x (right) and y (down), in pixels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .figures import SIDES, Array, Figure, Pose

Frames = NDArray[np.float32]
HEIGHT, WIDTH = 96, 128
# Limbs may extend this far beyond the image; those further out are clamped, invisibly.
_BORDER = 40


class View(NamedTuple):
    """Camera and position of a figure.

    Attributes:
        yaw: angle between the figure's direction and the image's right; pi / 2 faces the camera.
        pitch: downward angle of the camera.
        pixels_per_metre: at the middle of the figure's path.
        distance: of the camera in metres.
        x_T: column of the figure's middle, in pixels.
        ground_T: row of the ground below it.
        approach_T: metres that it has moved towards the camera.
    """

    yaw: float
    pitch: float
    pixels_per_metre: float
    distance: float
    x_T: Array
    ground_T: Array
    approach_T: Array


class Limb(NamedTuple):
    """A limb: a capsule, possibly tapered."""

    start: str
    end: str
    color: str
    start_radius: float
    end_radius: float


def limbs_of(figure: Figure) -> list[Limb]:
    """Return the limbs of a body; radii in metres."""
    r = figure.limb_radius
    limbs = [
        Limb("chest", "pelvis", "top", 2.6 * r, 2.2 * r),
        Limb("chest", "head", "skin", 1.1 * r, 1.1 * r),
        Limb("left_hip", "right_hip", "trousers", 1.7 * r, 1.7 * r),
        Limb("left_shoulder", "right_shoulder", "top", 1.2 * r, 1.2 * r),
    ]
    for side in SIDES:
        limbs += [
            Limb(f"{side}_shoulder", f"{side}_hip", "top", 1.4 * r, 1.3 * r),
            Limb(f"{side}_shoulder", f"{side}_elbow", "top", 1.2 * r, 0.95 * r),
            Limb(f"{side}_elbow", f"{side}_hand", "sleeve", 0.9 * r, 0.75 * r),
            Limb(f"{side}_hand", f"{side}_hand", "skin", 1.0 * r, 1.0 * r),
            Limb(f"{side}_hip", f"{side}_knee", "trousers", 1.6 * r, 1.2 * r),
            Limb(f"{side}_knee", f"{side}_ankle", "leg", 1.2 * r, 0.85 * r),
            Limb(f"{side}_ankle", f"{side}_toe", "shoe", 0.95 * r, 0.75 * r),
        ]
    return limbs


def project(pose: Pose, view: View) -> tuple[dict[str, Array], Array]:
    """Return x, y and depth of joints, (T, 3), in pixels and metres, and the scale, (T,)."""
    scale_T = view.pixels_per_metre / (1 - view.approach_T / view.distance)
    seen = {}
    for name, point_T3 in pose.joints.items():
        x_T, y_T, z_T = point_T3[:, 0], point_T3[:, 1], point_T3[:, 2]
        right_T = x_T * np.cos(view.yaw) - z_T * np.sin(view.yaw)
        near_T = x_T * np.sin(view.yaw) + z_T * np.cos(view.yaw)
        up_T = y_T * np.cos(view.pitch) - near_T * np.sin(view.pitch)
        columns = (view.x_T + scale_T * right_T, view.ground_T - scale_T * up_T)
        seen[name] = np.stack([*map(on_grid, columns), near_T], -1)
    return seen, scale_T


def draw_figure_on(frames_THWC: Frames, figure: Figure, pose: Pose, view: View) -> None:
    """Draw a figure into frames with a border of ``_BORDER`` pixels."""
    seen, scale_T = project(pose, view)
    order = []
    for limb in limbs_of(figure):
        start_T3, end_T3 = seen[limb.start], seen[limb.end]
        # One order for all frames: limbs that are nearer on average are drawn later.
        near = float(start_T3[:, 2].mean() + end_T3[:, 2].mean()) / 2
        order.append((round(near, 6), limb, start_T3, end_T3))
    order.sort(key=lambda each: each[0])
    nearest, farthest = order[-1][0], order[0][0]
    for near, limb, start_T3, end_T3 in order:
        # Limbs behind the body are darker.
        light = 0.78 + 0.22 * (near - farthest) / max(nearest - farthest, 0.05)
        color = np.asarray(figure.colors[limb.color], np.float32) * np.float32(min(light, 1.0))
        radii = on_grid(np.stack([limb.start_radius * scale_T, limb.end_radius * scale_T]))
        _draw_capsule(frames_THWC, start_T3[:, :2], end_T3[:, :2], radii, color)
    head_T2, radius_T = seen["head"][:, :2], on_grid(figure.head_radius * scale_T)
    hair, skin = (np.asarray(figure.colors[name], np.float32) for name in ("hair", "skin"))
    _draw_capsule(frames_THWC, head_T2, head_T2, np.stack([radius_T, radius_T]), hair)
    # The face is in the figure's direction: invisible from behind.
    side, front = np.cos(view.yaw), max(0.0, np.sin(view.yaw))
    if abs(side) + front > 0.3:
        shift_T2 = np.stack([radius_T * 0.4 * side, radius_T * 0.3], -1)
        face_T2 = on_grid(head_T2 + shift_T2)
        face_T = on_grid(radius_T * (0.62 + 0.2 * front))
        _draw_capsule(frames_THWC, face_T2, face_T2, np.stack([face_T, face_T]), skin)


def _draw_capsule(
    frames_THWC: Frames, start_T2: Array, end_T2: Array, radius_2T: Array, color_C: Frames
) -> None:
    """Blend a shaded capsule into each frame, with edges one pixel soft.

    Only a window around it is computed, of the same size in all frames, so that all are drawn at
    once.
    """
    frame, rows_TN1, columns_T1N = _windows(frames_THWC, start_T2, end_T2, float(radius_2T.max()))
    start_T2 = start_T2 + _BORDER
    dy_TN1 = (rows_TN1 - start_T2[:, 1, None, None]).astype(np.float32)
    dx_T1N = (columns_T1N - start_T2[:, 0, None, None]).astype(np.float32)
    line_T2 = (end_T2 + _BORDER - start_T2).astype(np.float32)
    line_x, line_y = line_T2[:, 0, None, None], line_T2[:, 1, None, None]
    length = np.maximum(line_x * line_x + line_y * line_y, np.float32(1e-3))
    share = dx_T1N * (line_x / length) + dy_TN1 * (line_y / length)
    share = np.minimum(np.maximum(share, np.float32(0)), np.float32(1))
    aside_x, aside_y = dx_T1N - share * line_x, dy_TN1 - share * line_y
    away = np.sqrt(aside_x * aside_x + aside_y * aside_y)
    first, last = radius_2T.astype(np.float32)[:, :, None, None]
    radius = first + share * (last - first)
    cover = np.minimum(np.maximum(radius + np.float32(0.5) - away, np.float32(0)), np.float32(1))
    # Darker towards the edges, to separate an arm from a trunk of the same colour.
    shade = 1 - np.float32(0.3) * np.minimum(away / radius, np.float32(1)) ** 2
    index = (frame, rows_TN1, columns_T1N)
    under = frames_THWC[index]
    frames_THWC[index] = under + cover[..., None] * (shade[..., None] * color_C - under)


def _windows(
    frames_THWC: Frames, start_T2: Array, end_T2: Array, radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return indices of frames, rows and columns around lines: (T, 1, 1), (T, N, 1), (T, 1, N)."""
    halves = np.ceil(np.abs(end_T2 - start_T2).max(0) / 2 + radius).astype(np.int64) + 1
    middle_T2 = ((start_T2 + end_T2) / 2 + _BORDER).astype(np.int64)
    index = [np.arange(len(frames_THWC))[:, None, None]]
    for axis, half in ((1, halves[1]), (0, halves[0])):
        size = frames_THWC.shape[2 - axis]
        first_T = np.clip(middle_T2[:, axis] - half, 0, size - 2 * half - 1)
        index.append(first_T[:, None] + np.arange(2 * half + 1))
    return index[0], index[1][:, :, None], index[2][:, None, :]


# Backgrounds


def draw_background(
    draw: np.random.Generator, width: int, horizon: int, avoid: list[Frames]
) -> Frames:
    """Return a background of wall, floor and objects, shape (H, width, C).

    Args:
        draw: random numbers of colours and objects.
        width: in pixels.
        horizon: row of the upper edge of the floor.
        avoid: colours of the figure, from which the background differs.
    """
    wall, floor = _color(draw, avoid), _color(draw, [])
    background = np.empty((HEIGHT, width, 3), np.float32)
    shade = np.linspace(draw.uniform(0.7, 1.1), 1.0, horizon, dtype=np.float32)
    background[:horizon] = wall * shade[:, None, None]
    light = np.linspace(1.0, draw.uniform(0.8, 1.2), HEIGHT - horizon, dtype=np.float32)
    background[horizon:] = floor * light[:, None, None]
    for _ in range(int(draw.integers(0, 2 + width // 40))):
        _draw_object(draw, background, horizon)
    if draw.random() < 0.4:
        # Planks or tiles.
        step, depth = int(draw.integers(8, 30)), np.float32(draw.uniform(0.8, 0.95))
        first = 0 if draw.random() < 0.3 else horizon
        background[first:, ::step] *= depth
        if draw.random() < 0.5:
            background[first::step] *= depth
    background += _uneven_light(draw, width)[..., None] * np.float32(draw.uniform(0.0, 1.0))
    return np.clip(background, 0, 255)


def _uneven_light(draw: np.random.Generator, width: int) -> Frames:
    """Return smooth random brightness from -20 to 20, shape (H, width)."""
    blots = draw.integers(-20, 21, (HEIGHT // 8 + 2, width // 8 + 2)).astype(np.float32)
    for _ in range(2):
        # Interpolate rows, then columns.
        at = np.arange(8 * len(blots) - 8) / 8
        part = (at % 1).astype(np.float32)[:, None]
        below = blots[at.astype(np.int64) + 1]
        blots = (blots[at.astype(np.int64)] * (1 - part) + below * part).T
    return blots[:HEIGHT, :width]


def _color(draw: np.random.Generator, avoid: list[Frames]) -> Frames:
    for _ in range(20):
        color = draw.integers(30, 235, 3).astype(np.float32)
        # Backgrounds are less saturated than clothes.
        color += np.float32(0.7) * (color.mean() - color)
        if all(np.abs(color - other).sum() > 130 for other in avoid):
            break
    return color


def _draw_object(draw: np.random.Generator, background: Frames, horizon: int) -> None:
    """Draw a picture, a door or a piece of furniture on the wall."""
    width, height = int(draw.integers(6, 40)), int(draw.integers(8, 70))
    left = int(draw.integers(-10, background.shape[1]))
    foot = horizon + int(draw.integers(-50, 8))
    strength = np.float32(draw.uniform(0.2, 0.6))
    area = background[max(foot - height, 0) : max(foot, 0), max(left, 0) : max(left + width, 0)]
    area += strength * (_color(draw, []) - area)


def view_background(background: Frames, x_T: Array, y_T: Array) -> Frames:
    """Return frames with views of a background, with an empty border.

    Args:
        background: at least ``WIDTH`` + 1 wide.
        x_T: column at which each view begins; fractions are interpolated.
        y_T: offset in rows, from -2 to 2; the edge is repeated.
    """
    padded = np.pad(background, ((3, 3), (0, 1), (0, 0)), mode="edge")
    frames = np.zeros((len(x_T), HEIGHT + 2 * _BORDER, WIDTH + 2 * _BORDER, 3), np.float32)
    for frame, x, y in zip(crop_border(frames), on_grid(x_T), on_grid(y_T) + 3, strict=True):
        left, top = int(x), int(y)
        across, down = np.float32(x - left), np.float32(y - top)
        part = padded[top : top + HEIGHT + 1, left : left + WIDTH + 1]
        part = part[:, :-1] + across * (part[:, 1:] - part[:, :-1])
        frame[:] = part[:-1] + down * (part[1:] - part[:-1])
    return frames


def crop_border(frames_THWC: Frames) -> Frames:
    """Return the frames without their border."""
    return frames_THWC[:, _BORDER:-_BORDER, _BORDER:-_BORDER]


def on_grid(pixels: Array) -> Array:
    """Round to fractions of a pixel, as the last bits of sines differ between machines."""
    return np.asarray(np.round(pixels * 64) / 64, np.float64)
