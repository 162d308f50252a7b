import math

import numpy as np
import pytest
import torch
from scipy.fft import dct

from gru_suite.errors import UserError
from gru_suite.tasks.speech_commands.network.spectral_features import (
    SpecAugment,
    SpectralFeatures,
    cosine_transform,
    mel_filters,
    random_spans,
)

RATE = 16000


def clips(num: int = 3, seconds: float = 0.5) -> torch.Tensor:
    return 0.1 * torch.randn(num, round(seconds * RATE))


def lengths_of(x_BS: torch.Tensor) -> torch.Tensor:
    return torch.full((len(x_BS),), x_BS.size(1))


def test_a_frame_is_what_a_sum_over_the_window_says() -> None:
    x_BS = clips(1)
    x_BTF, _ = SpectralFeatures(RATE, window_ms=25, hop_ms=10, num_mels=30)(x_BS, lengths_of(x_BS))
    window, hop, frame = 400, 160, 7
    end = (frame + 1) * hop
    piece = x_BS[0, end - window : end].double() * torch.hann_window(window, dtype=torch.float64)
    angle = 2 * math.pi * torch.outer(torch.arange(257.0), torch.arange(float(window))) / 512
    power_N = (piece @ angle.cos().double().T) ** 2 + (piece @ angle.sin().double().T) ** 2
    expected_M = torch.log(power_N @ mel_filters(257, 30, 20, 8000, 8000).double() + 1e-6)
    torch.testing.assert_close(x_BTF[0, frame].double(), expected_M, rtol=1e-4, atol=1e-4)


def test_the_mel_scale_is_htks() -> None:
    mel_NM = mel_filters(20001, 10, 0, 8000, 8000)
    peak_hz = mel_NM.argmax(0) * 8000 / 20000
    top_mel = 2595 * math.log10(1 + 8000 / 700)
    expected_hz = 700 * (10 ** (torch.arange(1, 11) * top_mel / 11 / 2595) - 1)
    torch.testing.assert_close(peak_hz.float(), expected_hz, atol=0.5, rtol=0)
    assert mel_NM.max() <= 1
    assert mel_NM.min() == 0


def test_the_cosine_transform_is_scipys() -> None:
    x = np.random.default_rng(0).standard_normal((4, 40)).astype(np.float32)
    expected = dct(x, type=2, norm="ortho")[:, :13]
    np.testing.assert_allclose(x @ cosine_transform(40, 13).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["log_mel", "mfcc"])
def test_no_frame_looks_ahead(kind: str) -> None:
    x_BS = clips()
    features = SpectralFeatures(RATE, kind=kind)
    whole_BTF, _ = features(x_BS, lengths_of(x_BS))
    cut_BTF, lengths_B = features(x_BS[:, :3200], torch.tensor([3200, 3200, 3200]))
    assert lengths_B.tolist() == [20, 20, 20] == [cut_BTF.size(1)] * 3
    torch.testing.assert_close(cut_BTF, whole_BTF[:, :20])


def test_padding_changes_no_valid_frame() -> None:
    x_BS = clips(1, 0.2)
    features = SpectralFeatures(RATE)
    alone_BTF, length_B = features(x_BS, lengths_of(x_BS))
    padded_BS = torch.nn.functional.pad(x_BS, (0, 999), value=5.0)
    padded_BTF, padded_B = features(padded_BS, lengths_of(x_BS))
    assert padded_B.tolist() == length_B.tolist()
    torch.testing.assert_close(padded_BTF[:, : alone_BTF.size(1)], alone_BTF)


@pytest.mark.parametrize("num_samples", [1, 100, 160, 481])
def test_the_shortest_clips_have_a_frame(num_samples: int) -> None:
    x_BTF, lengths_B = SpectralFeatures(RATE)(
        torch.ones(1, num_samples), torch.tensor([num_samples])
    )
    assert x_BTF.size(1) == lengths_B.item() == max(1, num_samples // 160)
    assert x_BTF.isfinite().all()


def test_features_stay_in_float32_under_autocast() -> None:
    x_BS = clips()
    features = SpectralFeatures(RATE, kind="mfcc")
    expected_BTF, _ = features(x_BS, lengths_of(x_BS))
    with torch.autocast("cpu", torch.bfloat16):
        found_BTF, _ = features(x_BS, lengths_of(x_BS))
    assert found_BTF.dtype == torch.float32
    torch.testing.assert_close(found_BTF, expected_BTF, rtol=0, atol=0)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_settings_are_in_milliseconds_and_hertz(rate: int) -> None:
    x_BS = clips(1)[:, :rate]
    x_BTF, lengths_B = SpectralFeatures(rate, hop_ms=20, window_ms=40, num_mels=20)(
        x_BS, lengths_of(x_BS)
    )
    assert lengths_B.item() == x_BTF.size(1) == x_BS.size(1) // round(0.02 * rate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "wavelet"}, r"kind=wavelet: choose one of log_mel, mfcc"),
        ({"hop_ms": 40}, r"needs 0 < hop <= window"),
        ({"hop_ms": 0}, r"needs 0 < hop <= window"),
        ({"kind": "mfcc", "num_coefficients": 41}, r"no more coefficients than mels"),
        ({"high_hz": 9000}, r"between 0 and 8000"),
        ({"low_hz": 5000, "high_hz": 4000}, r"low below high"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SpectralFeatures(RATE, **options)  # type: ignore[arg-type]


def test_blanks_fall_into_the_clip_and_never_cover_it() -> None:
    generator = torch.Generator().manual_seed(1)
    size_B1 = torch.tensor([[5], [40]]).repeat(200, 1)
    spans = random_spans(size_B1, 40, num_spans=1, max_width=10, generator=generator)
    widths = spans.sum(1).view(200, 2)
    assert not spans[::2, 5:].any()
    assert widths[:, 0].max() == 4
    assert set(widths[:, 1].tolist()) == set(range(11))
    assert spans[1::2].float().mean(0).min() > 0


def test_blanks_are_only_made_in_training_and_follow_the_seed() -> None:
    augment = SpecAugment(10, time_masks=2, time_ms=100, band_masks=1, bands=8)
    x_BTF, lengths_B = torch.ones(4, 60, 20), torch.tensor([60, 50, 40, 30])
    again = [augment(x_BTF, lengths_B, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*again)
    assert 0.3 < again[0].mean() < 1
    assert torch.equal(augment.eval()(x_BTF, lengths_B), x_BTF)
    none = SpecAugment(10)
    assert torch.equal(none(x_BTF, lengths_B), x_BTF)
