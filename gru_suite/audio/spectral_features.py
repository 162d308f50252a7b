"""Log-mel and MFCC features, absolute or relative to the level of the recording.

Shapes: B batch, S samples (right-padded), T frames, M mel bands, F features, N spectrum bins, W
    frames of the window in which a stream's level is found.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import create_dct, melscale_fbanks  # type: ignore[import-untyped]

from gru_suite.errors import UserError

from .noise import valid_mask

KINDS = ("log_mel", "mfcc")
LEVELS = ("absolute", "relative")
# Added before the logarithm; below the power of a quiet room in 16 bits.
_FLOOR = 1e-6
# The same below the loudest frame: 50 dB, above the rounding noise of a clip at -40 dB in 16 bits.
_RELATIVE_FLOOR = 1e-5
# Mean mel power of a frame, at least: rounding noise of 16 bits is not made louder.
_QUIETEST = 1e-7
# How long a stream remembers its loudest frame.
_LEVEL_MS = 2000.0


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
        level: str = "absolute",
        subtract_mean: bool = False,
        causal: bool = False,
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
            level: ``absolute``, or ``relative``: powers are divided by that of the loudest frame,
                so that the gain of the recording has no effect.
            subtract_mean: subtract from each feature its mean over the clip (Atal 1974,
                https://doi.org/10.1121/1.1914702), so that a constant filter, as of a microphone,
                has no effect.
            causal: loudest frame and mean are those of the last 2 s, not of the whole clip.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__()
        if level not in LEVELS:
            raise UserError(f"task.features.level={level}: choose one of {', '.join(LEVELS)}")
        top_hz = sample_rate_hz / 2
        high_hz = top_hz if high_hz is None else high_hz
        _check(kind, window_ms, hop_ms, num_mels, num_coefficients, low_hz, high_hz, top_hz)
        self.relative, self.subtract_mean, self.causal = level == "relative", subtract_mean, causal
        self.level_frames = max(1, round(_LEVEL_MS / hop_ms))
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
        frames_B = (lengths_B // self.hop_samples).clamp(min=1)
        # Half precision has too little range and precision for powers.
        with torch.autocast(x_BS.device.type, enabled=False):
            mel_BTM = self._mel_power(F.pad(x_BS.float(), (self.past_samples, missing)))
            if self.relative:
                mel_BTM = mel_BTM / self._clip_level(mel_BTM, frames_B)
            x_BTF = self._compress(mel_BTM)
            if self.subtract_mean:
                x_BTF = x_BTF - self._clip_mean(x_BTF, frames_B)
            return x_BTF, frames_B

    def initial_state(self, batch_size: int) -> dict[str, Tensor]:
        """Return the samples and frame levels before the start of a stream: silence."""
        state = {"samples": self.window_W.new_zeros(batch_size, self.past_samples)}
        if self.relative:
            state["levels"] = self.window_W.new_full((batch_size, self.level_frames - 1), _QUIETEST)
        if self.subtract_mean:
            shape = (batch_size, self.level_frames - 1, self.size)
            state["features"] = self.window_W.new_zeros(shape)
            state["frames"] = self.window_W.new_zeros(batch_size)
        return state

    def advance(self, x_BS: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Process the next samples of a stream.

        Args:
            x_BS: new samples, a multiple of the hop.
            state: of :meth:`initial_state` before the first samples.

        Returns:
            Features, shape (B, S / hop, F), and the next state.
        """
        padded_BS = torch.cat([state["samples"], x_BS], dim=1)
        after = {"samples": padded_BS[:, padded_BS.size(1) - self.past_samples :]}
        mel_BTM = self._mel_power(padded_BS)
        if self.relative:
            levels_BT = torch.cat([state["levels"], _frame_levels(mel_BTM)], dim=1)
            after["levels"] = levels_BT[:, mel_BTM.size(1) :]
            mel_BTM = mel_BTM / self._running_level(levels_BT)
        x_BTF = self._compress(mel_BTM)
        if self.subtract_mean:
            window_BTF = torch.cat([state["features"], x_BTF], dim=1)
            after["features"] = window_BTF[:, x_BTF.size(1) :]
            after["frames"] = state["frames"] + x_BTF.size(1)
            x_BTF = x_BTF - self._running_mean(window_BTF, state["frames"])
        return x_BTF, after

    @property
    def past_samples(self) -> int:
        """Samples of a window before its last hop."""
        return len(self.window_W) - self.hop_samples

    def _clip_level(self, mel_BTM: Tensor, frames_B: Tensor) -> Tensor:
        """Return the level of the loudest frame, shape (B, 1, 1), or so far, (B, T, 1)."""
        levels_BT = _frame_levels(mel_BTM)
        if self.causal:
            return self._running_level(
                F.pad(levels_BT, (self.level_frames - 1, 0), value=_QUIETEST)
            )
        valid_BT = valid_mask(frames_B, levels_BT.size(1))
        return (levels_BT * valid_BT).amax(1)[:, None, None]

    def _running_level(self, levels_BT: Tensor) -> Tensor:
        """Return the maximum of each window of W levels, shape (B, T - W + 1, 1)."""
        return F.max_pool1d(levels_BT.unsqueeze(1), self.level_frames, stride=1).transpose(1, 2)

    def _clip_mean(self, x_BTF: Tensor, frames_B: Tensor) -> Tensor:
        """Return the mean of each feature over the clip, shape (B, 1, F), or so far, (B, T, F)."""
        if self.causal:
            window_BTF = F.pad(x_BTF, (0, 0, self.level_frames - 1, 0))
            return self._running_mean(window_BTF, x_BTF.new_zeros(len(x_BTF)))
        valid_BT1 = valid_mask(frames_B, x_BTF.size(1)).unsqueeze(2)
        return (x_BTF * valid_BT1).sum(1, keepdim=True) / frames_B[:, None, None]

    def _running_mean(self, window_BTF: Tensor, before_B: Tensor) -> Tensor:
        """Return the mean of each window of W frames that are there, shape (B, T - W + 1, F).

        Args:
            window_BTF: features, zeros in place of those before the start.
            before_B: frames before the last T - W + 1.
        """
        size = self.level_frames
        mean_BTF = F.avg_pool1d(window_BTF.transpose(1, 2), size, stride=1).transpose(1, 2)
        places_T = torch.arange(1, mean_BTF.size(1) + 1, device=before_B.device)
        found_BT = (before_B.unsqueeze(1) + places_T).clamp(max=size)
        return mean_BTF * (size / found_BT).unsqueeze(2)

    def _mel_power(self, padded_BS: Tensor) -> Tensor:
        """Return the mel power of all complete windows, shape (B, T, M)."""
        if torch.compiler.is_exporting():
            power_BTN = self._power_by_convolution(padded_BS)
        else:
            frames_BTW = padded_BS.unfold(1, len(self.window_W), self.hop_samples)
            spectrum_BTN = torch.fft.rfft(frames_BTW * self.window_W.float(), self.fft_size)
            power_BTN = spectrum_BTN.real.square() + spectrum_BTN.imag.square()
        return power_BTN @ self.mel_NM.float()

    def _compress(self, mel_BTM: Tensor) -> Tensor:
        """Return the logarithm of powers, or its cosine transform."""
        x_BTF = torch.log(mel_BTM + (_RELATIVE_FLOOR if self.relative else _FLOOR))
        return x_BTF if self.cosine_MF is None else x_BTF @ self.cosine_MF.float()

    def _power_by_convolution(self, padded_BS: Tensor) -> Tensor:
        """Return the power spectrum of every window by convolution, shape (B, T, N).

        ONNX has no FFT, or a slow one; a filter for each sine and cosine is equivalent.
        """
        place_W = torch.arange(len(self.window_W))
        bin_N1 = torch.arange(self.fft_size // 2 + 1).unsqueeze(1)
        # Reduced modulo 2 pi as integers: large angles lose precision in float32.
        angle_NW = 2 * math.pi / self.fft_size * (bin_N1 * place_W % self.fft_size).float()
        window_W = self.window_W.cpu().float()
        wave_2NW = torch.cat([angle_NW.cos() * window_W, angle_NW.sin() * window_W])
        filters = wave_2NW.to(padded_BS.device).unsqueeze(1)
        parts_B2NT = F.conv1d(padded_BS.unsqueeze(1), filters, stride=self.hop_samples)
        real_BNT, imaginary_BNT = parts_B2NT.square().chunk(2, dim=1)
        return (real_BNT + imaginary_BNT).transpose(1, 2)


def _frame_levels(mel_BTM: Tensor) -> Tensor:
    """Return the mean mel power of each frame, shape (B, T)."""
    return mel_BTM.mean(2).clamp(min=_QUIETEST)


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
