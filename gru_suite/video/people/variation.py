"""Variation of movements beside the action: pauses, sway and idle arms.

Shapes: T frames; the last axis of a point is x (forward), y (up), z (right), in metres.
"""

import numpy as np

from .figures import SIDES, Array, Figure, reach, swing, vector

Draw = np.random.Generator


def ease(x: Array) -> Array:
    """Return a smooth step from 0 at 0 to 1 at 1."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float64)


def activity(draw: Draw, time_T: Array) -> Array:
    """Return the activity, 0 to 1, over time: some figures start late or stop early."""
    active_T = np.ones_like(time_T)
    if draw.random() < 0.3:
        active_T *= ease((time_T - draw.uniform(0.1, 0.6)) / 0.4)
    if draw.random() < 0.2:
        active_T *= ease((time_T[-1] - draw.uniform(0.1, 0.5) - time_T) / 0.4)
    return active_T


def sway(draw: Draw, time_T: Array, size: float) -> Array:
    """Return a slow random movement of about ``size``."""
    rates, phases = draw.uniform(0.2, 0.9, 3), draw.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * rates * time_T[:, None] + phases)
    return np.asarray(size * waves.mean(-1), np.float64)


def rest_arm(draw: Draw, figure: Figure, joints: dict[str, Array], side: str) -> None:
    """Add an idle arm, at random hanging, bent, or with the hand on the hip."""
    sign, shoulder_T3 = SIDES[side], joints[f"{side}_shoulder"]
    kind = draw.choice(["hang", "hang", "bent", "hip"])
    outward = sign * draw.uniform(0.03, 0.25)
    steady_T = np.full(len(shoulder_T3), draw.uniform(-0.15, 0.2))
    if kind == "hip":
        hand_T3 = joints[f"{side}_hip"] + vector(0.06, 0.1, sign * figure.shoulder_width * 0.8)
        out_T3 = np.broadcast_to(vector(-0.4, 0.0, sign), hand_T3.shape)
        reach_arm(figure, joints, side, hand_T3, out_T3)
        return
    bend = draw.uniform(0.1, 0.4) if kind == "hang" else draw.uniform(1.0, 2.0)
    elbow_T3 = swing(shoulder_T3, steady_T, figure.upper_arm, outward)
    joints[f"{side}_elbow"] = elbow_T3
    joints[f"{side}_hand"] = swing(elbow_T3, steady_T + bend, figure.forearm, outward * 0.5)


def reach_arm(
    figure: Figure, joints: dict[str, Array], side: str, hand_T3: Array, elbow_T3: Array
) -> None:
    """Add an arm with the hand at a point and the elbow towards a direction."""
    shoulder_T3 = joints[f"{side}_shoulder"]
    joints[f"{side}_elbow"], joints[f"{side}_hand"] = reach(
        shoulder_T3, hand_T3, figure.upper_arm, figure.forearm, elbow_T3
    )


def swing_arms(
    draw: Draw, figure: Figure, joints: dict[str, Array], lift_T: Array, straight: float
) -> None:
    """Add both arms, raised forward by an angle."""
    outward = draw.uniform(0.0, 0.3)
    for side, sign in SIDES.items():
        elbow_T3 = swing(joints[f"{side}_shoulder"], lift_T, figure.upper_arm, sign * outward)
        joints[f"{side}_elbow"] = elbow_T3
        joints[f"{side}_hand"] = swing(
            elbow_T3, lift_T + straight, figure.forearm, sign * outward * 0.3
        )


def hold_arms(draw: Draw, figure: Figure, joints: dict[str, Array]) -> None:
    """Add both arms, at random with the hands before the chest, behind the head, or idle."""
    kind = draw.choice(["chest", "head", "rest", "rest"])
    if kind == "rest":
        for side in SIDES:
            rest_arm(draw, figure, joints, side)
        return
    for side, sign in SIDES.items():
        if kind == "chest":
            hand_T3 = joints["chest"] + vector(figure.height * 0.14, -0.12, sign * 0.03)
        else:
            hand_T3 = joints["head"] + vector(-0.08, 0.0, sign * 0.06)
        elbow = np.broadcast_to(vector(0.1, -0.5, sign), hand_T3.shape)
        reach_arm(figure, joints, side, hand_T3, elbow)
