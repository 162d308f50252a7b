"""Tokens of connectionist temporal classification: a blank, and those of a tokenizer."""

from collections.abc import Iterable, Sequence

from gru_suite.text.subwords import END, SubwordTokenizer, join_tokens

BLANK = 0
"""Id of the blank, in place of the tokenizer's padding."""

# The tokenizer's ids of begin and end, 2 and 3, have no place here.
_LEFT_OUT = 2


class CtcTokens:
    """Texts to token ids and back, without begin and end of a text.

    Attributes:
        size: tokens, the blank and the unknown one included.
    """

    def __init__(self, tokenizer: str) -> None:
        """Restore them from the JSON of :func:`gru_suite.text.subwords.train_subwords`."""
        self._tokenizer = SubwordTokenizer(tokenizer)
        self.size: int = self._tokenizer.size - _LEFT_OUT

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text."""
        encoded = self._tokenizer.encode(texts)
        return [[i - _LEFT_OUT if i > END else i for i in ids] for ids in encoded]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of ids; a space before a word is part of its first token."""
        return self._tokenizer.tokens(i + _LEFT_OUT if i > END - _LEFT_OUT else i for i in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids, none of them the blank."""
        return join_tokens(self.tokens(ids))
