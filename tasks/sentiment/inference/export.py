"""The sentiment task as a function of token numbers.

Shapes: B batch, T tokens (right-padded), P numbers of a token (its own, then those of its character
    n-grams, right-padded).
"""

from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ClassificationExport, Port

from ..batches.char_ngrams import MAX_NGRAMS
from ..batches.tokenizer import PADDING, UNKNOWN
from ..network.text_classifier import TextClassifier

_USUAL_TOKENS = 40


class SentimentExport(ClassificationExport):
    """Token numbers and lengths in, probabilities out."""

    def forward(self, x: Tensor, lengths_B: Tensor) -> Tensor:
        """Return class probabilities; what stands at padding does not matter."""
        padding_BT = torch.arange(x.size(1), device=x.device) >= lengths_B.unsqueeze(1)
        padding = padding_BT if x.dim() == 2 else padding_BT.unsqueeze(2)
        return super().forward(x.masked_fill(padding, PADDING), lengths_B)

    def sequences(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return random tokens; of their n-grams some are padding."""
        size = int(self.model.schema["vocabulary_size"])
        tokens = torch.randint(UNKNOWN, size, shape, generator=generator)
        if len(shape) == 3:
            grams = torch.randint(1, 2**32, shape, generator=generator)
            absent = torch.rand(shape, generator=generator) < 0.5
            tokens[..., 1:] = grams.masked_fill(absent, PADDING)[..., 1:]
        return tokens


def sentiment_export(model: TextClassifier) -> SentimentExport:
    """Return the model for export, with a description of its inputs."""
    schema = model.schema
    ngrams = model.codec.ngrams
    shape: tuple[int | str, ...] = (BATCH, "tokens")
    meaning = "token numbers, by the tokenizer of `preprocessing`"
    outside: dict[str, Any] = {
        "tokenizer": "text to token numbers with the JSON of the library `tokenizers`: "
        "Tokenizer.from_str(...).encode(text).ids",
        "max_tokens": f"more are cut ({schema['truncation']} is kept)",
        "empty": f"a text without any token is the one token {UNKNOWN}",
    }
    if ngrams is not None:
        shape = (*shape, 1 + MAX_NGRAMS)
        meaning = f"of each token its number, then those of its n-grams, padded with {PADDING}"
        outside["tokenizer"] = (
            "text to words: the tokenizer's normalizer and pre_tokenizer; a word's number is that "
            f"of the vocabulary, {UNKNOWN} if it is not there"
        )
        outside["char_ngrams"] = (
            f"of <word>, all pieces of {ngrams.shortest} to {ngrams.longest} letters from the "
            f"shortest on, the first {MAX_NGRAMS}: 1 + crc32 of the piece in UTF-8"
        )
    preprocessing = {
        "inside": "embedding, n-gram vectors and the linear path",
        "outside": outside,
        "tokenizer": schema["tokenizer"],
        "max_tokens": schema["max_tokens"],
        "truncation": schema["truncation"],
        "char_ngrams": schema.get("char_ngrams"),
        "padding": PADDING,
    }
    longest = min(_USUAL_TOKENS, int(schema["max_tokens"]))
    steps = sorted({1, max(2, longest // 3), longest})
    return SentimentExport(
        model, model.labels, Port("tokens", "int64", shape, meaning), steps, preprocessing
    )
