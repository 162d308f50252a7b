"""Transcripts with times and confidences."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gru_suite.text.subwords import starts_of_words

from ..batches.ctc_tokens import CtcTokens
from .spans import Found, Span

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
        num_final: first words that later sound does not change: all words of a recording, in a
            stream those that another word is known to follow.
    """

    name: str
    text: str
    log_probability: float
    words: list[Word] = field(default_factory=list)
    seconds: float = 0.0
    num_final: int = 0

    @property
    def confidence(self) -> float:
        """Geometric mean of the words' confidences; NaN without words."""
        if not self.words:
            return math.nan
        logs = [math.log(max(word.confidence, 1e-12)) for word in self.words]
        return math.exp(sum(logs) / len(logs))


def transcript_of(
    name: str,
    found: Found,
    tokens: CtcTokens,
    step_s: float,
    seconds: float,
    ended: bool = True,
) -> Transcript:
    """Return the text and the words of tokens.

    Args:
        name: of the recording.
        found: the tokens with their places.
        tokens: their texts.
        step_s: seconds of a time step.
        seconds: length of the recording.
        ended: whether no sound follows.
    """
    ids = [span.token for span in found.spans]
    pieces = tokens.tokens(ids)
    starts = starts_of_words(pieces)
    words: list[Word] = []
    num_final = 0
    for start, end in zip(starts, [*starts[1:], len(pieces)], strict=False):
        text = "".join(pieces[start:end]).strip()
        if text:
            words.append(_word(text, found.spans[start:end], step_s))
            num_final += ended or end < found.num_final
    return Transcript(name, tokens.decode(ids), found.score, words, seconds, num_final)


def _word(text: str, spans: Sequence[Span], step_s: float) -> Word:
    confidence = math.exp(sum(span.score for span in spans) / len(spans))
    return Word(text, spans[0].start * step_s, spans[-1].end * step_s, confidence)


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
