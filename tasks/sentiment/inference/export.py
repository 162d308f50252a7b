"""Export of the text classifier as a function of token ids.

Shapes: B batch, T tokens (right-padded), P ids of a token (its own, then those of its character
    n-grams, right-padded).
"""

from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ClassificationExport, Port
from gru_suite.text.char_ngrams import MAX_NGRAMS
from gru_suite.text.tokenizer import PADDING, UNKNOWN, TextTokenizer

from ..network.text_classifier import TextClassifier

_USUAL_TOKENS = 40


class SentimentExport(ClassificationExport):
    """Token ids and lengths in, probabilities out."""

    def forward(self, x: Tensor, lengths_B: Tensor) -> Tensor:
        """Return class probabilities, whatever the values of the padding."""
        padding_BT = torch.arange(x.size(1), device=x.device) >= lengths_B.unsqueeze(1)
        padding = padding_BT if x.dim() == 2 else padding_BT.unsqueeze(2)
        return super().forward(x.masked_fill(padding, PADDING), lengths_B)

    def sequences(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return random token ids, with n-grams of which some are padding."""
        size = int(self.model.schema["vocabulary_size"])
        tokens = torch.randint(UNKNOWN, size, shape, generator=generator)
        if len(shape) == 3:
            ngrams = torch.randint(1, 2**32, shape, generator=generator)
            absent = torch.rand(shape, generator=generator) < 0.5
            tokens[..., 1:] = ngrams.masked_fill(absent, PADDING)[..., 1:]
        return tokens


def sentiment_export(model: TextClassifier) -> SentimentExport:
    """Return the export of a model, with a description of its inputs."""
    schema = model.schema
    shape: tuple[int | str, ...] = (BATCH, "tokens")
    meaning = "token ids, by the tokenizer of `preprocessing`"
    if model.tokenizer.ngrams is not None:
        shape = (*shape, 1 + MAX_NGRAMS)
        meaning = f"id of each token, then those of its n-grams, padded with {PADDING}"
    preprocessing = {
        "inside": "embeddings of tokens and n-grams, features of the linear classifier",
        "outside": _preprocessing_steps(model.tokenizer),
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


def _preprocessing_steps(tokenizer: TextTokenizer) -> dict[str, Any]:
    """Return how a text becomes the input, for a program without this package."""
    steps: dict[str, Any] = {
        "tokenizer": "text to token ids by the JSON of the library `tokenizers`: "
        "Tokenizer.from_str(...).encode(text).ids",
        "max_tokens": f"longer texts are truncated ({tokenizer.truncation} is kept)",
        "empty": f"a text without tokens is the one token {UNKNOWN}",
    }
    if tokenizer.ngrams is not None:
        steps["tokenizer"] = (
            "text to words by the tokenizer's normalizer and pre_tokenizer; the id of a word is "
            f"that of the vocabulary, {UNKNOWN} if it is not in it"
        )
        steps["char_ngrams"] = (
            f"of <word>, all n-grams of {tokenizer.ngrams.shortest} to {tokenizer.ngrams.longest} "
            f"letters, shortest first, the first {MAX_NGRAMS}: 1 + crc32 of the n-gram in UTF-8"
        )
    return steps
