import math

import numpy as np
import pytest
import torch
from scipy.fft import dct
from scipy.signal import resample_poly

from gru_suite.audio.reading.sound_files import resample
from gru_suite.audio.spec_augment import SpecAugment, random_spans
from gru_suite.audio.spectral_features import SpectralFeatures
from gru_suite.errors import UserError

RATE = 16000


def clips(num: int = 3, seconds: float = 0.5) -> torch.Tensor:
    return 0.1 * torch.randn(num, round(seconds * RATE))


def lengths_of(x_BS: torch.Tensor) -> torch.Tensor:
    return torch.full((len(x_BS),), x_BS.size(1))


def mel_filters(
    num_bins: int, num_mels: int, low_hz: float, high_hz: float, top_hz: float
) -> torch.Tensor:
    """Return triangular filters of height 1 on HTK's mel scale by their formula, shape (N, M)."""
    low_mel, high_mel = (2595 * math.log10(1 + hz / 700) for hz in (low_hz, high_hz))
    edges_mel = torch.linspace(low_mel, high_mel, num_mels + 2, dtype=torch.float64)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins_N1 = torch.linspace(0, top_hz, num_bins, dtype=torch.float64).unsqueeze(1)
    low_M, peak_M, high_M = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising_NM = (bins_N1 - low_M) / (peak_M - low_M)
    falling_NM = (high_M - bins_N1) / (high_M - peak_M)
    return torch.minimum(rising_NM, falling_NM).clamp(min=0)


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


@pytest.mark.parametrize(
    ("rate_hz", "num_mels", "low_hz", "high_hz"),
    [(16000, 40, 20, None), (16000, 64, 0, 7600), (8000, 40, 60, 3800), (4000, 12, 20, None)],
)
def test_filters_are_triangles_on_htks_mel_scale(
    rate_hz: int, num_mels: int, low_hz: float, high_hz: float | None
) -> None:
    features = SpectralFeatures(rate_hz, num_mels=num_mels, low_hz=low_hz, high_hz=high_hz)
    num_bins = features.fft_size // 2 + 1
    expected_NM = mel_filters(num_bins, num_mels, low_hz, high_hz or rate_hz / 2, rate_hz / 2)
    torch.testing.assert_close(features.mel_NM.double(), expected_NM, atol=1e-5, rtol=0)


def test_the_cosine_transform_is_scipys() -> None:
    x = np.random.default_rng(0).standard_normal((4, 40)).astype(np.float32)
    expected = dct(x, type=2, norm="ortho")[:, :13]
    cosine_MF = SpectralFeatures(RATE, "mfcc", num_coefficients=13).cosine_MF
    assert cosine_MF is not None
    np.testing.assert_allclose(x @ cosine_MF.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("rates", [(44100, 16000), (48000, 16000), (8000, 16000), (11025, 4000)])
def test_resampling_is_scipys_polyphase_filter(rates: tuple[int, int]) -> None:
    from_hz, to_hz = rates
    common = math.gcd(from_hz, to_hz)
    time_S = np.arange(from_hz) / from_hz
    # A sweep over the lower half of the band, in noise.
    sweep_S = np.sin(2 * np.pi * (50 + min(rates) / 8 * time_S) * time_S)
    samples_S = 0.3 * sweep_S + 0.05 * np.random.default_rng(0).normal(size=from_hz)
    expected_S = resample_poly(samples_S, to_hz // common, from_hz // common)
    found_S = resample(samples_S.astype(np.float32), from_hz, to_hz)
    assert found_S.dtype == np.float32
    np.testing.assert_allclose(found_S, expected_S, atol=1e-5)


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


# Levels


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("gain_db", [-40, -20, 20])
def test_relative_features_do_not_depend_on_the_gain(causal: bool, gain_db: float) -> None:
    x_BS = 0.3 * torch.sin(torch.arange(RATE) * 0.2).expand(2, -1).clone()
    x_BS[:, : RATE // 3] *= 0.1
    lengths_B = torch.tensor([RATE, RATE // 2])
    features = SpectralFeatures(RATE, level="relative", causal=causal)
    expected, frames_B = features(x_BS, lengths_B)
    found, _ = features(x_BS * 10 ** (gain_db / 20), lengths_B)
    for row, frames in enumerate(frames_B.tolist()):
        torch.testing.assert_close(found[row, :frames], expected[row, :frames], atol=1e-3, rtol=0)


def test_silence_is_not_made_loud() -> None:
    features = SpectralFeatures(RATE, level="relative")
    zeros, _ = features(torch.zeros(1, RATE), torch.tensor([RATE]))
    assert torch.isfinite(zeros).all()
    noise_BS = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0)) / 32768 / 12**0.5
    rounding, _ = features(noise_BS, torch.tensor([RATE]))
    tone, _ = features(0.1 * torch.sin(torch.arange(RATE) * 0.2)[None], torch.tensor([RATE]))
    assert rounding.exp().sum(-1).mean() < tone.exp().sum(-1).mean()


@pytest.mark.parametrize("subtract_mean", [False, True])
def test_padding_has_no_level(subtract_mean: bool) -> None:
    x_BS = 0.01 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    features = SpectralFeatures(RATE, level="relative", subtract_mean=subtract_mean)
    alone, _ = features(x_BS, torch.tensor([RATE]))
    loud_BS = torch.cat([x_BS, torch.zeros(1, 3 * RATE)], dim=1)
    padded, _ = features(loud_BS, torch.tensor([RATE]))
    torch.testing.assert_close(padded[:, : alone.size(1)], alone)


@pytest.mark.parametrize("subtract_mean", [False, True])
@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_a_stream_of_relative_features_equals_the_clip(seconds: float, subtract_mean: bool) -> None:
    """A stream forgets its loudest frame after two seconds; so does the clip, if causal."""
    generator = torch.Generator().manual_seed(0)
    x_BS = 0.01 * torch.randn(1, round(seconds * RATE), generator=generator)
    x_BS[:, 2000:4000] *= 50
    features = SpectralFeatures(RATE, level="relative", subtract_mean=subtract_mean, causal=True)
    whole, _ = features(x_BS, torch.tensor([x_BS.size(1)]))
    state, parts = features.initial_state(1), []
    for chunk_BS in x_BS.split(480, dim=1):
        part, state = features.advance(chunk_BS[:, : chunk_BS.size(1) // 160 * 160], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)
    if seconds > 2 and not subtract_mean:
        assert whole[:, 260:].mean() > whole[:, 50:200].mean() + 1


@pytest.mark.parametrize("causal", [False, True])
def test_a_filter_that_does_not_change_has_no_effect(causal: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x_BS = 0.1 * torch.randn(1, 2 * RATE, generator=generator)
    x_BS[:, RATE // 2 : RATE] *= 3
    filtered_BS = torch.nn.functional.pad(x_BS, (1, 0))
    filtered_BS = filtered_BS[:, 1:] - 0.9 * filtered_BS[:, :-1]
    lengths_B = torch.tensor([2 * RATE])
    differences = []
    for subtract_mean in (False, True):
        features = SpectralFeatures(RATE, subtract_mean=subtract_mean, causal=causal)
        before, after = (features(each_BS, lengths_B)[0] for each_BS in (x_BS, filtered_BS))
        differences.append(float((before - after)[:, 5:].abs().mean()))
        if subtract_mean and not causal:
            torch.testing.assert_close(before.mean(1), torch.zeros(1, 40), atol=1e-5, rtol=0)
    assert differences[1] < 0.05 * differences[0]


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(UserError, match=r"task\.features\.level=loud: choose one of absolute, rel"):
        SpectralFeatures(RATE, level="loud")
