"""Words in a long recording: when each begins and ends.

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

# The resolution of a word's ends, and the share of its sound that may lie outside each.
_FRAME_MS = 10.0
_TAIL = 0.02
Classify = Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]


@dataclass(frozen=True)
class Detection:
    """How words are found in a long recording.

    Attributes:
        threshold: smoothed probability from which a window counts as a word.
        hop_ms: time between windows.
        smoothing_ms: length of the moving average over the windows' probabilities.
        shortest_ms: a word must be the answer for so long; fragments of words are not.
        refractory_ms: after a word, the time from its middle in which no other one is reported.
        quiet_db: a model without the class ``_silence_`` answers a word to everything; windows so
            much below the loudest one are taken as silence.
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
    """A word that was heard.

    Attributes:
        start_s: where it begins, in seconds.
        end_s: where it ends.
        label: the word.
        score: its highest smoothed probability.
    """

    start_s: float
    end_s: float
    label: str
    score: float


@dataclass(frozen=True)
class Timeline:
    """What is heard in a long recording.

    Attributes:
        events: the words, in order.
        labels: names of the classes.
        time_W: middle of each window, in seconds.
        probability_WK: smoothed probabilities.
        threshold: from which a window counted as a word.
        seconds: length of the recording.
        sample_rate_hz: of the recording as it was searched.
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
    """Slide a window of the training clips' usual length over a recording and find words.

    Args:
        samples_S: the recording.
        sample_rate_hz: its rate.
        clip_samples: length of a window.
        labels: names of the classes.
        classify: gives the class probabilities of clips, (W, K).
        options: how words are found.
    """
    hop = max(1, round(options.hop_ms * sample_rate_hz / 1000))
    # Half a window of silence on each side, so that words at the ends come into a window's middle.
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
    """Return the words: runs of windows with one answer, from the first to the last one's middle.

    Where two are closer than the refractory time, the longer and surer one stays.

    Args:
        probability_WK: smoothed probabilities.
        quiet_W: windows that hold nothing.
        labels: names of the classes; ``_silence_`` and ``_unknown_`` are no words.
        time_W: middle of each window, in seconds.
        options: how words are found.
    """
    answer_W = probability_WK.argmax(1)
    best_W = probability_WK.max(1)
    not_words = [index for index, label in enumerate(labels) if label in (SILENCE, UNKNOWN)]
    answer_W[(best_W < options.threshold) | quiet_W | np.isin(answer_W, not_words)] = -1
    edges = np.flatnonzero(np.diff(answer_W)) + 1
    candidates: list[tuple[float, float, Event]] = []
    for run in np.split(np.arange(len(answer_W)), edges):
        if not len(run) or answer_W[run[0]] < 0 or len(run) * options.hop_ms < options.shortest_ms:
            continue
        first, last = float(time_W[run[0]]), float(time_W[run[-1]])
        event = Event(first, last, labels[answer_W[run[0]]], float(best_W[run].max()))
        candidates.append((float(best_W[run].sum()), (first + last) / 2, event))
    taken: list[tuple[float, Event]] = []
    for _, middle, event in sorted(candidates, key=lambda each: -each[0]):
        if all(abs(middle - other) >= options.refractory_ms / 1000 for other, _ in taken):
            taken.append((middle, event))
    return [event for _, event in sorted(taken, key=lambda each: each[0])]


def fit_to_sound(
    events: Sequence[Event], samples_S: NDArray[np.float32], sample_rate_hz: int, reach_s: float
) -> list[Event]:
    """Move the ends of words to where their sound begins and ends.

    Around a word's middle, no further than half-way to its neighbours, it is where all but a few
    percent of the amplitude above the background lies.

    Args:
        events: the words, in order.
        samples_S: the recording.
        sample_rate_hz: its rate.
        reach_s: how far from its middle a word is looked for, in seconds.
    """
    frame = max(1, round(_FRAME_MS * sample_rate_hz / 1000))
    frame_s = frame / sample_rate_hz
    num_frames = len(samples_S) // frame
    energy_T = np.square(samples_S[: num_frames * frame].reshape(-1, frame)).mean(1, np.float64)
    # Of the amplitude, not the energy: consonants are weak beside vowels.
    level_T = np.sqrt(energy_T)
    middles = [(event.start_s + event.end_s) / 2 for event in events]
    fences = [
        -np.inf,
        *((a + b) / 2 for a, b in pairwise(middles)),
        len(samples_S) / sample_rate_hz,
    ]
    fitted = []
    for event, middle, (before, after) in zip(events, middles, pairwise(fences), strict=False):
        first = int(max(middle - reach_s, before, 0.0) / frame_s)
        part = level_T[first : int(min(middle + reach_s, after) / frame_s) + 1]
        above = np.maximum(part - np.quantile(part, 0.2), 0.0) if len(part) else part
        if above.sum() > 0:
            share = above.cumsum() / above.sum()
            start, end = np.searchsorted(share, (_TAIL, 1 - _TAIL)) + first
            event = event._replace(start_s=float(start * frame_s), end_s=float((end + 1) * frame_s))
        fitted.append(event)
    return fitted
