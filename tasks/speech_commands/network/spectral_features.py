"""Log-mel and MFCC features, and their masking in training.

Shapes: B batch, S samples (right-padded), T frames, M mel bands, F features, N spectrum bins.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import create_dct, melscale_fbanks  # type: ignore[import-untyped]

from gru_suite.errors import UserError
from gru_suite.options import check_number

KINDS = ("log_mel", "mfcc")
# Added before the logarithm; below the power of a quiet room in 16 bits.
_FLOOR = 1e-6


class SpectralFeatures(nn.Module):
    """Log-mel spectrogram, or its cepstral coefficients (MFCC).

    Frame ``t`` covers the ``window_ms`` before ``(t + 1) * hop_ms``, with zeros before the start of
    the clip. It is causal: a clip cut at a multiple of the hop has the first frames of the whole
    clip. Filters are torchaudio's triangles of height 1 on HTK's mel scale, the cosine transform is
    orthonormal. Always computed in float32.
    """

    window_W: Tensor
    mel_NM: Tensor
    cosine_MF: Tensor | None

    def __init__(
        self,
        sample_rate_hz: int,
        kind: str = "log_mel",
        window_ms: float = 30.0,
        hop_ms: float = 10.0,
        num_mels: int = 40,
        num_coefficients: int = 40,
        low_hz: float = 20.0,
        high_hz: float | None = None,
    ) -> None:
        """Compute window, mel filters and cosine transform.

        Args:
            sample_rate_hz: of the sound.
            kind: ``log_mel`` or ``mfcc``.
            window_ms: length of a Hann window.
            hop_ms: time between frames, at most ``window_ms``.
            num_mels: mel bands.
            num_coefficients: MFCC kept, at most ``num_mels``; unused with ``log_mel``.
            low_hz: lower edge of the lowest band.
            high_hz: upper edge of the highest band; None is half the sample rate.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__()
        top_hz = sample_rate_hz / 2
        high_hz = top_hz if high_hz is None else high_hz
        _check(kind, window_ms, hop_ms, num_mels, num_coefficients, low_hz, high_hz, top_hz)
        self.hop_samples = max(1, round(hop_ms * sample_rate_hz / 1000))
        window_samples = round(window_ms * sample_rate_hz / 1000)
        self.fft_size = 2 ** math.ceil(math.log2(window_samples))
        # Determined by the options, so not part of the state_dict.
        self.register_buffer("window_W", torch.hann_window(window_samples), persistent=False)
        mel_NM = melscale_fbanks(
            self.fft_size // 2 + 1, low_hz, high_hz, num_mels, sample_rate_hz, mel_scale="htk"
        )
        self.register_buffer("mel_NM", mel_NM, persistent=False)
        cosine_MF = create_dct(num_coefficients, num_mels, "ortho") if kind == "mfcc" else None
        self.register_buffer("cosine_MF", cosine_MF, persistent=False)
        self.size = num_mels if cosine_MF is None else num_coefficients

    def forward(self, x_BS: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return features, shape (B, T, F), and the frames of each clip, 1..T.

        A clip shorter than a hop is taken as a hop long.

        Args:
            x_BS: samples, full scale 1.0.
            lengths_B: valid samples of each clip.
        """
        # An exported graph has dynamic sizes, so it pads every clip, to at least two frames: torch
        # would take a size of 1 for constant.
        if torch.compiler.is_exporting():
            missing = 2 * self.hop_samples - 1
        else:
            missing = max(0, self.hop_samples - x_BS.size(1))
        x_BTF = self.frames(F.pad(x_BS, (self.past_samples, missing)))
        return x_BTF, (lengths_B // self.hop_samples).clamp(min=1)

    @property
    def past_samples(self) -> int:
        """Samples of a window before its last hop."""
        return len(self.window_W) - self.hop_samples

    def frames(self, padded_BS: Tensor) -> Tensor:
        """Return the features of all complete windows, shape (B, T, F).

        Args:
            padded_BS: samples, with ``past_samples`` before the hop of the first frame.
        """
        # Half precision has too little range and precision for powers.
        with torch.autocast(padded_BS.device.type, enabled=False):
            padded_BS = padded_BS.float()
            if torch.compiler.is_exporting():
                power_BTN = self._power_by_convolution(padded_BS)
            else:
                frames_BTW = padded_BS.unfold(1, len(self.window_W), self.hop_samples)
                spectrum_BTN = torch.fft.rfft(frames_BTW * self.window_W, self.fft_size)
                power_BTN = spectrum_BTN.real.square() + spectrum_BTN.imag.square()
            x_BTF = torch.log(power_BTN @ self.mel_NM + _FLOOR)
            if self.cosine_MF is not None:
                x_BTF = x_BTF @ self.cosine_MF
        return x_BTF

    def _power_by_convolution(self, padded_BS: Tensor) -> Tensor:
        """Return the power spectrum of every window by convolution, shape (B, T, N).

        ONNX has no FFT, or a slow one; a filter for each sine and cosine is equivalent.
        """
        place_W = torch.arange(len(self.window_W))
        bin_N1 = torch.arange(self.fft_size // 2 + 1).unsqueeze(1)
        # Reduced modulo 2 pi as integers: large angles lose precision in float32.
        angle_NW = 2 * math.pi / self.fft_size * (bin_N1 * place_W % self.fft_size).float()
        window_W = self.window_W.cpu()
        wave_2NW = torch.cat([angle_NW.cos() * window_W, angle_NW.sin() * window_W])
        filters = wave_2NW.to(padded_BS.device).unsqueeze(1)
        parts_B2NT = F.conv1d(padded_BS.unsqueeze(1), filters, stride=self.hop_samples)
        real_BNT, imaginary_BNT = parts_B2NT.square().chunk(2, dim=1)
        return (real_BNT + imaginary_BNT).transpose(1, 2)


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


def _check(
    kind: str,
    window_ms: float,
    hop_ms: float,
    num_mels: int,
    num_coefficients: int,
    low_hz: float,
    high_hz: float,
    top_hz: float,
) -> None:
    where = "task.features"
    if kind not in KINDS:
        raise UserError(f"{where}.kind={kind}: choose one of {', '.join(KINDS)}")
    if not 0 < hop_ms <= window_ms:
        raise UserError(
            f"{where}.hop_ms={hop_ms}, {where}.window_ms={window_ms}: needs 0 < hop <= window"
        )
    if num_mels < 1 or (kind == "mfcc" and not 1 <= num_coefficients <= num_mels):
        raise UserError(
            f"{where}.num_mels={num_mels}, {where}.num_coefficients={num_coefficients}: needs at "
            "least 1 of each and no more coefficients than mels"
        )
    if not 0 <= low_hz < high_hz <= top_hz:
        raise UserError(
            f"{where}: the bands go from low_hz={low_hz:g} to high_hz={high_hz:g}; with this "
            f"sample rate they must lie between 0 and {top_hz:g}, low below high"
        )
