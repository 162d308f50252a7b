"""Augmentation of video clips: random crops, flips, colours and direction of time.

All clips of a batch have draws of their own, and all frames of a clip the same ones. torchvision's
transforms draw from the global generator, once for a whole batch.

Shapes: B batch, T frames (right-padded), H height, W width of the output; h, w of the input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from gru_suite.options import check_ranges

# Weights of red, green and blue in luma (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the augmentation; each default is off.

    Attributes:
        zoom: a random crop has at least 1 - zoom of the height and width.
        stretch: largest relative change of the aspect ratio: 0.2 is 0.83 to 1.2 times.
        flip: probability of a horizontal flip; 0 where left and right actions differ.
        brightness: largest shift of all values, relative to their range.
        contrast: largest relative change of contrast: 0.3 is 0.7 to 1.3 times.
        saturation: largest relative change of saturation.
        tint: largest relative change of a colour channel.
        grey: probability of a conversion to greyscale.
        reverse: probability of a reversed order of frames.
    """

    zoom: float = 0.0
    stretch: float = 0.0
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    tint: float = 0.0
    grey: float = 0.0
    reverse: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        ranges = {field.name: (0, 1) for field in fields(self)}
        check_ranges("data.augment", self, {**ranges, "zoom": (0, 0.9)})


def augment(
    x_BThw3: Tensor,
    lengths_B: Tensor,
    size: Sequence[int],
    options: Augmentation,
    generator: torch.Generator,
) -> Tensor:
    """Apply random crop, flip, colours and reversal to each clip.

    Args:
        x_BThw3: frames, uint8, with a margin around ``size`` to crop from.
        lengths_B: valid frames of each, 1..T.
        size: height and width of the result.
        options: ranges of the changes.
        generator: CPU generator of all draws, also for clips on another device.

    Returns:
        Frames of ``size``, uint8, shape (B, T, H, W, 3).
    """
    draws_BK = torch.rand(len(x_BThw3), 12, generator=generator, dtype=torch.float64)
    crop_BK, color_BK, chance_BK = draws_BK[:, :4], draws_BK[:, 4:10], draws_BK[:, 10:]
    clips = []
    for index, length in enumerate(lengths_B.tolist()):
        clip_Thw3 = x_BThw3[index]
        if chance_BK[index, 0] < options.reverse:
            clip_Thw3 = torch.cat([clip_Thw3[:length].flip(0), clip_Thw3[length:]])
        clip_THW3 = _crop(clip_Thw3, size, options, crop_BK[index].tolist())
        clips.append(clip_THW3.flip(2) if chance_BK[index, 1] < options.flip else clip_THW3)
    return recolor(torch.stack(clips), options, color_BK)


def centre_crop(x_BThw3: Tensor, size: Sequence[int]) -> Tensor:
    """Return the centre crop of every frame, of the given height and width."""
    height, width = size
    top, left = (x_BThw3.size(-3) - height) // 2, (x_BThw3.size(-2) - width) // 2
    return x_BThw3[..., top : top + height, left : left + width, :]


def _crop(
    clip_Thw3: Tensor, size: Sequence[int], options: Augmentation, draws: list[float]
) -> Tensor:
    """Return a random crop of a clip, the same in all frames, resized to ``size``."""
    height, width = size
    full_height, full_width = clip_Thw3.shape[1:3]
    crop_height, crop_width = height, width
    if options.zoom or options.stretch:
        # From the smallest crop to the whole frame, including its margin.
        scale = 1 - options.zoom * draws[2]
        aspect = (1 + options.stretch) ** (2 * draws[3] - 1)
        crop_height = min(full_height, max(1, round(full_height * scale * min(1, 1 / aspect))))
        crop_width = min(full_width, max(1, round(full_width * scale * min(1, aspect))))
    top = int(draws[0] * (full_height - crop_height + 1))
    left = int(draws[1] * (full_width - crop_width + 1))
    crop_THW3 = clip_Thw3[:, top : top + crop_height, left : left + crop_width]
    if (crop_height, crop_width) == (height, width):
        return crop_THW3
    crop_T3HW = F.interpolate(
        crop_THW3.permute(0, 3, 1, 2), (height, width), mode="bilinear", antialias=True
    )
    return crop_T3HW.permute(0, 2, 3, 1)


def recolor(x_BTHW3: Tensor, options: Augmentation, draws_BK: Tensor) -> Tensor:
    """Change brightness, contrast and colours of each clip by one affine map of its colours.

    Args:
        x_BTHW3: frames, uint8.
        options: ranges of the changes.
        draws_BK: six numbers from 0 to 1 for each clip.
    """
    ranges = (options.brightness, options.contrast, options.saturation, options.tint)
    if not any(ranges) and not options.grey:
        return x_BTHW3
    draws_BK = draws_BK.to(x_BTHW3.device, torch.float32)
    shift_B, contrast_B, saturation_B = (2 * draws_BK[:, :3] - 1).unbind(1)
    saturation_B = 1 + options.saturation * saturation_B
    saturation_B = torch.where(draws_BK[:, 3] < options.grey, 0.0, saturation_B)[:, None, None]
    luma_33 = x_BTHW3.new_tensor(_LUMA, dtype=torch.float32).repeat(3, 1)
    unit_33 = torch.eye(3, device=x_BTHW3.device)
    map_B33 = saturation_B * unit_33 + (1 - saturation_B) * luma_33
    # Two draws for three channels, as a change of all three is a change of contrast.
    red_B, blue_B = (options.tint * (2 * draws_BK[:, 4:] - 1)).unbind(1)
    tint_B3 = 1 + torch.stack([red_B, -(red_B + blue_B) / 2, blue_B], dim=1)
    contrast_B = 1 + options.contrast * contrast_B
    map_B33 = map_B33 * (tint_B3 * contrast_B[:, None])[:, :, None]
    # The middle of the range is the fixed point of contrast.
    shift_B = 127.5 * (1 - contrast_B) + 255 * options.brightness * shift_B
    flat_BN3 = x_BTHW3.flatten(1, 3).float()
    changed_BN3 = torch.baddbmm(shift_B[:, None, None], flat_BN3, map_B33.transpose(1, 2))
    return changed_BN3.clamp_(0, 255).to(torch.uint8).view(x_BTHW3.shape)
