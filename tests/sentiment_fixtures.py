"""Schemas of small text classifiers."""

from collections.abc import Sequence
from typing import Any

from gru_suite.text.tokenizer import train_tokenizer


def text_schema(texts: Sequence[str], tokenizer: str = "word", **changes: Any) -> dict[str, Any]:
    """Return the schema of texts with two labels, and some other entries."""
    trained = train_tokenizer(texts, tokenizer, min_count=1)
    schema = {
        "labels": ["neg", "pos"],
        "class_counts": [2, 2],
        "tokenizer": trained.to_str(),
        "vocabulary_size": trained.get_vocab_size(),
        "char_ngrams": None,
        "max_tokens": 50,
        "truncation": "head",
        "text_column": "text",
        "encoding": "utf-8",
    }
    return schema | changes
