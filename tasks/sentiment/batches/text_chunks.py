"""Long texts cut into short ones, each with the label of the whole.

Shapes: T tokens, P numbers of a token.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.options import check_count

from .char_ngrams import PieceSequences
from .tokenizer import own_numbers

SENTENCE_ENDS = (".", "!", "?", "\u3002")
"""Tokens that end a sentence, as the tokenizer writes them."""


def check_pieces(piece_tokens: int | None, piece_sentences: bool) -> None:
    """Refuse pieces of no length, and sentences without the least that a piece has of them."""
    if piece_tokens is not None:
        check_count("data.piece_tokens", piece_tokens, 1)
    elif piece_sentences:
        raise UserError("data.piece_sentences needs data.piece_tokens, the least of a piece")


def cut_pieces(
    sequences: Sequence[Tensor],
    labels: Sequence[int],
    names: Sequence[str],
    num_tokens: int,
    ends: Collection[int] | None = None,
) -> tuple[Sequence[Tensor], list[int], list[str]]:
    """Cut encoded texts into pieces of equal length, or of whole sentences.

    Args:
        sequences: encoded texts, shape (T,) or (T, P) each.
        labels: their class numbers.
        names: what a person knows them by.
        num_tokens: of a piece. A rest of less than half of it is left out, except of a text that
            is no longer.
        ends: token numbers that end a sentence; then a piece ends with the sentence in which it
            has so many tokens. None counts tokens alone.

    Returns:
        Pieces, their class numbers and their names, text after text.
    """
    # A table row is cut before its n-grams are looked up: all of them would fill the memory.
    table = sequences.table_NP if isinstance(sequences, PieceSequences) else None
    wholes = sequences.words if isinstance(sequences, PieceSequences) else sequences
    ending = None if ends is None else torch.tensor(sorted(ends), dtype=torch.int64)
    pieces: list[Tensor] = []
    rows: list[int] = []
    for row, whole in enumerate(wholes):
        if ending is None:
            first, *others = whole.split(num_tokens)
        else:
            numbers = own_numbers(whole if table is None else table[whole])
            first, *others = whole.tensor_split(_ends_of_pieces(numbers, ending, num_tokens))
        kept = [first, *(piece for piece in others if 2 * len(piece) >= num_tokens)]
        pieces += kept
        rows += [row] * len(kept)
    cut = pieces if table is None else PieceSequences(pieces, table)
    return cut, [labels[row] for row in rows], [names[row] for row in rows]


def _ends_of_pieces(numbers_T: Tensor, ending: Tensor, num_tokens: int) -> list[int]:
    """Return the places before which a text is cut."""
    places: list[int] = []
    last = 0
    for place in (torch.isin(numbers_T, ending).nonzero().flatten() + 1).tolist():
        if place - last >= num_tokens and place < len(numbers_T):
            places.append(place)
            last = place
    return places
