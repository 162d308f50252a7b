"""Hashed character n-grams of words, which rare and unknown words share with others.

Shapes: T tokens, P ids of a token (its own, then those of its n-grams, right-padded), V distinct
    words.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, overload

import torch
from torch import Tensor

from gru_suite.errors import UserError

PADDING = 0
"""Id of the padding token, and of the padding after a token's n-grams."""

MAX_NGRAMS = 40
"""N-grams of a word at most: all of 3 to 6 letters of a word of eleven; else the shortest."""


@dataclass(frozen=True)
class CharNgrams:
    """Character n-grams of a word (Bojanowski et al. 2017, arXiv 1607.04606).

    Ids are hashes rather than indices into a vocabulary, so unseen words have them too.

    Attributes:
        shortest: letters of the shortest n-grams, word boundary marks included.
        longest: letters of the longest.
    """

    shortest: int
    longest: int

    def ids(self, word: str) -> list[int]:
        """Return the ids of the n-grams, at most ``MAX_NGRAMS``, each from 1 to 2**32."""
        marked = f"<{word}>"
        ngrams = (
            marked[start : start + size]
            for size in range(self.shortest, self.longest + 1)
            for start in range(len(marked) - size + 1)
        )
        # Not hash(), which differs between processes.
        return [
            1 + zlib.crc32(ngram.encode("utf-8", "replace")) for ngram in islice(ngrams, MAX_NGRAMS)
        ]


class NgramSequences(Sequence[Tensor]):
    """Encoded texts, shape (T, P) each, stored as indices into a table of distinct words.

    A text is looked up when it is asked for: the n-grams of every token of a large data set would
    not fit into memory.
    """

    def __init__(self, indices: Sequence[Tensor], table_VP: Tensor) -> None:
        """Store the texts.

        Args:
            indices: rows of the table, shape (T,) a text.
            table_VP: ids of each distinct word.
        """
        self.indices = indices
        self.table_VP = table_VP

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> "NgramSequences": ...
    def __getitem__(self, index: int | slice) -> "Tensor | NgramSequences":
        """Return a text, shape (T, P), or a slice of the texts."""
        if isinstance(index, slice):
            return NgramSequences(self.indices[index], self.table_VP)
        return self.table_VP[self.indices[index]]


def ids_table(
    words: Sequence[str], vocabulary: Mapping[str, int], unknown: int, ngrams: CharNgrams
) -> Tensor:
    """Return the ids of words and of their n-grams, shape (number of words, P).

    Args:
        words: one a row.
        vocabulary: word to id.
        unknown: id of all other words.
        ngrams: gives the further ids.
    """
    table = torch.full((len(words), 1 + MAX_NGRAMS), PADDING)
    for row, word in zip(table, words, strict=True):
        ids = [vocabulary.get(word, unknown), *ngrams.ids(word)]
        row[: len(ids)] = torch.tensor(ids)
    return table


def ngram_sequences(
    texts: Sequence[Sequence[str]],
    vocabulary: Mapping[str, int],
    unknown: int,
    ngrams: CharNgrams,
) -> NgramSequences:
    """Encode texts, with character n-grams.

    Args:
        texts: the words of each text, at least one.
        vocabulary: word to id.
        unknown: id of all other words.
        ngrams: gives the further ids.
    """
    rows: dict[str, int] = {}
    indices = [torch.tensor([rows.setdefault(word, len(rows)) for word in text]) for text in texts]
    return NgramSequences(indices, ids_table([*rows], vocabulary, unknown, ngrams))


def check_ngrams(sizes: Any) -> None:
    """Check the value of ``data.char_ngrams``.

    Raises:
        UserError: it is neither None nor two sizes, shortest first.
    """
    if sizes is None:
        return
    integers = isinstance(sizes, list | tuple) and all(type(size) is int for size in sizes)
    if not integers or len(sizes) != 2 or not 1 <= sizes[0] <= sizes[1]:
        raise UserError(
            f"data.char_ngrams={sizes}: needs the shortest and the longest in letters, as [3,6]"
        )
