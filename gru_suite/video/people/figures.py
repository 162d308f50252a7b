"""Stick figures: random bodies, and their kinematics.

A figure faces along x, y points up and z to its right; lengths are metres, angles radians. Joints
are relative to the figure's position; the distance travelled is separate.

Shapes: T frames; the last axis of a point is x, y, z.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SIDES = {"left": -1.0, "right": 1.0}


class Figure(NamedTuple):
    """A body and its style of movement.

    Attributes:
        height: metres from the ground to the top of the head.
        thigh: length of a thigh; so with the other lengths.
        hip_width: half of the distance between the hips; so with the shoulders.
        limb_radius: of an arm or shin.
        tempo: relative speed of its movements.
        vigour: relative amplitude of its movements.
        lean: forward angle of the standing trunk.
        strong_side: side of the waving hand.
        colors: red, green and blue from 0 to 255 of skin, hair, top, sleeve, trousers, leg (below
            the knee) and shoe.
    """

    height: float
    thigh: float
    shin: float
    foot: float
    trunk: float
    upper_arm: float
    forearm: float
    neck: float
    head_radius: float
    hip_width: float
    shoulder_width: float
    limb_radius: float
    tempo: float
    vigour: float
    lean: float
    strong_side: str
    colors: dict[str, tuple[int, int, int]]

    @property
    def leg(self) -> float:
        """Length of a straight leg down to the ankle."""
        return self.thigh + self.shin


class Pose(NamedTuple):
    """Positions of the joints over time.

    Attributes:
        joints: points of shape (T, 3) by name, such as ``left_knee``.
        travel_T: metres walked since the first frame.
    """

    joints: dict[str, Array]
    travel_T: Array


def draw_figure(draw: np.random.Generator) -> Figure:
    """Return a figure of random proportions, style and clothes."""
    height = draw.uniform(1.45, 1.95)
    leg = height * draw.uniform(0.45, 0.51)
    arm = height * draw.uniform(0.31, 0.37)
    thigh_share, upper_share = draw.uniform(0.48, 0.53), draw.uniform(0.5, 0.55)
    head_radius = height * draw.uniform(0.056, 0.07)
    neck = height * 0.03
    shoulder_width = height * draw.uniform(0.095, 0.125)
    return Figure(
        height=height,
        thigh=leg * thigh_share,
        shin=leg * (1 - thigh_share),
        foot=height * draw.uniform(0.1, 0.125),
        trunk=height * 0.97 - leg - neck - 2 * head_radius,
        upper_arm=arm * upper_share,
        forearm=arm * (1 - upper_share),
        neck=neck,
        head_radius=head_radius,
        hip_width=shoulder_width * draw.uniform(0.5, 0.75),
        shoulder_width=shoulder_width,
        limb_radius=height * draw.uniform(0.02, 0.032),
        tempo=draw.uniform(0.85, 1.18),
        vigour=draw.uniform(0.8, 1.15),
        lean=draw.uniform(-0.02, 0.1),
        strong_side="right" if draw.random() < 0.7 else "left",
        colors=_draw_colors(draw),
    )


def _draw_colors(draw: np.random.Generator) -> dict[str, tuple[int, int, int]]:
    tone = draw.uniform(0.35, 1.0)
    skin = (round(245 * tone), round(205 * tone), round(170 * tone))
    grey = int(draw.integers(10, 120))
    hair = (grey, round(grey * 0.8), round(grey * 0.6))
    top, trousers, shoe = (
        (int(red), int(green), int(blue)) for red, green, blue in draw.integers(15, 240, (3, 3))
    )
    return {
        "skin": skin,
        "hair": hair,
        "top": top,
        "sleeve": top if draw.random() < 0.5 else skin,
        "trousers": trousers,
        "leg": trousers if draw.random() < 0.7 else skin,
        "shoe": shoe,
    }


def vector(x: Array | float, y: Array | float, z: Array | float) -> Array:
    """Return points of coordinates, each a number or of shape (T,)."""
    return np.stack(np.broadcast_arrays(x, y, z), -1).astype(np.float64)


def swing(root_T3: Array, angle_T: Array, length: float, outward: Array | float = 0.0) -> Array:
    """Return the end of a limb that hangs from ``root``, rotated forward by an angle.

    Args:
        root_T3: its upper end.
        angle_T: 0 hangs down, pi / 2 points forward.
        length: of the limb.
        outward: angle towards +z.
    """
    across = np.cos(outward)
    towards = vector(np.sin(angle_T) * across, -np.cos(angle_T) * across, np.sin(outward))
    return root_T3 + length * towards


def reach(
    root_T3: Array, end_T3: Array, first: float, second: float, towards_T3: Array
) -> tuple[Array, Array]:
    """Inverse kinematics of a limb of two segments.

    Args:
        root_T3: hip or shoulder.
        end_T3: target of ankle or hand; one out of reach is approached.
        first: length of the upper segment.
        second: length of the lower segment.
        towards_T3: direction of knee or elbow.

    Returns:
        Middle joint and end.
    """
    line_T3 = end_T3 - root_T3
    distance_T1 = np.linalg.norm(line_T3, axis=-1, keepdims=True)
    unit_T3 = line_T3 / np.maximum(distance_T1, 1e-6)
    span_T1 = np.clip(distance_T1, abs(first - second) + 1e-3, (first + second) * 0.9995)
    along_T1 = (first**2 - second**2 + span_T1**2) / (2 * span_T1)
    aside_T3 = towards_T3 - (towards_T3 * unit_T3).sum(-1, keepdims=True) * unit_T3
    aside_T3 /= np.maximum(np.linalg.norm(aside_T3, axis=-1, keepdims=True), 1e-6)
    offset_T1 = np.sqrt(np.maximum(first**2 - along_T1**2, 0))
    return root_T3 + along_T1 * unit_T3 + offset_T1 * aside_T3, root_T3 + span_T1 * unit_T3


def trunk_joints(
    figure: Figure, pelvis_T3: Array, lean_T: Array, twist_T: Array | float = 0.0
) -> dict[str, Array]:
    """Return hips, shoulders, neck and head above a pelvis.

    Args:
        figure: the body.
        pelvis_T3: between the hips.
        lean_T: angle of the trunk, forward.
        twist_T: rotation of the shoulders, the right one forward; the hips rotate half as far back.
    """
    up_T3 = vector(np.sin(lean_T), np.cos(lean_T), 0.0)
    chest_T3 = pelvis_T3 + figure.trunk * up_T3
    # The head is bent less than the trunk.
    head_up_T3 = vector(np.sin(lean_T * 0.5), np.cos(lean_T * 0.5), 0.0)
    joints = {
        "pelvis": pelvis_T3,
        "chest": chest_T3,
        "head": chest_T3 + (figure.neck + figure.head_radius) * head_up_T3,
    }
    for side, sign in SIDES.items():
        across_T3 = vector(sign * np.sin(twist_T), 0.0, sign * np.cos(twist_T))
        joints[f"{side}_shoulder"] = chest_T3 + figure.shoulder_width * across_T3
        across_T3 = vector(-sign * np.sin(twist_T) / 2, 0.0, sign * np.cos(twist_T))
        joints[f"{side}_hip"] = pelvis_T3 + figure.hip_width * across_T3
    return joints


def toe(figure: Figure, ankle_T3: Array, pitch_T: Array | float, outward: float) -> Array:
    """Return the tip of a foot; ``pitch`` lifts it, ``outward`` rotates it towards +z."""
    flat_T = figure.foot * 0.8 * np.cos(pitch_T)
    forward_T = flat_T * np.cos(outward)
    return ankle_T3 + vector(
        forward_T, figure.foot * 0.8 * np.sin(pitch_T) - figure.foot * 0.1, flat_T * np.sin(outward)
    )
