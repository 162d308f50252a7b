"""Which classes there are and which recordings stand for them.

The 12-label sets are those of Warden 2018 (arXiv 1804.03209, section 6) and its reference code
(``input_data.py`` of TensorFlow's speech_commands example): ten words, ``_unknown_`` for other
words and ``_silence_`` for background noise, each a tenth of the ten words' number in every part.
"""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError, nearest

from .corpus import Recording

SILENCE, UNKNOWN = "_silence_", "_unknown_"
CORE_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
V1_WORDS = (
    *CORE_WORDS,
    *("bed", "bird", "cat", "dog", "eight", "five", "four", "happy", "house", "marvin"),
    *("nine", "one", "seven", "sheila", "six", "three", "tree", "two", "wow", "zero"),
)
LABEL_SETS = ("core10", "v2_12", "v1_12", "all")
# Share of the known words' number, as the reference code has it by default.
_EXTRA_SHARE = 0.1
# The reference code's seed; the choice of unknown words must not change with the run's.
_SEED = 59185


class Chosen(NamedTuple):
    """The recordings of a label set.

    Attributes:
        labels: names of the classes.
        recordings: those that stand for a class.
        label_of: the class number of each.
        num_silence: clips of silence to make, by part.
        num_left_out: recordings of words that belong to no class, or are more than needed.
    """

    labels: list[str]
    recordings: list[Recording]
    label_of: list[int]
    num_silence: dict[str, int]
    num_left_out: int


def label_names(labels: str | Sequence[str], words: Sequence[str]) -> list[str]:
    """Return the classes' names.

    Args:
        labels: ``core10``, ``v2_12``, ``v1_12``, ``all``, or a list of words, ``_unknown_`` and
            ``_silence_``.
        words: the words there are recordings of.

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
) -> Chosen:
    """Choose the recordings of every class.

    Args:
        recordings: all there are.
        labels: what the user asked for; ``v1_12`` draws unknown words from the first version's.
        names: the classes' names, in order.
    """
    number = {name: index for index, name in enumerate(names)}
    chosen = [(each, number[each.word]) for each in recordings if each.word in number]
    num_known = {part: sum(each.part == part for each, _ in chosen) for part in PARTS}
    extra = {part: math.ceil(_EXTRA_SHARE * count) for part, count in num_known.items()}
    if UNKNOWN in number:
        pool = [each for each in recordings if each.word not in number]
        if labels == "v1_12":
            pool = [each for each in pool if each.word in V1_WORDS]
        shuffled = random.Random(_SEED).sample(pool, len(pool))
        for part in PARTS:
            of_part = [each for each in shuffled if each.part == part][: extra[part]]
            chosen += [(each, number[UNKNOWN]) for each in of_part]
    return Chosen(
        list(names),
        [each for each, _ in chosen],
        [label for _, label in chosen],
        extra if SILENCE in number else dict.fromkeys(PARTS, 0),
        len(recordings) - len(chosen),
    )
