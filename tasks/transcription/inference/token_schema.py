"""Tokens and language model of training transcripts."""

from collections.abc import Sequence
from typing import Any

from gru_suite.text.subwords import train_subwords

from ..batches.ctc_tokens import CtcTokens
from .language_model import NGramModel


def fit_tokens(texts: Sequence[str], kind: str, vocabulary_size: int, order: int) -> dict[str, Any]:
    """Return tokenizer and language model as plain data.

    Args:
        texts: the training transcripts.
        kind: of the tokens: char, bpe or word.
        vocabulary_size: most tokens.
        order: of the n-gram model; 0 for none.

    Raises:
        UserError: an option is out of its range or set.
    """
    tokenizer = train_subwords(texts, kind, vocabulary_size, min_count=1)
    tokens, model = CtcTokens(tokenizer), None
    if order:
        model = NGramModel.fit(tokens.encode(texts), tokens.size, order).as_dict()
    return {"tokenizer": tokenizer, "token_kind": kind, "language_model": model}
