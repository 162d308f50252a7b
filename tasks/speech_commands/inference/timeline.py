"""Detection of words in a long recording.

Shapes: S samples, W windows, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.options import check_ranges

from ..reading.labels import SILENCE, UNKNOWN

if TYPE_CHECKING:
    import pandas as pd

# Resolution of start and end, and share of a word's amplitude outside each of them.
_FRAME_MS = 10.0
_TAIL_SHARE = 0.02
Classify = Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]


@dataclass(frozen=True)
class Detection:
    """Parameters of the detection of words.

    Attributes:
        threshold: lowest smoothed probability of a detection.
        hop_ms: time between windows.
        smoothing_ms: length of the moving average of the probabilities.
        shortest_ms: time for which a word must be the prediction, to reject fragments of words.
        refractory_ms: smallest distance between the middles of two detections.
        quiet_db: windows this far below the loudest one are silence, for a model without the
            class ``_silence_``, which predicts a word for every window.
    """

    threshold: float = 0.6
    hop_ms: float = 50.0
    smoothing_ms: float = 200.0
    shortest_ms: float = 150.0
    refractory_ms: float = 500.0
    quiet_db: float = 25.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        times_ms = {"hop_ms": (1, 1e4), "smoothing_ms": (0, 1e5), "shortest_ms": (0, 1e5)}
        others = {"threshold": (0, 1), "refractory_ms": (0, 1e6), "quiet_db": (0, 1000)}
        check_ranges("detection", self, {**times_ms, **others})


class Event(NamedTuple):
    """A detected word.

    Attributes:
        start_s: its start, in seconds.
        end_s: its end, in seconds.
        label: the word.
        score: its highest smoothed probability.
    """

    start_s: float
    end_s: float
    label: str
    score: float


@dataclass(frozen=True)
class Timeline:
    """Detected words and class probabilities over a long recording.

    Attributes:
        events: the words, in order of time.
        labels: names of the classes.
        time_W: middle of each window, in seconds.
        probability_WK: smoothed probabilities.
        threshold: lowest probability of a detection.
        seconds: duration of the recording.
        sample_rate_hz: of the recording as the model takes it.
    """

    events: list[Event]
    labels: list[str]
    time_W: NDArray[np.float64]
    probability_WK: NDArray[np.float32]
    threshold: float
    seconds: float
    sample_rate_hz: int

    def to_frame(self) -> "pd.DataFrame":
        """Return a table of the words: start, end (seconds), label, score."""
        import pandas as pd

        rows = [(e.start_s, e.end_s, e.label, e.score) for e in self.events]
        return pd.DataFrame(rows, columns=["start", "end", "label", "score"]).round(3)


def detect(
    samples_S: NDArray[np.float32],
    sample_rate_hz: int,
    clip_samples: int,
    labels: Sequence[str],
    classify: Classify,
    options: Detection,
) -> Timeline:
    """Classify sliding windows over a recording and detect words.

    Args:
        samples_S: the recording.
        sample_rate_hz: its rate.
        clip_samples: length of a window: the median of the training clips.
        labels: names of the classes.
        classify: returns the class probabilities of clips, (W, K).
        options: parameters of the detection.
    """
    hop = max(1, round(options.hop_ms * sample_rate_hz / 1000))
    # Padding, so that words at both ends can be in the middle of a window.
    half = clip_samples // 2
    padded_S = np.pad(samples_S, (half, clip_samples))
    starts_W = np.arange(0, len(samples_S), hop)
    windows = [padded_S[start : start + clip_samples] for start in starts_W]
    probability_WK = smooth(classify(windows), max(1, round(options.smoothing_ms / options.hop_ms)))
    time_W = starts_W / sample_rate_hz
    quiet_W = np.zeros(len(windows), bool)
    if SILENCE not in labels:
        level_W = np.array([float(np.square(window).mean()) for window in windows])
        quiet_W = level_W < level_W.max() * 10 ** (-options.quiet_db / 10)
    events = find_events(probability_WK, quiet_W, labels, time_W, options)
    return Timeline(
        fit_to_sound(events, samples_S, sample_rate_hz, half / sample_rate_hz),
        list(labels),
        time_W,
        probability_WK,
        options.threshold,
        len(samples_S) / sample_rate_hz,
        sample_rate_hz,
    )


def smooth(probability_WK: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return the centred moving average over up to ``width`` windows."""
    before, after = (width - 1) // 2, width // 2
    total_WK = np.concatenate(
        [np.zeros_like(probability_WK[:1], np.float64), probability_WK.cumsum(0, dtype=np.float64)]
    )
    index_W = np.arange(len(probability_WK))
    low_W = np.maximum(index_W - before, 0)
    high_W = np.minimum(index_W + after + 1, len(probability_WK))
    averaged_WK: NDArray[np.float32] = (
        (total_WK[high_W] - total_WK[low_W]) / (high_W - low_W)[:, None]
    ).astype(np.float32)
    return averaged_WK


def find_events(
    probability_WK: NDArray[np.float32],
    quiet_W: NDArray[np.bool_],
    labels: Sequence[str],
    time_W: NDArray[np.float64],
    options: Detection,
) -> list[Event]:
    """Return detected words: runs of windows with the same prediction.

    Of two words within the refractory time, the one with the higher sum of probabilities is kept.

    Args:
        probability_WK: smoothed probabilities.
        quiet_W: windows of silence.
        labels: names of the classes; ``_silence_`` and ``_unknown_`` are not words.
        time_W: middle of each window, in seconds.
        options: parameters of the detection.
    """
    prediction_W = probability_WK.argmax(1)
    best_W = probability_WK.max(1)
    not_words = [index for index, label in enumerate(labels) if label in (SILENCE, UNKNOWN)]
    prediction_W[(best_W < options.threshold) | quiet_W | np.isin(prediction_W, not_words)] = -1
    edges = np.flatnonzero(np.diff(prediction_W)) + 1
    candidates: list[tuple[float, float, Event]] = []
    for run in np.split(np.arange(len(prediction_W)), edges):
        if (
            not len(run)
            or prediction_W[run[0]] < 0
            or len(run) * options.hop_ms < options.shortest_ms
        ):
            continue
        first, last = float(time_W[run[0]]), float(time_W[run[-1]])
        event = Event(first, last, labels[prediction_W[run[0]]], float(best_W[run].max()))
        candidates.append((float(best_W[run].sum()), (first + last) / 2, event))
    kept: list[tuple[float, Event]] = []
    for _, middle, event in sorted(candidates, key=lambda each: -each[0]):
        if all(abs(middle - other) >= options.refractory_ms / 1000 for other, _ in kept):
            kept.append((middle, event))
    return [event for _, event in sorted(kept, key=lambda each: each[0])]


def fit_to_sound(
    events: Sequence[Event], samples_S: NDArray[np.float32], sample_rate_hz: int, reach_s: float
) -> list[Event]:
    """Refine start and end of words by the amplitude of the recording.

    A word contains all but a small share of the amplitude above the background within ``reach_s``
    of its middle, bounded half-way to its neighbours.

    Args:
        events: the words, in order.
        samples_S: the recording.
        sample_rate_hz: its rate.
        reach_s: search range on both sides of the middle, in seconds.
    """
    frame = max(1, round(_FRAME_MS * sample_rate_hz / 1000))
    frame_s = frame / sample_rate_hz
    num_frames = len(samples_S) // frame
    energy_T = np.square(samples_S[: num_frames * frame].reshape(-1, frame)).mean(1, np.float64)
    # Amplitude, as the energy of consonants is small compared with that of vowels.
    level_T = np.sqrt(energy_T)
    middles = [(event.start_s + event.end_s) / 2 for event in events]
    bounds = [
        -np.inf,
        *((a + b) / 2 for a, b in pairwise(middles)),
        len(samples_S) / sample_rate_hz,
    ]
    fitted = []
    for event, middle, (before, after) in zip(events, middles, pairwise(bounds), strict=False):
        first = int(max(middle - reach_s, before, 0.0) / frame_s)
        part = level_T[first : int(min(middle + reach_s, after) / frame_s) + 1]
        above = np.maximum(part - np.quantile(part, 0.2), 0.0) if len(part) else part
        if above.sum() > 0:
            share = above.cumsum() / above.sum()
            start, end = np.searchsorted(share, (_TAIL_SHARE, 1 - _TAIL_SHARE)) + first
            event = event._replace(start_s=float(start * frame_s), end_s=float((end + 1) * frame_s))
        fitted.append(event)
    return fitted
