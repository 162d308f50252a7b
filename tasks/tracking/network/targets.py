"""What is known of the objects that are followed.

Shapes: B batch, T frames (right-padded), P places of a crop, K keys, D features of a key; the last
axis of a box is x, y, width and height, in pixels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gru_suite.nn.backbone import State

from ..batches.crops import centre

# Of the mean speed: weight of the last frame, and most sides in a frame.
_SPEED_WEIGHT, _MOST_SPEED = 0.2, 0.4


class TrackOutput(NamedTuple):
    """What the network finds in frames 2 to T, those after the first.

    Attributes:
        found: box relative to the searched area, and the logit of being visible in it, shape
            (B, T - 1, 5).
        boxes: the same as a box in pixels, shape (B, T - 1, 4).
        targets: the true box, relative as in ``found``, NaN where it is unknown, (B, T - 1, 4).
        scores: logits of the place in the area, shape (B, T - 1, P).
    """

    found: Tensor
    boxes: Tensor
    targets: Tensor
    scores: Tensor


class Target(NamedTuple):
    """What is known of objects between two frames.

    Attributes:
        keys: appearance in the first frame, shape (B, D, K).
        boxes_B4: the last box.
        speed_B2: mean motion of the centre, in pixels a frame.
        lost_B: frames since the object was last visible.
        state: of the backbone; None before the second frame.
    """

    keys: Tensor
    boxes_B4: Tensor
    speed_B2: Tensor
    lost_B: Tensor
    state: State | None


class Step(NamedTuple):
    """What is found in one frame.

    Attributes:
        found_B5: box relative to the area, and the logit of being visible in it.
        scores_BP: logits of the place in the area.
        area_B4: the part of the frame that was searched.
        target: for the next frame, with the box that was found.
    """

    found_B5: Tensor
    scores_BP: Tensor
    area_B4: Tensor
    target: Target


class Searched(NamedTuple):
    """From what the areas of all steps follow.

    Attributes:
        last_BT4: the box of before.
        speed_BT2: its mean motion.
        lost_BT: frames since the object was last visible.
    """

    last_BT4: Tensor
    speed_BT2: Tensor
    lost_BT: Tensor


def next_speed(speed_B2: Tensor, before_B4: Tensor, now_B4: Tensor, seen_B: Tensor) -> Tensor:
    """Return the mean motion after another frame; that of before where nothing was seen."""
    most_B2 = _MOST_SPEED * now_B4[:, 2:]
    motion_B2 = (centre(now_B4) - centre(before_B4)).minimum(most_B2).maximum(-most_B2)
    mean_B2 = (1 - _SPEED_WEIGHT) * speed_B2 + _SPEED_WEIGHT * motion_B2
    return torch.where(seen_B.unsqueeze(1), mean_B2, speed_B2)


def motion(last_B4: Tensor, speed_B2: Tensor, lost_B: Tensor) -> Tensor:
    """Return speed in sides, and whether and for how long it is lost, shape (B, 4)."""
    speed_B2 = 5 * speed_B2 / last_B4[:, 2:].clamp(min=1)
    lost_B2 = torch.stack([(lost_B > 0).float(), (lost_B / 10).clamp(max=3)], 1)
    return torch.cat([speed_B2, lost_B2], 1)


def filled(boxes_BT4: Tensor) -> Tensor:
    """Return boxes with unknown ones replaced by those of before."""
    filled = [boxes_BT4[:, 0]]
    for step in range(1, boxes_BT4.size(1)):
        box_B4 = boxes_BT4[:, step]
        filled.append(torch.where(box_B4.isnan(), filled[-1], box_B4))
    return torch.stack(filled, 1)
