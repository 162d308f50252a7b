"""Summary of a data set of pairs."""

from collections.abc import Sequence

import numpy as np

from gru_suite.data.splits import PARTS

from ..reading.cleaning import count_overlap
from ..reading.text_pairs import Parts


def summarize(name: str, parts: Parts, vocabulary: Sequence[str] = ()) -> list[str]:
    """Return lines on sizes, lengths, vocabulary, and pairs left out, duplicated or made.

    Args:
        name: of the data set.
        parts: ``train``, ``val`` and ``test``; one may be empty.
        vocabulary: lines on tokens, which stand below the lengths.
    """
    sizes = ", ".join(f"{part} {len(parts[part]):,}" for part in PARTS)
    lines = [f"{name}: {sizes} pairs"]
    counted = max(PARTS, key=lambda part: (len(parts[part]) > 0, part == "train"))
    if len(parts[counted]):
        lines.append(
            f"lengths in {counted}: sources {_lengths(parts[counted].sources)}, "
            f"targets {_lengths(parts[counted].targets)}"
        )
    lines.extend(vocabulary)
    for part in PARTS:
        lines.extend(parts[part].notes)
    for part in PARTS[1:]:
        if copies := count_overlap(parts[part], parts["train"]):
            lines.append(f"{copies:,} of the {part} sources are training sources too")
    return lines


def _lengths(texts: Sequence[str]) -> str:
    words_N = np.array([len(text.split()) for text in texts])
    characters = max(map(len, texts))
    return (
        f"{np.median(words_N):.0f} words in the median, {words_N.max():,} at most "
        f"({characters:,} characters)"
    )
