"""Masking of spectral features in training.

Shapes: B batch, T frames (right-padded), F features, K masks.
"""

import torch
from torch import Tensor, nn

from gru_suite.options import check_number


class SpecAugment(nn.Module):
    """Time and frequency masking in training (SpecAugment, Park et al. 2019, arXiv 1904.08779).

    Unlike torchaudio's transform it keeps time masks within the valid frames of each clip and draws
    from a given generator.
    """

    def __init__(
        self,
        hop_ms: float,
        time_masks: int = 0,
        time_ms: float = 0.0,
        band_masks: int = 0,
        bands: int = 0,
    ) -> None:
        """Set the masks.

        Args:
            hop_ms: time between frames.
            time_masks: number of time masks in each clip.
            time_ms: their largest width, in milliseconds.
            band_masks: number of frequency masks in each clip.
            bands: their largest width, in bands.
        """
        super().__init__()
        for name, value in (("time_masks", time_masks), ("band_masks", band_masks)):
            check_number(f"task.spec_augment.{name}", value, 0, 100)
        check_number("task.spec_augment.time_ms", time_ms, 0, 1e5)
        check_number("task.spec_augment.bands", bands, 0, 1e4)
        self.time_masks, self.band_masks = time_masks, band_masks
        self.time_width, self.band_width = round(time_ms / hop_ms), int(bands)

    def forward(
        self, x_BTF: Tensor, lengths_B: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return masked features; in evaluation mode the features themselves.

        Args:
            x_BTF: features of zero mean, which masks set to zero.
            lengths_B: valid frames, within which time masks lie.
            generator: of the draws; None is torch's default generator.
        """
        if not self.training:
            return x_BTF
        frames_B1, bands_B1 = lengths_B[:, None], torch.full_like(lengths_B, x_BTF.size(2))[:, None]
        masks_BT = random_spans(
            frames_B1, x_BTF.size(1), self.time_masks, self.time_width, generator
        )
        masks_BF = random_spans(
            bands_B1, x_BTF.size(2), self.band_masks, self.band_width, generator
        )
        return x_BTF.masked_fill(masks_BT[:, :, None] | masks_BF[:, None, :], 0.0)


def random_spans(
    size_B1: Tensor,
    size: int,
    num_spans: int,
    max_width: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the union of random spans in each row, bool, shape (B, size).

    Args:
        size_B1: length of each row within which spans lie, at most ``size``.
        size: number of columns.
        num_spans: spans in each row.
        max_width: widths are uniform from 0 to this, and less than a row.
        generator: of the draws; None is torch's default, on the device of ``size_B1``.
    """
    device = size_B1.device
    shape = (2, len(size_B1), num_spans)
    draws = torch.rand(shape, generator=generator, device=generator.device if generator else device)
    width_BK, start_BK = draws.to(device)
    width_BK = torch.minimum((width_BK * (max_width + 1)).floor(), size_B1 - 1)
    start_BK = (start_BK * (size_B1 - width_BK + 1)).floor()
    place = torch.arange(size, device=device)
    inside = (place >= start_BK[..., None]) & (place < (start_BK + width_BK)[..., None])
    spans: Tensor = inside.any(1)
    return spans
