"""Plot of a long recording: spectrogram, and class probabilities over time.

Shapes: S samples, T frames, M mel bands.
"""

import os
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gru_suite.audio.spectral_features import SpectralFeatures
from gru_suite.plots.figure import BLUE, GREY, ORANGE, figure

from ..inference.timeline import Timeline

# More columns than the figure has pixels are not visible.
_MAX_FRAMES = 2000
_NUM_MELS = 64
_COLORS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
# A class below this probability everywhere has no line.
_MIN_PROBABILITY = 0.2


def plot_timeline(
    path: str | os.PathLike[str], timeline: Timeline, samples_S: NDArray[np.float32], title: str
) -> Path:
    """Plot the log-mel spectrogram and the class probabilities, with the detected words marked.

    Args:
        path: the PNG to write.
        timeline: detected words and probabilities.
        samples_S: the recording, at the timeline's rate.
        title: the recording's name.
    """
    with figure(path, float(np.clip(2 + 0.6 * timeline.seconds, 7, 22)), 4.6) as drawing:
        _draw(drawing, timeline, samples_S, title)
    return Path(path)


def _draw(drawing: Figure, timeline: Timeline, samples_S: NDArray[np.float32], title: str) -> None:
    sound, words = drawing.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    bands_MT = spectrogram(samples_S, timeline.sample_rate_hz)
    sound.grid(False)
    extent = (0.0, timeline.seconds, 0.0, float(_NUM_MELS))
    low, high = np.percentile(bands_MT, (5, 99.5))
    sound.imshow(
        bands_MT, "Greys", aspect="auto", origin="lower", extent=extent, vmin=low, vmax=high
    )
    sound.set_title(title, pad=16)
    sound.set_ylabel("mel band")
    detected = {event.label for event in timeline.events}
    drawn = [
        index
        for index, label in enumerate(timeline.labels)
        if label in detected or timeline.probability_WK[:, index].max() >= _MIN_PROBABILITY
    ]
    color_of = {timeline.labels[k]: _COLORS[i % len(_COLORS)] for i, k in enumerate(drawn)}
    for index in drawn:
        label = timeline.labels[index]
        words.plot(
            timeline.time_W, timeline.probability_WK[:, index], color=color_of[label], label=label
        )
    words.axhline(timeline.threshold, color=GREY, lw=0.8, ls=":")
    for event in timeline.events:
        for axes in (sound, words):
            axes.axvspan(event.start_s, event.end_s, color=color_of[event.label], alpha=0.2, lw=0)
        middle = (event.start_s + event.end_s) / 2
        sound.text(middle, 1.01 * _NUM_MELS, event.label, ha="center", va="bottom")
    words.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.02), xlim=(0, timeline.seconds))
    if drawn:
        words.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7)


def spectrogram(samples_S: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """Return log-mel bands of at most 2,000 frames, shape (M, T)."""
    hop_ms = max(10.0, 1000 * len(samples_S) / sample_rate_hz / _MAX_FRAMES)
    features = SpectralFeatures(
        sample_rate_hz, window_ms=max(30.0, hop_ms), hop_ms=hop_ms, num_mels=_NUM_MELS
    )
    x_1S = torch.from_numpy(np.ascontiguousarray(samples_S))[None]
    with torch.inference_mode():
        bands_1TM, _ = features(x_1S, torch.tensor([x_1S.size(1)]))
    bands_MT: NDArray[np.float32] = bands_1TM[0].T.numpy()
    return bands_MT
