"""What a word is made of: character n-grams, which rare and unknown words share with others.

Shapes: T tokens, P numbers of a token (its own, then those of its n-grams, right-padded), N words.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, overload

import torch
from torch import Tensor

from gru_suite.errors import UserError

PADDING = 0

# All n-grams of 3 to 6 letters that a word of eleven has; of longer ones the short n-grams count.
MAX_NGRAMS = 40


@dataclass(frozen=True)
class CharNgrams:
    """Numbers of a word's character n-grams (Bojanowski et al. 2017, arXiv 1607.04606).

    There is no list of n-grams: a number is a hash, so words that were never seen have numbers too.

    Attributes:
        shortest: letters of the shortest n-grams, the marks of a word's begin and end included.
        longest: letters of the longest.
    """

    shortest: int
    longest: int

    def numbers(self, word: str) -> list[int]:
        """Return the n-grams' numbers, at most ``MAX_NGRAMS``, each from 1 to 2**32."""
        marked = f"<{word}>"
        grams = (
            marked[start : start + size]
            for size in range(self.shortest, self.longest + 1)
            for start in range(len(marked) - size + 1)
        )
        # Not hash(): Python gives another one in each process.
        kept = islice(grams, MAX_NGRAMS)
        return [1 + zlib.crc32(gram.encode("utf-8", "replace")) for gram in kept]


class PieceSequences(Sequence[Tensor]):
    """Texts as rows of a table of words, shape (T, P) each.

    A text is put together when it is asked for: some forty numbers for each token of a large data
    set would fill the memory.
    """

    def __init__(self, words: Sequence[Tensor], table_NP: Tensor) -> None:
        """Hold the texts.

        Args:
            words: of each text, the rows of its words, shape (T,).
            table_NP: numbers of each word.
        """
        self.words = words
        self.table_NP = table_NP

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.words)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> "PieceSequences": ...
    def __getitem__(self, index: int | slice) -> "Tensor | PieceSequences":
        """Return a text, shape (T, P), or some of them."""
        if isinstance(index, slice):
            return PieceSequences(self.words[index], self.table_NP)
        return self.table_NP[self.words[index]]


def piece_sequences(
    texts: Sequence[Sequence[str]], numbers: dict[str, int], unknown: int, ngrams: CharNgrams
) -> PieceSequences:
    """Number the words of texts and their n-grams.

    Args:
        texts: the words of each text, at least one.
        numbers: of the vocabulary's words.
        unknown: number of all other words.
        ngrams: makes the further numbers.
    """
    rows: dict[str, int] = {}
    words = [torch.tensor([rows.setdefault(word, len(rows)) for word in text]) for text in texts]
    table_NP = torch.full((len(rows), 1 + MAX_NGRAMS), PADDING)
    for word, row in rows.items():
        pieces = [numbers.get(word, unknown), *ngrams.numbers(word)]
        table_NP[row, : len(pieces)] = torch.tensor(pieces)
    return PieceSequences(words, table_NP)


def check_ngrams(sizes: Any) -> None:
    """Refuse an impossible ``data.char_ngrams``.

    Raises:
        UserError: as said.
    """
    if sizes is None:
        return
    whole = isinstance(sizes, list | tuple) and all(type(size) is int for size in sizes)
    if not whole or len(sizes) != 2 or not 1 <= sizes[0] <= sizes[1]:
        raise UserError(
            f"data.char_ngrams={sizes}: needs the shortest and the longest in letters, as [3,6]"
        )
