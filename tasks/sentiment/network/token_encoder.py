"""From token numbers to features: an embedding, and what is dropped from it in training.

Shapes: B batch, T tokens (right-padded), F embedding size, P numbers of a token (its own, then
    those of its character n-grams, right-padded).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..batches.tokenizer import PADDING, UNKNOWN

INITIAL_SPREAD = 0.1
NGRAM_BUCKETS = 32_768
"""Vectors that the character n-grams share."""


class TokenEncoder(nn.Module):
    """Look each token up in a table of learned vectors; add the mean of its n-grams' vectors.

    In training a share of the tokens is replaced by the unknown one, which teaches what to make of
    unknown words, and a share of a text's features is set to zero, the same ones at every token
    (Gal and Ghahramani 2016, arXiv 1512.05287).
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        token_dropout: float,
        dropout: float,
        char_ngrams: bool = False,
    ) -> None:
        """Build the tables, drawn from N(0, 0.1).

        Args:
            vocabulary_size: tokens.
            embedding_size: features of a token.
            token_dropout: share of tokens made unknown in training, 0 to below 1.
            dropout: share of features set to zero in training, 0 to below 1.
            char_ngrams: whether tokens have character n-grams.
        """
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
        self.ngrams: nn.EmbeddingBag | None = None
        if char_ngrams:
            self.ngrams = nn.EmbeddingBag(
                1 + NGRAM_BUCKETS, embedding_size, mode="mean", padding_idx=PADDING
            )
        for table in (self.embedding, self.ngrams):
            if table is not None:
                nn.init.normal_(table.weight, std=INITIAL_SPREAD)
                nn.init.zeros_(table.weight.detach()[PADDING])
        self.token_dropout = token_dropout
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return features, shape (B, T, F).

        Args:
            tokens: their numbers, shape (B, T), or with those of their n-grams (B, T, P).
        """
        own_BT = tokens if tokens.dim() == 2 else tokens[..., 0]
        if self.training and self.token_dropout:
            dropped_BT = torch.rand(own_BT.shape, device=tokens.device) < self.token_dropout
            own_BT = own_BT.masked_fill(dropped_BT & (own_BT != PADDING), UNKNOWN)
            if self.ngrams is not None:
                tokens = tokens.masked_fill(dropped_BT.unsqueeze(2), PADDING)
        x_BTF: Tensor = self.embedding(own_BT)
        if self.ngrams is not None:
            grams = tokens[..., 1:].flatten(0, 1)
            row = (grams % NGRAM_BUCKETS + 1).where(grams != PADDING, PADDING)
            x_BTF = x_BTF + self._mean_vector(self.ngrams, row).view_as(x_BTF)
        # Dropout1d zeroes whole rows of the last axis: features, once time lies there.
        return self.dropout(x_BTF.mT).mT if self.dropout.p else x_BTF

    def _mean_vector(self, table: nn.EmbeddingBag, row_NP: Tensor) -> Tensor:
        """Return the mean of the vectors of each row's n-grams, zero where it has none."""
        if not torch.compiler.is_exporting():
            mean_NF: Tensor = table(row_NP)
            return mean_NF
        # Other formats have no such table; the vector of the padding is zero.
        count_N1 = (row_NP != PADDING).sum(1, keepdim=True).clamp(min=1)
        return F.embedding(row_NP, table.weight).sum(1) / count_N1
