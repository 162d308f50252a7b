"""Label sets, and the recordings of each label.

The 12-label sets are those of Warden 2018 (arXiv 1804.03209, section 6) and its reference code
(``input_data.py`` of TensorFlow's speech_commands example): ten words, ``_unknown_`` for other
words and ``_silence_`` for background noise, each a tenth of the ten words' number in every part.
"""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from gru_suite.audio.reading.corpus import Recording
from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError, nearest

SILENCE, UNKNOWN = "_silence_", "_unknown_"
CORE_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
V1_WORDS = (
    *CORE_WORDS,
    *("bed", "bird", "cat", "dog", "eight", "five", "four", "happy", "house", "marvin"),
    *("nine", "one", "seven", "sheila", "six", "three", "tree", "two", "wow", "zero"),
)
LABEL_SETS = ("core10", "v2_12", "v1_12", "all")
# Relative to the number of known words; the default of the reference code.
_EXTRA_SHARE = 0.1
# The reference code's seed: unknown words do not depend on the run's seed.
_SEED = 59185


class LabelledRecordings(NamedTuple):
    """Recordings with their labels.

    Attributes:
        labels: names of the classes.
        recordings: recordings of these classes.
        label_of: class number of each.
        num_silence: number of clips of silence to draw from noise, by part.
        num_left_out: number of recordings that are of no class or not sampled.
    """

    labels: list[str]
    recordings: list[Recording]
    label_of: list[int]
    num_silence: dict[str, int]
    num_left_out: int


def label_names(labels: str | Sequence[str], words: Sequence[str]) -> list[str]:
    """Return the names of the classes.

    Args:
        labels: ``core10``, ``v2_12``, ``v1_12``, ``all``, or a list of words, ``_unknown_`` and
            ``_silence_``.
        words: words with recordings.

    Raises:
        UserError: an unknown set, a word without recordings, or fewer than two classes.
    """
    if isinstance(labels, str):
        if labels not in LABEL_SETS:
            raise UserError(
                f"data.labels={labels}: no such set of labels (a list of words is written "
                f"data.labels=[yes,no]){nearest(labels, LABEL_SETS)}"
            )
        if labels == "all":
            names = sorted(words)
        else:
            names = list(CORE_WORDS) if labels == "core10" else [SILENCE, UNKNOWN, *CORE_WORDS]
    else:
        names = list(dict.fromkeys(str(name) for name in labels))
        if any(isinstance(name, bool) for name in labels):
            raise UserError(
                "data.labels holds true or false: YAML reads yes, no, on and off so; write them in "
                "quotes, as in ['yes', 'no']"
            )
    for name in names:
        if name not in words and name not in (SILENCE, UNKNOWN):
            raise UserError(f"data.labels: no recordings of {name!r}{nearest(name, sorted(words))}")
    if len(names) < 2:
        raise UserError(f"data.labels={names}: at least two classes are needed")
    return names


def choose_recordings(
    recordings: Sequence[Recording], labels: str | Sequence[str], names: Sequence[str]
) -> LabelledRecordings:
    """Select the recordings of every class.

    Args:
        recordings: of all words.
        labels: the label set; ``v1_12`` samples unknown words from those of the first version.
        names: names of the classes, in order.
    """
    number = {name: index for index, name in enumerate(names)}
    labelled = [(each, number[each.word]) for each in recordings if each.word in number]
    num_known = {part: sum(each.part == part for each, _ in labelled) for part in PARTS}
    extra = {part: math.ceil(_EXTRA_SHARE * count) for part, count in num_known.items()}
    if UNKNOWN in number:
        unknown = [each for each in recordings if each.word not in number]
        if labels == "v1_12":
            unknown = [each for each in unknown if each.word in V1_WORDS]
        shuffled = random.Random(_SEED).sample(unknown, len(unknown))
        for part in PARTS:
            of_part = [each for each in shuffled if each.part == part][: extra[part]]
            labelled += [(each, number[UNKNOWN]) for each in of_part]
    return LabelledRecordings(
        list(names),
        [each for each, _ in labelled],
        [label for _, label in labelled],
        extra if SILENCE in number else dict.fromkeys(PARTS, 0),
        len(recordings) - len(labelled),
    )
