"""Crops of frames around boxes, and boxes relative to them.

Shapes: B batch, H height, W width of the frames, S side of a crop; the last axis of a box is x, y,
width and height, in pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# The narrow side of a crop is at least this share of its wide one.
_LEAST_ASPECT = 0.5
LOG_SIZE = (-1.5, 0.7)
"""Of a box: logarithm of its sides in halves of those of the area."""


def crop_boxes(box_B4: Tensor, context_B: Tensor) -> Tensor:
    """Return the area around boxes, as boxes of the same centres, (B, 4).

    Args:
        box_B4: boxes.
        context_B: sides of the area, in sides of the box.
    """
    size_B2 = box_B4[:, 2:].clamp(min=1)
    size_B2 = torch.maximum(size_B2, _LEAST_ASPECT * size_B2.flip(1)) * context_B.unsqueeze(1)
    return torch.cat([centre(box_B4) - size_B2 / 2, size_B2], 1)


def crop(frames_BHW3: Tensor, area_B4: Tensor, side: int) -> Tensor:
    """Return parts of frames, resized bilinearly; outside of a frame they are black.

    Args:
        frames_BHW3: uint8.
        area_B4: part of each frame.
        side: of the result.

    Returns:
        Crops, about -1 to 1, shape (B, 3, S, S).
    """
    height, width = frames_BHW3.shape[1:3]
    place_S = (torch.arange(side, device=area_B4.device) + 0.5) / side
    x_BS = area_B4[:, :1] + place_S * area_B4[:, 2:3]
    y_BS = area_B4[:, 1:2] + place_S * area_B4[:, 3:4]
    grid_BSS2 = torch.stack(
        [
            (2 * x_BS / width - 1)[:, None, :].expand(-1, side, -1),
            (2 * y_BS / height - 1)[:, :, None].expand(-1, -1, side),
        ],
        -1,
    )
    # Scaled afterwards, which is less work than all of the frames.
    x_B3HW = frames_BHW3.permute(0, 3, 1, 2).float()
    found_B3SS = F.grid_sample(x_B3HW, grid_BSS2, align_corners=False) / 127.5 - 1
    return found_B3SS.contiguous(memory_format=torch.channels_last)


def to_relative(box_B4: Tensor, area_B4: Tensor) -> Tensor:
    """Return boxes relative to an area: shift of the centre, and logarithm of the size.

    The shift is in sides of the area, the size in halves of them.
    """
    shift_B2 = (centre(box_B4) - centre(area_B4)) / area_B4[..., 2:]
    return torch.cat([shift_B2, (2 * box_B4[..., 2:].clamp(min=1) / area_B4[..., 2:]).log()], -1)


def from_relative(found_B4: Tensor, area_B4: Tensor) -> Tensor:
    """Return boxes in pixels; the inverse of :func:`to_relative`, for sizes in ``LOG_SIZE``."""
    centre_B2 = centre(area_B4) + found_B4[..., :2] * area_B4[..., 2:]
    size_B2 = area_B4[..., 2:] / 2 * found_B4[..., 2:].clamp(*LOG_SIZE).exp()
    return torch.cat([centre_B2 - size_B2 / 2, size_B2], -1)


def centre(box_B4: Tensor) -> Tensor:
    """Return the centres of boxes, shape (B, 2)."""
    return box_B4[..., :2] + box_B4[..., 2:] / 2


def moved(box_B4: Tensor, shift_B2: Tensor) -> Tensor:
    """Return boxes that are moved, shape (B, 4)."""
    return torch.cat([box_B4[..., :2] + shift_B2, box_B4[..., 2:]], -1)
