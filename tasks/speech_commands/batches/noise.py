"""Background noise: where it comes from, and how it is mixed in at a chosen level.

Shapes: B batch, S samples (right-padded), L samples of a noise bank.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# How the power of made noise falls with frequency: white, pink, brown.
COLORS = {"white": 0.0, "pink": 1.0, "brown": 2.0}
# The share of a noise recording that each part may use, so that no noise is heard in training and
# in a test.
STRETCHES = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}
_MADE_RMS = 0.05


def make_noise(color: str, seconds: float, sample_rate_hz: int, seed: int) -> NDArray[np.float32]:
    """Make noise of a colour, root mean square 0.05, shape (S,).

    Args:
        color: a key of ``COLORS``.
        seconds: its length.
        sample_rate_hz: its rate.
        seed: another one gives other noise of the same colour.
    """
    num_samples = round(seconds * sample_rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(num_samples))
    frequency_hz = np.fft.rfftfreq(num_samples, 1 / sample_rate_hz)
    # Below 20 Hz nobody hears anything, and brown noise would have most of its power there.
    spectrum *= np.maximum(frequency_hz, 20.0) ** (-COLORS[color] / 2)
    spectrum[0] = 0.0
    noise_S = np.fft.irfft(spectrum, num_samples)
    scaled_S: NDArray[np.float32] = (_MADE_RMS / noise_S.std() * noise_S).astype(np.float32)
    return scaled_S


def stretch(length: int, part: str, needed: int) -> tuple[int, int]:
    """Return first and last (exclusive) sample of a noise recording that a part may use.

    A recording whose stretch is shorter than ``needed`` samples is used whole by every part.
    """
    low, high = STRETCHES[part]
    start, stop = int(low * length), int(high * length)
    return (start, stop) if stop - start >= needed else (0, length)


def noise_bank(noises: Sequence[NDArray[np.int16]], part: str, needed: int) -> NDArray[np.int16]:
    """Join the stretches of noise that a part may use to at least ``needed`` samples, shape (L,).

    Args:
        noises: the recordings, at least one.
        part: train, val or test.
        needed: samples of the longest piece that will be taken from it.
    """
    pieces = []
    for noise_S in noises:
        start, stop = stretch(len(noise_S), part, needed)
        pieces.append(noise_S[start:stop])
    bank_L = np.concatenate(pieces)
    return np.tile(bank_L, -(-needed // len(bank_L)))


def mix_at_snr(x_BS: Tensor, lengths_B: Tensor, noise_BS: Tensor, snr_db_B: Tensor) -> Tensor:
    """Add noise to each clip so that signal and noise have the chosen power ratio, shape (B, S).

    Both powers are means over the clip's valid samples. A silent clip stays silent, and padding
    stays zero.

    Args:
        x_BS: clips.
        lengths_B: valid samples of each.
        noise_BS: noise of any level.
        snr_db_B: signal-to-noise ratio in dB; infinity adds nothing.
    """
    noise_BS = noise_BS * valid_mask(lengths_B, x_BS.size(1))
    power_B, noise_power_B = x_BS.square().sum(1), noise_BS.square().sum(1)
    ratio_B = power_B / noise_power_B.clamp(min=1e-12) * 10 ** (-snr_db_B / 10)
    return x_BS + noise_BS * ratio_B.sqrt().unsqueeze(1)


def valid_mask(lengths_B: Tensor, num_samples: int) -> Tensor:
    """Return which samples are valid, bool, shape (B, S)."""
    return torch.arange(num_samples, device=lengths_B.device) < lengths_B.unsqueeze(1)
