"""Words in a stream of sound: where they begin and end, by their level.

Shapes: S samples, N frames.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_FRAME_MS = 20.0
# A word is so much louder than the background, which is the level that most frames exceed.
_RISE_DB, _FALL_DB = 9.0, 6.0
_QUIETEST_DB = -60.0
# The background follows quieter frames at once, and louder ones slowly.
_RISE_PER_S_DB = 3.0
# Sound before the rise belongs to the word; so do pauses within it.
_BEFORE_MS, _PAUSE_MS = 200.0, 300.0
_SHORTEST_MS = 100.0


class Segment(NamedTuple):
    """A part of the new samples.

    Attributes:
        samples_S: samples that belong to a word; empty for none.
        begins: the word begins with them.
        ends: the word ends with them.
        start_s: start of the word in the stream, in seconds.
        end_s: end of the samples, in seconds, less the pause at their end.
    """

    samples_S: Samples
    begins: bool
    ends: bool
    start_s: float
    end_s: float


class WordSegmenter:
    """Cuts a stream of samples into words.

    A word begins where the level rises above the background, and ends after a pause or at the
    length of ``longest_s``.

    Attributes:
        level_db: of the last frame, in dB of full scale.
        speaking: whether a word is going on.
        seconds: position in the stream.
    """

    def __init__(self, sample_rate_hz: int, longest_s: float) -> None:
        """Begin with silence.

        Args:
            sample_rate_hz: of the samples.
            longest_s: of a word.
        """
        self._rate_hz = sample_rate_hz
        self._frame = max(1, round(_FRAME_MS * sample_rate_hz / 1000))
        self._longest = round(longest_s * sample_rate_hz)
        self._before = round(_BEFORE_MS * sample_rate_hz / 1000)
        self._left = np.empty(0, np.float32)
        self._recent = np.empty(0, np.float32)
        self._background_db: float | None = None
        self._position = 0
        self._start, self._length, self._quiet_ms = 0, 0, 0.0
        self.level_db, self.speaking = _QUIETEST_DB, False

    @property
    def seconds(self) -> float:
        """Position in the stream."""
        return (self._position + len(self._left)) / self._rate_hz

    def push(self, samples_S: Samples) -> list[Segment]:
        """Return the parts of words in further samples, in their order."""
        together_S = np.concatenate([self._left, samples_S]) if len(self._left) else samples_S
        count = len(together_S) // self._frame
        self._left = together_S[count * self._frame :].copy()
        segments: list[Segment] = []
        for frame_S in together_S[: count * self._frame].reshape(count, self._frame):
            segment = self._frame_of(frame_S)
            if segment is not None:
                segments.append(segment)
        return _joined(segments)

    def _frame_of(self, frame_S: Samples) -> Segment | None:
        power = float(np.square(frame_S, dtype=np.float64).mean())
        self.level_db = max(_QUIETEST_DB, 10 * np.log10(power + 1e-12))
        if self._background_db is None:
            self._background_db = self.level_db
        rise_db = _RISE_PER_S_DB * _FRAME_MS / 1000
        self._background_db = min(self.level_db, self._background_db + rise_db)
        above_db = self.level_db - self._background_db
        begins = not self.speaking and above_db > _RISE_DB
        self._position += self._frame
        if begins:
            given_S = np.concatenate([self._recent, frame_S])
            self._start = self._position - len(given_S)
            self._length, self._quiet_ms, self.speaking = 0, 0.0, True
        elif self.speaking:
            given_S = frame_S
        else:
            self._recent = np.concatenate([self._recent, frame_S])[-self._before :]
            return None
        self._length += len(given_S)
        self._quiet_ms = 0.0 if above_db > _FALL_DB else self._quiet_ms + _FRAME_MS
        ends = self._quiet_ms >= _PAUSE_MS or self._length >= self._longest
        if ends:
            self.speaking, self._recent = False, np.empty(0, np.float32)
        end_s = self._position / self._rate_hz - self._quiet_ms / 1000
        return Segment(given_S, begins, ends, self._start / self._rate_hz, end_s)

    def is_word(self, segment: Segment) -> bool:
        """Return whether a word that ends with a segment is long enough to be one."""
        return segment.end_s - segment.start_s >= (_BEFORE_MS + _SHORTEST_MS) / 1000


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Return parts of one word as one."""
    joined: list[Segment] = []
    for each in segments:
        if joined and not each.begins and not joined[-1].ends:
            last = joined.pop()
            samples_S = np.concatenate([last.samples_S, each.samples_S])
            joined.append(Segment(samples_S, last.begins, each.ends, last.start_s, each.end_s))
        else:
            joined.append(each)
    return joined
