import math

import numpy as np
import pytest
import torch

from gru_suite.audio.augmentation import Augmentation, augment, warp
from gru_suite.audio.noise import (
    COLORS,
    make_noise,
    mix_at_snr,
    noise_bank,
    part_bounds,
)
from gru_suite.errors import UserError
from gru_suite.options import build

RATE = 16000
ALL = Augmentation(speed=0.1, time_shift_ms=100, gain_db=6, noise_probability=0.5)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    lengths_B = torch.tensor([4000, 3000, 1])
    x_BS = torch.randn(3, 4000) * (torch.arange(4000) < lengths_B[:, None])
    return x_BS, lengths_B


def test_the_same_generator_state_gives_the_same_batch() -> None:
    x_BS, lengths_B = batch()
    bank_L = torch.randn(20_000)
    first, second, other = (
        augment(x_BS, lengths_B, bank_L, RATE, ALL, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first[0], second[0])
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])
    assert torch.is_tensor(x_BS)


def test_nothing_is_changed_by_default() -> None:
    x_BS, lengths_B = batch()
    found_BS, found_B = augment(
        x_BS, lengths_B, torch.zeros(1), RATE, Augmentation(), torch.Generator()
    )
    assert torch.equal(found_BS, x_BS)
    assert torch.equal(found_B, lengths_B)


def test_a_shift_moves_the_content_and_lets_silence_in() -> None:
    x_BS, lengths_B = torch.arange(1.0, 6.0).repeat(2, 1), torch.tensor([5, 5])
    moved_BS, moved_B = warp(x_BS, lengths_B, torch.ones(2), torch.tensor([2.0, -1.0]))
    assert moved_BS.tolist() == [[0, 0, 1, 2, 3], [2, 3, 4, 5, 0]]
    assert moved_B.tolist() == [5, 5]


def test_a_change_of_speed_changes_length_and_pitch_alike() -> None:
    time_S = torch.arange(RATE) / RATE
    x_BS = torch.sin(2 * math.pi * 400 * time_S).repeat(2, 1)
    fast_BS, lengths_B = warp(
        x_BS, torch.tensor([RATE, RATE]), torch.tensor([1.25, 0.8]), torch.zeros(2)
    )
    assert lengths_B.tolist() == [12800, 20000]
    assert fast_BS.shape == (2, 20000)
    for row, expected_hz in enumerate((500, 320)):
        length = int(lengths_B[row])
        peak = int(torch.fft.rfft(fast_BS[row, :length]).abs().argmax())
        assert peak * RATE / length == pytest.approx(expected_hz, abs=2)
    assert not fast_BS[0, 12800:].any()


def test_padding_stays_zero_whatever_is_drawn() -> None:
    x_BS, lengths_B = batch()
    options = Augmentation(speed=0.3, time_shift_ms=50, gain_db=6, noise_probability=1.0)
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        found_BS, found_B = augment(x_BS, lengths_B, torch.randn(20_000), RATE, options, generator)
        assert found_B.min() >= 1
        assert found_BS.size(1) == found_B.max()
        assert not found_BS[torch.arange(found_BS.size(1)) >= found_B[:, None]].any()


@pytest.mark.parametrize("snr_db", [20.0, 5.0, 0.0])
def test_noise_is_mixed_at_the_ratio_that_was_asked_for(snr_db: float) -> None:
    x_BS, lengths_B = batch()
    mixed_BS = mix_at_snr(x_BS, lengths_B, 3 * torch.randn(3, 4000), torch.full((3,), snr_db))
    noise_B = (mixed_BS - x_BS).square().sum(1)
    found_db = 10 * torch.log10(x_BS.square().sum(1) / noise_B)
    torch.testing.assert_close(found_db, torch.full((3,), snr_db), atol=1e-3, rtol=0)


def test_silence_stays_silent_and_infinity_adds_nothing() -> None:
    x_BS = torch.zeros(2, 100)
    x_BS[1] = 1.0
    mixed_BS = mix_at_snr(
        x_BS, torch.tensor([100, 100]), torch.randn(2, 100), torch.tensor([0.0, math.inf])
    )
    assert torch.equal(mixed_BS, x_BS)


def test_about_the_chosen_share_of_clips_gets_noise() -> None:
    x_BS, lengths_B = torch.ones(2000, 8), torch.full((2000,), 8)
    options = Augmentation(noise_probability=0.25)
    found_BS, _ = augment(
        x_BS, lengths_B, torch.randn(500), RATE, options, torch.Generator().manual_seed(0)
    )
    changed = (found_BS != x_BS).any(1).float().mean().item()
    assert changed == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("color", COLORS)
def test_made_noise_has_its_colour_and_follows_the_seed(color: str) -> None:
    noise_S = make_noise(color, 2.0, RATE, seed=1)
    assert noise_S.std() == pytest.approx(0.05, rel=1e-3)
    assert np.array_equal(noise_S, make_noise(color, 2.0, RATE, seed=1))
    assert not np.array_equal(noise_S, make_noise(color, 2.0, RATE, seed=2))
    power_N = np.abs(np.fft.rfft(noise_S)) ** 2
    octave_db = 10 * np.log10(power_N[8000:16000].mean() / power_N[1000:2000].mean())
    assert octave_db == pytest.approx(-9 * COLORS[color], abs=1)


def test_no_part_hears_the_noise_of_another() -> None:
    ranges = [part_bounds(1000, part, 50) for part in ("train", "val", "test")]
    assert ranges == [(0, 800), (800, 900), (900, 1000)]
    assert part_bounds(100, "val", 50) == (0, 100)


def test_a_short_noise_is_repeated() -> None:
    bank_L = noise_bank([np.arange(3, dtype=np.int16)], "test", 7)
    assert bank_L.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sped": 0.1}, r"data\.augment\.sped: no such option; did you mean 'speed'\?"),
        ({"speed": 0.9}, r"data\.augment\.speed=0\.9: needs a number from 0 to 0\.5"),
        ({"gain_db": True}, r"data\.augment\.gain_db=True: needs a number"),
        ({"noise_snr_db": [10, 0]}, r"needs the lowest and highest, in dB"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(Augmentation, "data.augment", options)


def test_overdriven_clips_are_cut_at_full_scale() -> None:
    x_BS = 0.3 * torch.sin(torch.arange(1600) * 0.1).expand(200, -1)
    lengths_B = torch.full((200,), 1600)
    options = Augmentation(clipping_probability=0.5, clipping_db=30)
    found_BS, _ = augment(
        x_BS, lengths_B, torch.zeros(2000), 16000, options, torch.Generator().manual_seed(0)
    )
    peak_B = found_BS.abs().amax(1)
    assert peak_B.max() == 1.0
    assert 0.4 < (found_BS == x_BS).all(1).float().mean() < 0.6
    assert (found_BS[peak_B == 1].abs() == 1).float().mean() > 0.2
