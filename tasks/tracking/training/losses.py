"""Losses of boxes and of places in a crop.

Shapes: B batch, T frames, P places of a square map; the last axis of a box is x, y, width and
height, in pixels.
"""

import math

import torch
from torch import Tensor

# Spread of the place that is learned, in sides of the map.
_SPREAD = 0.06


def overlaps(found_BT4: Tensor, true_BT4: Tensor) -> Tensor:
    """Return the share of common area in that of both boxes together, shape (B, T)."""
    low_BT2 = torch.maximum(found_BT4[..., :2], true_BT4[..., :2])
    ends = (each[..., :2] + each[..., 2:] for each in (found_BT4, true_BT4))
    common_BT = (torch.minimum(*ends) - low_BT2).clamp(min=0).prod(-1)
    both_BT = found_BT4[..., 2:].prod(-1) + true_BT4[..., 2:].prod(-1) - common_BT
    return common_BT / both_BT.clamp(min=1)


def place_entropy(scores_BTP: Tensor, shift_BT2: Tensor) -> Tensor:
    """Return the cross-entropy of a blurred place, shape (B, T).

    Args:
        scores_BTP: logits of places, row by row.
        shift_BT2: the true place, x and y in sides of the map from its middle.
    """
    side = math.isqrt(scores_BTP.size(-1))
    at = (torch.arange(side, device=shift_BT2.device) + 0.5) / side - 0.5
    distance_BT2S = (at - shift_BT2.unsqueeze(-1)).square() / (2 * _SPREAD**2)
    x_BTS, y_BTS = (-distance_BT2S).softmax(-1).unbind(-2)
    wanted_BTP = (y_BTS.unsqueeze(-1) * x_BTS.unsqueeze(-2)).flatten(-2)
    return -(wanted_BTP * scores_BTP.log_softmax(-1)).sum(-1)


def weighted_mean(loss_BT: Tensor, weight_BT: Tensor) -> Tensor:
    """Return the mean of a loss, weighted."""
    return (loss_BT * weight_BT).sum() / weight_BT.sum().clamp(min=1)
