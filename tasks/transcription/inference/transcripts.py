"""Transcripts with times and confidences."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gru_suite.text.subwords import starts_of_words

from .alignment import Span

if TYPE_CHECKING:
    import pandas as pd

_SUBTITLE_WORDS = 12
_SUBTITLE_PAUSE_S = 0.8


@dataclass(frozen=True)
class Word:
    """A word of a transcript.

    Attributes:
        text: the word.
        start_s: where it begins, in seconds.
        end_s: where it ends.
        confidence: geometric mean of the probability of its tokens, 0 to 1.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording.

    Attributes:
        name: of the recording: its path, or ``samples``.
        text: the transcript.
        log_probability: of the most probable path (greedy decoding), or of the transcript with
            its language model (beam search); 0 without time steps.
        words: with their times.
        seconds: length of the recording.
    """

    name: str
    text: str
    log_probability: float
    words: list[Word] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def confidence(self) -> float:
        """Geometric mean of the words' confidences; NaN without words."""
        if not self.words:
            return math.nan
        logs = [math.log(max(word.confidence, 1e-12)) for word in self.words]
        return math.exp(sum(logs) / len(logs))


def words_of(tokens: Sequence[str], spans: Sequence[Span], step_s: float) -> list[Word]:
    """Return the words of tokens.

    Args:
        tokens: text of each span, with the space before a word.
        spans: the tokens' places.
        step_s: seconds of a time step.
    """
    starts = starts_of_words(tokens)
    words: list[Word] = []
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=False):
        text = "".join(tokens[start:end]).strip()
        if text:
            of_word = spans[start:end]
            confidence = math.exp(sum(span.score for span in of_word) / len(of_word))
            words.append(
                Word(text, of_word[0].start * step_s, of_word[-1].end * step_s, confidence)
            )
    return words


class Transcripts:
    """The transcripts of one ``predict``: a sequence of :class:`Transcript`."""

    def __init__(self, items: Sequence[Transcript]) -> None:
        """Store the transcripts."""
        self.items = list(items)

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.items)

    def __iter__(self) -> Iterator[Transcript]:
        """Yield the transcripts."""
        return iter(self.items)

    def __getitem__(self, index: int) -> Transcript:
        """Return one transcript."""
        return self.items[index]

    def to_dict(self) -> dict[str, list[Any]]:
        """Return columns of plain data: file, text, log_probability, confidence, seconds."""
        return {
            "file": [each.name for each in self.items],
            "text": [each.text for each in self.items],
            "log_probability": [each.log_probability for each in self.items],
            "confidence": [each.confidence for each in self.items],
            "seconds": [each.seconds for each in self.items],
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each recording."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())


def subtitles(transcript: Transcript) -> str:
    """Return a transcript as SubRip (.srt): a line for a pause of .8 s or every 12 words."""
    lines: list[list[Word]] = []
    for word in transcript.words:
        pause = lines and word.start_s - lines[-1][-1].end_s > _SUBTITLE_PAUSE_S
        if not lines or pause or len(lines[-1]) == _SUBTITLE_WORDS:
            lines.append([])
        lines[-1].append(word)
    blocks = [
        f"{number}\n{_time(words[0].start_s)} --> {_time(words[-1].end_s)}\n"
        + " ".join(word.text for word in words)
        for number, words in enumerate(lines, 1)
    ]
    return "\n\n".join(blocks) + "\n" * bool(blocks)


def _time(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"
