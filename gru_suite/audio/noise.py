"""Background noise: synthesis, parts of recordings, and mixing at a signal-to-noise ratio.

Shapes: B batch, S samples (right-padded), L samples of a noise bank.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Exponent of the power spectrum 1 / f ** exponent.
COLORS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
# Range of a noise recording that each part uses, so that no segment is in training and test.
PART_RANGES = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}
_SYNTHETIC_RMS = 0.05


def make_noise(color: str, seconds: float, sample_rate_hz: int, seed: int) -> NDArray[np.float32]:
    """Return synthetic coloured noise with a root mean square of 0.05, shape (S,).

    Args:
        color: a key of ``COLORS``.
        seconds: its duration.
        sample_rate_hz: its sample rate.
        seed: of the random numbers.
    """
    num_samples = round(seconds * sample_rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(num_samples))
    frequency_hz = np.fft.rfftfreq(num_samples, 1 / sample_rate_hz)
    # Flat below 20 Hz, which is inaudible and would have most of the power of brown noise.
    spectrum *= np.maximum(frequency_hz, 20.0) ** (-COLORS[color] / 2)
    spectrum[0] = 0.0
    noise_S = np.fft.irfft(spectrum, num_samples)
    scaled_S: NDArray[np.float32] = (_SYNTHETIC_RMS / noise_S.std() * noise_S).astype(np.float32)
    return scaled_S


def part_bounds(length: int, part: str, needed: int) -> tuple[int, int]:
    """Return the range of samples (end exclusive) of a noise recording that a part uses.

    Where the range of a part is shorter than ``needed`` samples, it uses the whole recording.
    """
    low, high = PART_RANGES[part]
    start, stop = int(low * length), int(high * length)
    return (start, stop) if stop - start >= needed else (0, length)


def noise_bank(noises: Sequence[NDArray[np.int16]], part: str, needed: int) -> NDArray[np.int16]:
    """Return the concatenated noise of a part, repeated to at least ``needed`` samples, shape (L,).

    Args:
        noises: the recordings, at least one.
        part: train, val or test.
        needed: samples of the longest segment that will be taken from it.
    """
    segments = []
    for noise_S in noises:
        start, stop = part_bounds(len(noise_S), part, needed)
        segments.append(noise_S[start:stop])
    bank_L = np.concatenate(segments)
    return np.tile(bank_L, -(-needed // len(bank_L)))


def mix_at_snr(x_BS: Tensor, lengths_B: Tensor, noise_BS: Tensor, snr_db_B: Tensor) -> Tensor:
    """Return clips with noise added at given signal-to-noise ratios, shape (B, S).

    Powers are means over the valid samples of a clip. Silent clips and padding stay zero.

    Args:
        x_BS: clips.
        lengths_B: valid samples of each.
        noise_BS: noise at any level.
        snr_db_B: signal-to-noise ratio in dB; infinity adds nothing.
    """
    noise_BS = noise_BS * valid_mask(lengths_B, x_BS.size(1))
    power_B, noise_power_B = x_BS.square().sum(1), noise_BS.square().sum(1)
    ratio_B = power_B / noise_power_B.clamp(min=1e-12) * 10 ** (-snr_db_B / 10)
    return x_BS + noise_BS * ratio_B.sqrt().unsqueeze(1)


def valid_mask(lengths_B: Tensor, num_samples: int) -> Tensor:
    """Return which samples are valid, bool, shape (B, S)."""
    return torch.arange(num_samples, device=lengths_B.device) < lengths_B.unsqueeze(1)
