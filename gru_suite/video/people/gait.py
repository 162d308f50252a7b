"""Walking and running: joints over time, with typical joint angles of gait analysis.

Shapes: T frames; the last axis of a point is x (forward), y (up), z (right), in metres.
"""

from collections.abc import Sequence

import numpy as np

from .figures import SIDES, Array, Figure, Pose, swing, toe, trunk_joints, vector
from .variation import Draw, activity, rest_arm, sway

# Flexion of hip and knee in degrees over a stride that begins with the heel strike.
_WALK_HIP = ((0, 27), (0.12, 23), (0.3, 5), (0.52, -13), (0.62, -8), (0.75, 15), (0.88, 29))
_WALK_KNEE = ((0, 4), (0.13, 18), (0.38, 5), (0.5, 10), (0.62, 38), (0.73, 60), (0.87, 24))
_RUN_HIP = ((0, 38), (0.14, 24), (0.34, -14), (0.45, -10), (0.63, 28), (0.79, 50), (0.92, 44))
_RUN_KNEE = ((0, 18), (0.13, 40), (0.33, 16), (0.45, 48), (0.6, 98), (0.7, 104), (0.87, 38))


def _curve(points: Sequence[tuple[float, float]], share_T: Array) -> Array:
    """Return a smooth periodic curve near these points, in radians."""
    at, degrees = zip(*points, strict=True)
    grid = np.interp(np.arange(64) / 64, at, degrees, period=1.0)
    harmonics = np.fft.rfft(grid)[:6] / 64
    order = np.arange(1, 6)
    waves = harmonics[1:] * np.exp(2j * np.pi * share_T[:, None] * order)
    return np.asarray(np.deg2rad(harmonics[0].real + 2 * waves.real.sum(-1)), np.float64)


def walk(draw: Draw, figure: Figure, time_T: Array) -> Pose:
    """Walk, a quarter of the figures with bent elbows."""
    bent = draw.random() < 0.25
    return _gait(
        draw,
        figure,
        time_T,
        (_WALK_HIP, _WALK_KNEE),
        strides_per_second=draw.uniform(0.75, 1.15),
        arm_swing=draw.uniform(0.15, 0.6),
        elbow=draw.uniform(1.1, 1.7) if bent else draw.uniform(0.1, 0.5),
        lean=draw.uniform(0.0, 0.12),
        bounce=0.0,
    )


def run(draw: Draw, figure: Figure, time_T: Array) -> Pose:
    """Run, with two flight phases per stride."""
    return _gait(
        draw,
        figure,
        time_T,
        (_RUN_HIP, _RUN_KNEE),
        strides_per_second=draw.uniform(1.1, 1.55),
        arm_swing=draw.uniform(0.3, 0.8),
        elbow=draw.uniform(0.7, 1.9),
        lean=draw.uniform(0.03, 0.22),
        bounce=draw.uniform(0.03, 0.06),
    )


def _gait(
    draw: Draw,
    figure: Figure,
    time_T: Array,
    curves: tuple[Sequence[tuple[float, float]], Sequence[tuple[float, float]]],
    *,
    strides_per_second: float,
    arm_swing: float,
    elbow: float,
    lean: float,
    bounce: float,
) -> Pose:
    """Return the pose of a cyclic gait.

    Args:
        draw: random numbers of the remaining parameters.
        figure: the body.
        time_T: seconds.
        curves: angles of hip and knee over a stride.
        strides_per_second: stride frequency; a stride is two steps.
        arm_swing: amplitude of the upper arms' angle.
        elbow: flexion of the elbows.
        lean: forward angle of the trunk.
        bounce: height of the pelvis in flight, in metres.
    """
    active_T, vigour = activity(draw, time_T), figure.vigour * draw.uniform(0.75, 1.1)
    step_seconds = time_T[1] - time_T[0]
    rate = strides_per_second * figure.tempo
    share_T = draw.random() + np.cumsum(active_T) * step_seconds * rate
    circle_T = 2 * np.pi * share_T
    pelvis_T3 = vector(0.0, 0.0, active_T * 0.02 * np.cos(circle_T))
    twist_T = active_T * draw.uniform(0.05, 0.2) * np.cos(circle_T)
    lean_T = active_T * lean + figure.lean + sway(draw, time_T, 0.02)
    joints = trunk_joints(figure, pelvis_T3, lean_T, twist_T)
    kept = draw.choice(["none", "none", "none", *SIDES])
    for side, offset in (("right", 0.0), ("left", 0.5)):
        hip_T = active_T * vigour * _curve(curves[0], share_T + offset)
        knee_T = active_T * vigour * _curve(curves[1], share_T + offset) + 0.05
        knee_T3 = swing(joints[f"{side}_hip"], hip_T, figure.thigh)
        shin_T = hip_T - knee_T
        ankle_T3 = swing(knee_T3, shin_T, figure.shin)
        joints[f"{side}_knee"], joints[f"{side}_ankle"] = knee_T3, ankle_T3
        pitch_T = np.clip(0.75 * shin_T + 0.1, -1.1, 0.3)
        joints[f"{side}_toe"] = toe(figure, ankle_T3, pitch_T, SIDES[side] * 0.1)
        if side == kept:
            rest_arm(draw, figure, joints, side)
            continue
        arm_T = -active_T * arm_swing * vigour * np.cos(circle_T + 2 * np.pi * offset - 0.3) + 0.05
        bend_T = active_T * elbow * (1 + 0.25 * np.sin(arm_T)) + (1 - active_T) * 0.2
        outward = SIDES[side] * 0.08
        elbow_T3 = swing(joints[f"{side}_shoulder"], arm_T, figure.upper_arm, outward)
        joints[f"{side}_elbow"] = elbow_T3
        # Hands swing slightly inwards.
        joints[f"{side}_hand"] = swing(elbow_T3, arm_T + bend_T, figure.forearm, -3 * outward)
    return _on_ground(figure, joints, active_T, step_seconds, bounce * vigour, circle_T)


def _on_ground(
    figure: Figure,
    joints: dict[str, Array],
    active_T: Array,
    step_seconds: float,
    bounce: float,
    circle_T: Array,
) -> Pose:
    """Put the lower foot on the ground, and travel at the speed of the foot in contact."""
    ankles = {side: joints[f"{side}_ankle"] for side in SIDES}
    sole = figure.foot * 0.2
    lowest_T = np.minimum(ankles["left"][:, 1], ankles["right"][:, 1])
    # Flight phases: twice a stride, after each push-off.
    flight_T = bounce * (1 + np.cos(2 * circle_T - 0.84 * 2 * np.pi)) * active_T
    lift_T3 = vector(0.0, sole - lowest_T + flight_T, 0.0)
    left_is_lower_T = ankles["left"][:, 1] < ankles["right"][:, 1]
    speeds = {side: -np.gradient(points[:, 0], step_seconds) for side, points in ankles.items()}
    push_T = np.where(left_is_lower_T, speeds["left"], speeds["right"])
    # A quantile, as no foot pushes in flight and when the weight changes sides.
    speed = float(np.clip(np.quantile(push_T[active_T > 0.5], 0.7), 0.0, 5.0))
    travel_T = np.cumsum(active_T) * step_seconds * speed
    return Pose({name: points + lift_T3 for name, points in joints.items()}, travel_T)
