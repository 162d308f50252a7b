"""Normalisation of transcripts."""

import re
import unicodedata

_APOSTROPHES = "\u2019\u02bc`"


def normalize(text: str) -> str:
    """Return a transcript in lower case without punctuation, as word error rates are computed.

    Letters with their marks, digits, and apostrophes within a word stay; other characters separate
    words.
    """
    text = unicodedata.normalize("NFC", text).lower()
    for mark in _APOSTROPHES:
        text = text.replace(mark, "'")
    kept = "".join(c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return " ".join(re.sub(r"(?<!\w)'|'(?!\w)", " ", kept).split())
