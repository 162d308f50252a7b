"""Export of the summariser as a function of token ids.

Shapes: B documents, S sentences (right-padded), W words (right-padded), P ids of a word (its own,
    then those of its character n-grams, right-padded).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ExportModule, Port
from gru_suite.text.char_ngrams import MAX_NGRAMS
from gru_suite.text.tokenizer import PADDING, UNKNOWN

from ..batches.encoding import DocumentBatch
from ..network.sentence_scorer import SentenceScorer

_WORDS = 11


class SummarizationExport(ExportModule):
    """Token ids and lengths in, share of each sentence out."""

    def __init__(self, model: SentenceScorer) -> None:
        """Describe the inputs of a model."""
        super().__init__(model)
        ngrams = model.tokenizer.ngrams is not None
        shape: tuple[int | str, ...] = (BATCH, "sentences", "words")
        meaning = "token ids of each sentence, by the tokenizer of `preprocessing`"
        if ngrams:
            shape = (*shape, 1 + MAX_NGRAMS)
            meaning = f"id of each word, then those of its n-grams, padded with {PADDING}"
        self.inputs = (
            Port("lengths", "int64", (BATCH,), "sentences of each document, at least 1"),
            Port("tokens", "int64", shape, meaning),
            Port("words", "int64", shape[:2], "words of each sentence, at least 1; 0 at padding"),
        )
        score = "share of each sentence in its document, adding up to 1; 0 at padding"
        self.outputs = (Port("score", "float32", shape[:2], score),)
        self.steps = (1, 3, 8)
        self.preprocessing = _preprocessing(model)

    def forward(self, lengths_B: Tensor, tokens: Tensor, words_BS: Tensor) -> Tensor:
        """Return shares, shape (B, S), whatever the values of the padding."""
        empty_BS = torch.zeros_like(words_BS, dtype=torch.float32)
        scores_BS: Tensor = self.model(
            DocumentBatch(lengths_B, tokens, words_BS, empty_BS, empty_BS)
        )
        return scores_BS.float().softmax(1)

    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return random documents of different lengths; the first fills all sentences."""
        lengths_B = torch.randint(1, num_steps + 1, (batch_size,), generator=generator)
        lengths_B[0] = num_steps
        size = (batch_size, num_steps)
        words_BS = torch.randint(1, _WORDS + 1, size, generator=generator)
        words_BS[0, 0] = _WORDS
        valid_BS = torch.arange(num_steps) < lengths_B.unsqueeze(1)
        words_BS = words_BS.masked_fill(~valid_BS, 0)
        shape = (*size, _WORDS, *(int(each) for each in self.inputs[1].shape[3:]))
        vocabulary = int(self.model.schema["vocabulary_size"])
        tokens = torch.randint(UNKNOWN, vocabulary, shape, generator=generator)
        if len(shape) == 4:
            ngrams = torch.randint(1, 2**32, shape, generator=generator)
            absent = torch.rand(shape, generator=generator) < 0.5
            tokens[..., 1:] = ngrams.masked_fill(absent, PADDING)[..., 1:]
        padding = torch.arange(_WORDS) >= words_BS.unsqueeze(2)
        tokens = tokens.masked_fill(padding if len(shape) == 3 else padding.unsqueeze(3), PADDING)
        return lengths_B, tokens, words_BS

    def from_batch(self, batch: Any) -> tuple[Tensor, ...]:
        """Return lengths, token ids and numbers of words."""
        return batch.lengths_B, batch.tokens, batch.words_BS

    def to_output(self, outputs: Sequence[Tensor], batch: Any) -> Tensor:
        """Return scores: the logarithms of the shares, which differ by a constant."""
        # The smallest normal number: a share of 0 must not make the loss infinite.
        return outputs[0].clamp(min=torch.finfo(torch.float32).tiny).log()


def _preprocessing(model: SentenceScorer) -> dict[str, Any]:
    """Return how documents become the inputs, for a program without this package."""
    schema, tokenizer = model.schema, model.tokenizer
    outside = {
        "sentences": "the document is split into sentences",
        "tokenizer": "a sentence to token ids by the JSON of the library `tokenizers`: "
        "Tokenizer.from_str(...).encode(text).ids",
        "max_tokens": "longer sentences are truncated at the end",
        "empty": f"a sentence without tokens is the one token {UNKNOWN}",
        "choice": f"the {model.num_sentences} sentences with the highest scores, in the order of "
        "the document",
    }
    if tokenizer.ngrams is not None:
        outside["tokenizer"] = (
            "a sentence to words by the tokenizer's normalizer and pre_tokenizer; the id of a word "
            f"is that of the vocabulary, {UNKNOWN} if it is not in it"
        )
        outside["char_ngrams"] = (
            f"of <word>, all n-grams of {tokenizer.ngrams.shortest} to {tokenizer.ngrams.longest} "
            f"letters, shortest first, the first {MAX_NGRAMS}: 1 + crc32 of the n-gram in UTF-8"
        )
    return {
        "inside": "embeddings, TF-IDF centroid, positions",
        "outside": outside,
        "tokenizer": schema["tokenizer"],
        "max_tokens": schema["max_tokens"],
        "char_ngrams": schema.get("char_ngrams"),
        "padding": PADDING,
    }
