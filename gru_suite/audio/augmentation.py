"""Augmentation of audio clips: speed, shift, gain, background noise and clipping.

Shapes: B batch, S samples (right-padded), L samples of the noise bank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.options import check_ranges

from .noise import mix_at_snr, valid_mask


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the augmentation; each default is off.

    Attributes:
        speed: largest relative change of speed and pitch: 0.1 is 0.9 to 1.1 times.
        time_shift_ms: largest shift in either direction, in milliseconds, filled with silence.
        gain_db: largest gain or attenuation in dB.
        noise_probability: probability that background noise is added to a clip.
        noise_snr_db: lowest and highest signal-to-noise ratio in dB.
        clipping_probability: probability that a clip is overdriven: amplified and cut at full
            scale.
        clipping_db: largest amplification of an overdriven clip in dB.
    """

    speed: float = 0.0
    time_shift_ms: float = 0.0
    gain_db: float = 0.0
    noise_probability: float = 0.0
    noise_snr_db: Sequence[float] = (0.0, 30.0)
    clipping_probability: float = 0.0
    clipping_db: float = 20.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        ranges = {"speed": (0, 0.5), "time_shift_ms": (0, 1e4), "gain_db": (0, 60)}
        ranges |= {"noise_probability": (0, 1), "clipping_probability": (0, 1)}
        check_ranges("data.augment", self, {**ranges, "clipping_db": (0, 60)})
        snr = list(self.noise_snr_db)
        if len(snr) != 2 or snr[0] > snr[1]:
            raise UserError(f"data.augment.noise_snr_db={snr}: needs the lowest and highest, in dB")


def augment(
    x_BS: Tensor,
    lengths_B: Tensor,
    bank_L: Tensor,
    sample_rate_hz: int,
    options: Augmentation,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Apply random speed, shift, gain, background noise and clipping to each clip.

    Args:
        x_BS: clips.
        lengths_B: valid samples of each, 1..S.
        bank_L: background noise, at least S / (1 - speed) samples.
        sample_rate_hz: of clips and noise.
        options: ranges of the changes.
        generator: CPU generator of all draws, also for clips on another device.

    Returns:
        The augmented clips and their lengths.
    """
    draws_KB = torch.rand(6, len(x_BS), generator=generator, dtype=torch.float64)
    speed_B, shift_B, gain_B, noise_B, snr_B, _ = draws_KB.to(x_BS.device, torch.float32)
    factor_B = 1 + options.speed * (2 * speed_B - 1)
    shift_samples = options.time_shift_ms * sample_rate_hz / 1000
    x_BS, lengths_B = warp(x_BS, lengths_B, factor_B, shift_samples * (2 * shift_B - 1))
    x_BS = x_BS * (10 ** (options.gain_db * (2 * gain_B - 1) / 20)).unsqueeze(1)
    if options.noise_probability > 0:
        low, high = options.noise_snr_db
        snr_db_B = low + (high - low) * snr_B
        snr_db_B = snr_db_B.masked_fill(noise_B >= options.noise_probability, torch.inf)
        segments = bank_L.unfold(0, x_BS.size(1), 1)
        # float64: float32 does not represent every index of a long bank.
        starts_B = (draws_KB[5] * len(segments)).long().to(bank_L.device)
        x_BS = mix_at_snr(x_BS, lengths_B, segments[starts_B], snr_db_B)
    if options.clipping_probability > 0:
        x_BS = _overdrive(x_BS, options, generator)
    return x_BS, lengths_B


def _overdrive(x_BS: Tensor, options: Augmentation, generator: torch.Generator) -> Tensor:
    clipped_B, gain_B = torch.rand(2, len(x_BS), generator=generator).to(x_BS.device)
    gain_B = 10 ** (options.clipping_db * gain_B / 20)
    gain_B = gain_B.where(clipped_B < options.clipping_probability, 1.0)
    overdriven_BS: Tensor = (x_BS * gain_B.unsqueeze(1)).clamp(-1.0, 1.0)
    return overdriven_BS


def warp(
    x_BS: Tensor, lengths_B: Tensor, factor_B: Tensor, shift_B: Tensor
) -> tuple[Tensor, Tensor]:
    """Change the speed of each clip and shift it, by one linear interpolation.

    Args:
        x_BS: clips.
        lengths_B: valid samples of each.
        factor_B: speed; 2 halves the length.
        shift_B: samples by which the signal is delayed; negative values advance it.

    Returns:
        Clips, shape (B, S') with the largest new length S', and their lengths.
    """
    if bool((factor_B == 1).all()) and not bool(shift_B.any()):
        return x_BS, lengths_B
    new_lengths_B = (lengths_B / factor_B).round().long().clamp(min=1)
    steps_S = torch.arange(int(new_lengths_B.max()), device=x_BS.device, dtype=x_BS.dtype)
    position_BS = (steps_S - shift_B.unsqueeze(1)) * factor_B.unsqueeze(1)
    lower_BS = position_BS.floor()
    weight_BS = position_BS - lower_BS
    # Positions outside the clip take these zeros.
    padded_BS = torch.nn.functional.pad(x_BS, (1, 2))
    index_BS = (lower_BS.long() + 1).clamp_(0, x_BS.size(1) + 1)
    here_BS, next_BS = padded_BS.gather(1, index_BS), padded_BS.gather(1, index_BS + 1)
    mask_BS = valid_mask(new_lengths_B, len(steps_S))
    return torch.lerp(here_BS, next_BS, weight_BS) * mask_BS, new_lengths_B
