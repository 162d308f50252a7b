"""Decoding of sound files of any format, sample rate and number of channels.

Shapes: S samples.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.transforms import Resample  # type: ignore[import-untyped]

from gru_suite.data.cache import build_once, content_key, in_threads
from gru_suite.data.ragged_arrays import RaggedArrays, open_arrays, write_arrays

from .open_sound import open_sound

SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf"),
    *(".m4a", ".m4b", ".aac", ".mp4", ".3gp", ".amr", ".webm", ".weba", ".mka", ".wma"),
)
# Anything shorter is a click.
MIN_SECONDS = 0.02
# To be increased when files are decoded to different samples.
_CACHE_FORMAT = 3
# Largest term of the ratio of two sample rates.
_MAX_RATIO = 1000
# The stored value of a sample of 1.0; 16-bit sources are stored exactly.
FULL_SCALE = 32768


class Decoded(NamedTuple):
    """Decoded sound files.

    Attributes:
        samples: 16-bit samples of the readable files, in the order of the files.
        clip_of_file: index in ``samples`` of each file, None for an unreadable file.
        unreadable: reason of each unreadable file, by its index.
    """

    samples: RaggedArrays
    clip_of_file: list[int | None]
    unreadable: dict[int, str]


def is_sound_file(path: Path) -> bool:
    """Return whether a file has the suffix of a sound file."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_sound(source: Path | BytesIO, sample_rate_hz: int) -> NDArray[np.float32]:
    """Read a sound file as one channel at the given rate, full scale 1.0, shape (S,).

    Args:
        source: the file, or its content.
        sample_rate_hz: of the result.

    Raises:
        ValueError: it cannot be read; the message has the reason, without the name.
    """
    with open_sound(source) as sound:
        rate_hz, samples_S = sound.rate_hz, sound.read()
    check_finite(samples_S)
    check_length(len(samples_S), rate_hz)
    return resample(samples_S, rate_hz, sample_rate_hz)


def check_finite(samples_S: NDArray[np.float32]) -> None:
    """Raise ValueError if samples are NaN or infinite."""
    if not np.isfinite(samples_S).all():
        raise ValueError("holds NaN or infinite samples")


def check_length(num_samples: int, rate_hz: int) -> None:
    """Raise ValueError if samples are fewer than those of a click."""
    if num_samples < MIN_SECONDS * rate_hz:
        raise ValueError(f"holds {num_samples} samples, less than {1000 * MIN_SECONDS:.0f} ms")


@torch.inference_mode()
def resample(samples_S: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Resample by windowed-sinc interpolation, shape (ceil(S * to_hz / from_hz),)."""
    if from_hz == to_hz:
        return samples_S
    resampled_S = _resampler(from_hz, to_hz)(torch.from_numpy(np.ascontiguousarray(samples_S)))
    return resampled_S.numpy()


@cache
def _resampler(from_hz: int, to_hz: int) -> Callable[[torch.Tensor], torch.Tensor]:
    # Ten zero crossings on each side under a Kaiser window of beta 5: the filter of
    # scipy.signal.resample_poly, to 1e-7 once its gain is 1.
    # Of an odd rate the nearest simple ratio, within 1e-6: the kernels of 16000 / 44101 take 3 GB.
    ratio = Fraction(to_hz, from_hz).limit_denominator(_MAX_RATIO)
    found = Resample(
        ratio.denominator,
        ratio.numerator,
        lowpass_filter_width=10,
        rolloff=1.0,
        resampling_method="sinc_interp_kaiser",
        beta=5.0,
        dtype=torch.float64,
    )
    # The truncated kernel loses 0.07 % at 0 Hz.
    kernel = found.kernel * (len(found.kernel) / found.kernel.sum())
    found.kernel = kernel.float()
    resampler: Callable[[torch.Tensor], torch.Tensor] = found
    return resampler


def to_int16(samples_S: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return samples as 16-bit integers."""
    scaled_S = np.rint(samples_S * FULL_SCALE)
    return scaled_S.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def decode_files(files: Sequence[Path], sample_rate_hz: int, cache: Path) -> Decoded:
    """Decode sound files, or open them in the cache.

    Args:
        files: paths.
        sample_rate_hz: of the clips.
        cache: folder of decoded clips, with a subfolder for each key of content.

    Raises:
        UserError: the cache cannot be written, or a file cannot be opened at all.
    """
    folder = cache / f"clips-{content_key(files, f'{_CACHE_FORMAT} {sample_rate_hz}')}"

    def build() -> RaggedArrays:
        reasons: dict[str, str] = {}
        clips = _readable_clips(files, sample_rate_hz, reasons)
        return write_arrays(folder, clips, "i2", {"bad": reasons})

    samples = build_once(folder, lambda: open_arrays(folder), build)
    reasons = {int(index): reason for index, reason in samples.facts["bad"].items()}
    clip_of_file: list[int | None] = []
    clips = iter(range(len(samples.length_N)))
    for index in range(len(files)):
        clip_of_file.append(None if index in reasons else next(clips))
    return Decoded(samples, clip_of_file, reasons)


def _readable_clips(
    files: Sequence[Path], sample_rate_hz: int, reasons: dict[str, str]
) -> Iterator[NDArray[np.int16]]:
    def decode(path: Path) -> NDArray[np.int16] | str:
        try:
            return to_int16(read_sound(path, sample_rate_hz))
        except ValueError as error:
            return str(error)

    for index, clip in enumerate(in_threads(decode, files)):
        if isinstance(clip, str):
            reasons[str(index)] = clip
        else:
            yield clip
