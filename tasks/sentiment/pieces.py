"""Long texts cut into short ones, each with the label of the whole.

Shapes: T tokens, P numbers of a token.
"""

from collections.abc import Sequence

from torch import Tensor

from .ngrams import PieceSequences


def cut_pieces(
    sequences: Sequence[Tensor], labels: Sequence[int], names: Sequence[str], num_tokens: int
) -> tuple[Sequence[Tensor], list[int], list[str]]:
    """Cut encoded texts into pieces of equal length.

    Args:
        sequences: encoded texts, shape (T,) or (T, P) each.
        labels: their class numbers.
        names: what a person knows them by.
        num_tokens: of a piece. A rest of less than half of it is left out, except of a text that
            is no longer.

    Returns:
        Pieces, their class numbers and their names, text after text.
    """
    # A table row is cut before its n-grams are looked up: all of them would fill the memory.
    table = sequences.table_NP if isinstance(sequences, PieceSequences) else None
    wholes = sequences.words if isinstance(sequences, PieceSequences) else sequences
    pieces: list[Tensor] = []
    rows: list[int] = []
    for row, whole in enumerate(wholes):
        first, *others = whole.split(num_tokens)
        kept = [first, *(piece for piece in others if 2 * len(piece) >= num_tokens)]
        pieces += kept
        rows += [row] * len(kept)
    cut = pieces if table is None else PieceSequences(pieces, table)
    return cut, [labels[row] for row in rows], [names[row] for row in rows]
