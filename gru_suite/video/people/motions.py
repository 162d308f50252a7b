"""Six actions: joints over time, in random styles.

Shapes: T frames; the last axis of a point is x (forward), y (up), z (right), in metres.
"""

from collections.abc import Callable

import numpy as np

from .figures import SIDES, Array, Figure, Pose, reach, toe, trunk_joints, vector
from .gait import run, walk
from .variation import Draw, activity, ease, hold_arms, reach_arm, rest_arm, sway, swing_arms

_GRAVITY = 9.81


def _stand(
    draw: Draw,
    figure: Figure,
    crouch_T: Array,
    lean_T: Array,
    feet_T: Array | float = 0.0,
    tiptoe_T: Array | float = 0.0,
) -> dict[str, Array]:
    """Return the pose of standing on both feet.

    Args:
        draw: random numbers of the feet.
        figure: the body.
        crouch_T: lowering of the pelvis, relative to the length of the leg.
        lean_T: forward angle of the trunk.
        feet_T: height of the feet above the ground, in a jump.
        tiptoe_T: angle by which the toes point down.
    """
    spread = figure.hip_width * draw.uniform(0.9, 2.0)
    stagger, outward = draw.uniform(-0.08, 0.08), draw.uniform(0.05, 0.5)
    sole = figure.foot * 0.2
    # Hips move back as the trunk leans forward, for balance.
    pelvis_T3 = vector(
        -0.55 * crouch_T * figure.leg, feet_T + sole + figure.leg * (0.995 - crouch_T), 0.0
    )
    joints = trunk_joints(figure, pelvis_T3, lean_T)
    for side, sign in SIDES.items():
        ankle_T3 = vector(sign * stagger - 0.02, feet_T + sole, sign * spread + 0 * crouch_T)
        knee = np.broadcast_to(vector(1.0, 0.0, sign * outward), ankle_T3.shape)
        joints[f"{side}_knee"], joints[f"{side}_ankle"] = reach(
            joints[f"{side}_hip"], ankle_T3, figure.thigh, figure.shin, knee
        )
        pitch_T = -np.asarray(tiptoe_T)
        joints[f"{side}_toe"] = toe(figure, ankle_T3, pitch_T, sign * outward)
    return joints


def _squat(draw: Draw, figure: Figure, time_T: Array) -> Pose:
    active_T = activity(draw, time_T)
    rate = draw.uniform(0.4, 0.85) * figure.tempo
    phase_T = 2 * np.pi * (rate * time_T + draw.random())
    # Some pause at the top, some at the bottom.
    down_T = active_T * ((1 - np.cos(phase_T)) / 2) ** draw.uniform(0.6, 1.6)
    depth = draw.uniform(0.22, 0.48) * min(figure.vigour, 1.05)
    lean_T = figure.lean + draw.uniform(0.5, 1.3) * depth * 1.6 * down_T
    joints = _stand(draw, figure, depth * down_T, lean_T)
    if draw.random() < 0.5:
        lift_T = draw.uniform(0.3, 1.6) * down_T + draw.uniform(-0.2, 0.2)
        swing_arms(draw, figure, joints, lift_T, draw.uniform(0.0, 0.4))
    else:
        hold_arms(draw, figure, joints)
    return Pose(joints, np.zeros_like(time_T))


def _jump(draw: Draw, figure: Figure, time_T: Array) -> Pose:
    height = draw.uniform(0.08, 0.34) * figure.vigour
    flight = 2 * np.sqrt(2 * height / _GRAVITY)
    sink, land = draw.uniform(0.25, 0.5), draw.uniform(0.2, 0.4)
    pause = draw.uniform(0.0, 0.6)
    depth, give = draw.uniform(0.12, 0.34), draw.uniform(0.08, 0.25)
    push = 0.18
    ends = np.cumsum([0, sink, push, flight, land * 0.4, land * 0.6, pause])
    at_T = (time_T + draw.uniform(0, ends[-1])) % ends[-1]
    down_T = depth * (ease(at_T / sink) - ease((at_T - ends[1]) / push))
    down_T += give * ease((at_T - ends[3]) / (land * 0.4)) - give * ease(
        (at_T - ends[4]) / (land * 0.6)
    )
    air_T = np.clip(at_T - ends[2], 0, flight)
    rise_T = _GRAVITY / 2 * air_T * (flight - air_T)
    flying_T = 4 * air_T * (flight - air_T) / flight**2
    tuck = draw.uniform(0.0, 0.18)
    tiptoe_T = 0.7 * flying_T
    lean_T = figure.lean + draw.uniform(0.8, 1.8) * down_T
    joints = _stand(
        draw,
        figure,
        down_T + tuck * flying_T,
        lean_T,
        rise_T + tuck * figure.leg * flying_T,
        tiptoe_T,
    )
    if draw.random() < 0.6:
        back, up = draw.uniform(0.2, 0.9), draw.uniform(0.4, 2.6)
        lift_T = -back * down_T / depth + up * ease(flying_T * 1.5)
        swing_arms(draw, figure, joints, lift_T, draw.uniform(0.1, 0.7))
    else:
        hold_arms(draw, figure, joints)
    return Pose(joints, np.zeros_like(time_T))


def _idle(draw: Draw, figure: Figure, time_T: Array) -> dict[str, Array]:
    """Stand, with slight movements."""
    crouch_T = draw.uniform(0, 0.02) + np.abs(sway(draw, time_T, 0.01))
    return _stand(draw, figure, crouch_T, figure.lean + sway(draw, time_T, 0.06))


def _wave(draw: Draw, figure: Figure, time_T: Array) -> Pose:
    joints, active_T = _idle(draw, figure, time_T), activity(draw, time_T)
    both = draw.random() < 0.25
    rate = draw.uniform(0.9, 2.4) * figure.tempo
    phase_T = 2 * np.pi * (rate * time_T + draw.random())
    size = draw.uniform(0.25, 0.75) * figure.vigour
    raised = draw.uniform(0.2, 2.4)
    forward, together = draw.uniform(0.0, 0.6), draw.choice([-1.0, 1.0])
    for side, sign in SIDES.items():
        if not both and side != figure.strong_side:
            rest_arm(draw, figure, joints, side)
            continue
        turn_T = size * np.sin(phase_T) * (sign * together if both else 1.0)
        shoulder_T3 = joints[f"{side}_shoulder"]
        # The higher the arm is raised, the more the upper arm moves.
        upper_T = raised + 0.3 * raised * turn_T / 2
        fore_T = np.maximum(upper_T, 2.6) + turn_T
        hand_T3 = shoulder_T3
        for length, angle_T in ((figure.upper_arm, upper_T), (figure.forearm, fore_T)):
            hand_T3 = hand_T3 + length * vector(
                np.sin(forward) * np.abs(np.sin(angle_T)),
                -np.cos(angle_T),
                sign * np.sin(angle_T) * np.cos(forward),
            )
        hanging_T3 = shoulder_T3 + vector(0.1, -0.97 * (figure.upper_arm + figure.forearm), 0.0)
        blend_T1 = active_T[:, None]
        elbow = np.broadcast_to(vector(-0.2, -0.6, sign), hand_T3.shape)
        reach_arm(figure, joints, side, hanging_T3 + blend_T1 * (hand_T3 - hanging_T3), elbow)
    return Pose(joints, np.zeros_like(time_T))


def _clap(draw: Draw, figure: Figure, time_T: Array) -> Pose:
    joints, active_T = _idle(draw, figure, time_T), activity(draw, time_T)
    rate = draw.uniform(1.3, 3.0) * figure.tempo
    phase_T = 2 * np.pi * (rate * time_T + draw.random())
    # Hands are apart for longer than together.
    apart_T = draw.uniform(0.08, 0.36) * figure.vigour * np.sqrt((1 - np.cos(phase_T)) / 2)
    above = draw.random() < 0.2
    height = figure.height * (draw.uniform(0.12, 0.2) if above else draw.uniform(-0.2, -0.02))
    middle_T3 = joints["chest"] + vector(figure.height * draw.uniform(0.1, 0.24), height, 0.0)
    if above:
        middle_T3 = middle_T3 + vector(0.0, figure.height * 0.12, 0.0)
    moving = draw.choice(["both", "both", "left", "right"])
    for side, sign in SIDES.items():
        aside_T = 0.025 + (apart_T if moving in ("both", side) else 0.1 * apart_T)
        hand_T3 = middle_T3 + vector(0.0, 0.0, sign * aside_T)
        shoulder_T3 = joints[f"{side}_shoulder"]
        hanging_T3 = shoulder_T3 + vector(0.1, -0.97 * (figure.upper_arm + figure.forearm), 0.0)
        hand_T3 = hanging_T3 + active_T[:, None] * (hand_T3 - hanging_T3)
        elbow = np.broadcast_to(vector(-0.3, -0.8, sign * 0.8), hand_T3.shape)
        reach_arm(figure, joints, side, hand_T3, elbow)
    return Pose(joints, np.zeros_like(time_T))


_MOTIONS: dict[str, Callable[[Draw, Figure, Array], Pose]] = {
    "clap": _clap,
    "jump": _jump,
    "run": run,
    "squat": _squat,
    "walk": walk,
    "wave": _wave,
}
ACTIONS = tuple(_MOTIONS)


def move(action: str, draw: Draw, figure: Figure, time_T: Array) -> Pose:
    """Return the pose of a figure that performs an action.

    Args:
        action: one of ``ACTIONS``.
        draw: random numbers of the style.
        figure: the body.
        time_T: seconds of the frames, evenly spaced.
    """
    return _MOTIONS[action](draw, figure, time_T)
