"""Changes to a batch of training clips that leave what is done in them as it is.

Shapes: B batch, T frames (right-padded), H height, W width of what is kept; h, w of what is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from gru_suite.options import check_ranges

# Share of red, green and blue in what looks equally bright (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """How strongly clips are changed, all frames of a clip alike; every default changes nothing.

    Attributes:
        zoom: the smallest share of height and width that a random crop keeps is 1 - zoom.
        stretch: largest change of a crop's aspect: 0.2 means 0.83 to 1.2 times.
        flip: share of clips that are mirrored left to right; 0 where actions have a side.
        brightness: largest shift of all values, as a share of their range.
        contrast: largest change of contrast: 0.3 means 0.7 to 1.3 times.
        saturation: largest change of saturation, likewise.
        tint: largest change of each colour's strength, likewise.
        grey: share of clips that lose their colours.
        reverse: share of clips that run backwards.
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
    """Crop, mirror, recolour and turn round every clip, each by its own draw.

    Args:
        x_BThw3: frames, uint8, with a margin around ``size`` to crop from.
        lengths_B: valid frames of each, 1..T.
        size: height and width of the result.
        options: how strongly.
        generator: gives every draw; the same state, the same batch. It is a CPU generator whatever
            the device.

    Returns:
        Frames of ``size``, uint8, shape (B, T, H, W, 3).
    """
    draws_BK = torch.rand(len(x_BThw3), 12, generator=generator, dtype=torch.float64)
    place_BK, color_BK, chance_BK = draws_BK[:, :4], draws_BK[:, 4:10], draws_BK[:, 10:]
    clips = []
    for index, length in enumerate(lengths_B.tolist()):
        clip_Thw3 = x_BThw3[index]
        if chance_BK[index, 0] < options.reverse:
            clip_Thw3 = torch.cat([clip_Thw3[:length].flip(0), clip_Thw3[length:]])
        clip_THW3 = _crop(clip_Thw3, size, options, place_BK[index].tolist())
        clips.append(clip_THW3.flip(2) if chance_BK[index, 1] < options.flip else clip_THW3)
    return recolor(torch.stack(clips), options, color_BK)


def centre_crop(x_BThw3: Tensor, size: Sequence[int]) -> Tensor:
    """Return the middle of every frame, of the given height and width."""
    height, width = size
    top, left = (x_BThw3.size(-3) - height) // 2, (x_BThw3.size(-2) - width) // 2
    return x_BThw3[..., top : top + height, left : left + width, :]


def _crop(
    clip_Thw3: Tensor, size: Sequence[int], options: Augmentation, draws: list[float]
) -> Tensor:
    """Return a random part of a clip, the same in all frames, brought to ``size``."""
    height, width = size
    full_height, full_width = clip_Thw3.shape[1:3]
    part_height, part_width = height, width
    if options.zoom or options.stretch:
        # Between the smallest part and all that was given, margin and all.
        scale = 1 - options.zoom * draws[2]
        aspect = (1 + options.stretch) ** (2 * draws[3] - 1)
        part_height = min(full_height, max(1, round(full_height * scale * min(1, 1 / aspect))))
        part_width = min(full_width, max(1, round(full_width * scale * min(1, aspect))))
    top = int(draws[0] * (full_height - part_height + 1))
    left = int(draws[1] * (full_width - part_width + 1))
    part_THW3 = clip_Thw3[:, top : top + part_height, left : left + part_width]
    if (part_height, part_width) == (height, width):
        return part_THW3
    part_T3HW = F.interpolate(
        part_THW3.permute(0, 3, 1, 2), (height, width), mode="bilinear", antialias=True
    )
    return part_T3HW.permute(0, 2, 3, 1)


def recolor(x_BTHW3: Tensor, options: Augmentation, draws_BK: Tensor) -> Tensor:
    """Change brightness, contrast and colours of each clip by one linear map of its colours.

    Args:
        x_BTHW3: frames, uint8.
        options: how strongly.
        draws_BK: six numbers from 0 to 1 for each clip.
    """
    strengths = (options.brightness, options.contrast, options.saturation, options.tint)
    if not any(strengths) and not options.grey:
        return x_BTHW3
    draws_BK = draws_BK.to(x_BTHW3.device, torch.float32)
    shift_B, contrast_B, saturation_B = (2 * draws_BK[:, :3] - 1).unbind(1)
    saturation_B = 1 + options.saturation * saturation_B
    saturation_B = torch.where(draws_BK[:, 3] < options.grey, 0.0, saturation_B)[:, None, None]
    luma_33 = x_BTHW3.new_tensor(_LUMA, dtype=torch.float32).repeat(3, 1)
    unit_33 = torch.eye(3, device=x_BTHW3.device)
    map_B33 = saturation_B * unit_33 + (1 - saturation_B) * luma_33
    # Two draws for three colours: what all three share is the contrast's.
    red_B, blue_B = (options.tint * (2 * draws_BK[:, 4:] - 1)).unbind(1)
    tint_B3 = 1 + torch.stack([red_B, -(red_B + blue_B) / 2, blue_B], dim=1)
    contrast_B = 1 + options.contrast * contrast_B
    map_B33 = map_B33 * (tint_B3 * contrast_B[:, None])[:, :, None]
    # Contrast turns about the middle of the range.
    shift_B = 127.5 * (1 - contrast_B) + 255 * options.brightness * shift_B
    flat_BN3 = x_BTHW3.flatten(1, 3).float()
    changed_BN3 = torch.baddbmm(shift_B[:, None, None], flat_BN3, map_B33.transpose(1, 2))
    return changed_BN3.clamp_(0, 255).to(torch.uint8).view(x_BTHW3.shape)
