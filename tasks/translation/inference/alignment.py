"""Alignment of words by attention, and replacement of unknown words.

Shapes: S source tokens, T target tokens, W words.
"""

import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from gru_suite.text.subwords import UNKNOWN, join_tokens, starts_of_words

from .translations import Alignment


def align_words(
    source_tokens: Sequence[str], target_tokens: Sequence[str], weights_TS: Tensor, source: str
) -> Alignment:
    """Return the attention between words: of a source word the sum, of a target word the mean.

    Punctuation marks are words of their own here, so that the parts of ``2021-04-03`` are seen.

    Args:
        source_tokens: as the tokenizer spells them, a space before a word included.
        target_tokens: the same of the target, without its end.
        weights_TS: attention of each target token; rows beyond the tokens are ignored.
        source: the source text, whose spelling its words have.
    """
    sources, targets = (
        _spans(tokens, _starts_of_parts(tokens)) for tokens in (source_tokens, target_tokens)
    )
    by_word_TW = torch.stack([weights_TS[:, a:b].sum(1) for a, b in sources], dim=1)
    rows = [by_word_TW[a:b].mean(0).tolist() for a, b in targets]
    return Alignment(
        original_spelling([join_tokens(source_tokens[a:b]) for a, b in sources], source),
        [join_tokens(target_tokens[a:b]) for a, b in targets],
        rows,
    )


def original_spelling(pieces: Sequence[str], text: str) -> list[str]:
    """Return pieces of a text with its letters, where the tokenizer ignores case.

    Args:
        pieces: all words or tokens of the text, without spaces.
        text: the text.
    """
    letters = [c for c in unicodedata.normalize("NFC", text) if not c.isspace()]
    if [c.lower() for c in letters] != list("".join(pieces)):
        return list(pieces)
    found, start = [], 0
    for piece in pieces:
        found.append("".join(letters[start : start + len(piece)]))
        start += len(piece)
    return found


def replace_unknown(
    target_ids: Sequence[int],
    target_tokens: Sequence[str],
    source_tokens: Sequence[str],
    source: str,
    weights_TS: Tensor,
) -> list[str]:
    """Return the target tokens, each unknown one replaced by a source word (Jean et al. 2015).

    The word is the one with the largest attention (arXiv 1412.2007).

    Args:
        target_ids: of the target.
        target_tokens: the same as the tokenizer spells them.
        source_tokens: of the source.
        source: its text, which has the words that the source vocabulary lacks.
        weights_TS: attention of each target token.
    """
    spans, words = _spans(source_tokens, starts_of_words(source_tokens)), source.split()
    replaced = list(target_tokens)
    for place, number in enumerate(target_ids):
        if number == UNKNOWN:
            best = max(range(len(spans)), key=lambda word: _weight(weights_TS, place, spans[word]))
            named = join_tokens(source_tokens[slice(*spans[best])])
            # Words by spaces are those of the tokens, unless white space is a token.
            word = words[best] if len(words) == len(spans) else named
            replaced[place] = f" {word.rstrip('.,;:!?') or word}"
    return replaced


def _weight(weights_TS: Tensor, row: int, span: tuple[int, int]) -> float:
    return float(weights_TS[row, slice(*span)].sum())


def _spans(tokens: Sequence[str], starts: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(starts or [0], [*starts[1:], len(tokens)], strict=True))


def _starts_of_parts(tokens: Sequence[str]) -> list[int]:
    """Return the indices of the tokens that begin a word, a number or a punctuation mark."""
    starts = set(starts_of_words(tokens))
    for place in range(1, len(tokens)):
        before, after = tokens[place - 1].strip(), tokens[place].strip()
        # The space before a number can be a token of its own, and belongs to it.
        if before and not (before.isalnum() and after.isalnum()):
            starts.add(place)
    return sorted(starts)
