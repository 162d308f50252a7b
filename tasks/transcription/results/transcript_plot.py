"""Picture of a transcript: spectrogram, tokens and words over time.

Shapes: S samples, T time steps, V tokens, M mel bands.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gru_suite.audio.inputs import read_input
from gru_suite.audio.spectral_features import SpectralFeatures
from gru_suite.plots.figure import BLUE, ORANGE, figure

from ..batches.ctc_tokens import BLANK
from ..inference.transcripts import Transcript

_NUM_MELS = 64
_MAX_SECONDS = 12.0
_LEAST = 0.1


def plot_transcript(path: Path, model: Any, source: Path) -> Path:
    """Plot the transcript of a recording; of a long one its first 12 seconds.

    Args:
        path: the PNG to write.
        model: a :class:`TranscriptionModel`.
        source: the recording.
    """
    samples_S = read_input(source, model.sample_rate_hz)
    samples_S = samples_S[: round(_MAX_SECONDS * model.sample_rate_hz)]
    return draw_transcript(path, model, samples_S, source.name)


def draw_transcript(path: Path, model: Any, samples_S: NDArray[np.float32], title: str) -> Path:
    """Plot the transcript of samples, as :func:`plot_transcript`."""
    log_TV = model.frame_scores([samples_S])[0]
    found: Transcript = model.decode(title, log_TV, len(samples_S))
    with figure(path, float(np.clip(1.5 * found.seconds, 7, 20)), 4.6) as drawing:
        sound, tokens = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        bands_MT = _spectrogram(samples_S, model.sample_rate_hz)
        extent = (0.0, found.seconds, 0.0, float(_NUM_MELS))
        low, high = np.percentile(bands_MT, (5, 99.5))
        sound.grid(False)
        sound.imshow(
            bands_MT, "Greys", aspect="auto", origin="lower", extent=extent, vmin=low, vmax=high
        )
        sound.set_title(title, pad=20)
        sound.set_ylabel("mel band")
        for word in found.words:
            for place in (word.start_s, word.end_s):
                sound.axvline(place, color=ORANGE, linewidth=0.7)
            middle = (word.start_s + word.end_s) / 2
            sound.text(middle, _NUM_MELS + 1, word.text, ha="center", va="bottom", fontsize=9)
        probability_TV = np.exp(log_TV)
        times_T = (np.arange(len(log_TV)) + 0.5) * found.seconds / max(len(log_TV), 1)
        names = model.tokens.tokens(range(probability_TV.shape[1]))
        for token in np.flatnonzero(probability_TV.max(0) >= _LEAST).tolist():
            if token == BLANK:
                tokens.plot(times_T, probability_TV[:, token], color="#BBBBBB", linewidth=0.8)
                continue
            tokens.plot(times_T, probability_TV[:, token], color=BLUE, linewidth=1)
            peak = int(probability_TV[:, token].argmax())
            name = names[token].strip() or "space"
            tokens.text(times_T[peak], 1.02, name, ha="center", va="bottom", fontsize=7)
        tokens.set_ylim(0, 1.15)
        tokens.set_ylabel("probability of tokens (grey: blank)")
        tokens.set_xlabel("seconds")
    return path


@torch.inference_mode()
def _spectrogram(samples_S: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    features = SpectralFeatures(sample_rate_hz, num_mels=_NUM_MELS, window_ms=25)
    x_BTF, _ = features(torch.from_numpy(samples_S)[None], torch.tensor([len(samples_S)]))
    found: NDArray[np.float32] = x_BTF[0].T.numpy()
    return found
