"""Token embedding with character n-grams and dropout.

Shapes: B batch, T tokens (right-padded), F embedding size, P ids of a token (its own, then those of
    its character n-grams, right-padded), N tokens of all texts.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gru_suite.text.tokenizer import PADDING, UNKNOWN

INITIAL_STD = 0.1
NGRAM_BUCKETS = 32_768
"""Embedding vectors that the character n-grams share by hashing."""


class TokenEncoder(nn.Module):
    """Sum of a token's embedding and the mean embedding of its character n-grams.

    In training, tokens are replaced by the unknown token at random (word dropout), which trains its
    embedding, and features of a text are set to zero, the same at every token (variational dropout;
    Gal and Ghahramani 2016, arXiv 1512.05287).
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        token_dropout: float,
        dropout: float,
        char_ngrams: bool = False,
    ) -> None:
        """Build the embeddings, drawn from N(0, 0.1).

        Args:
            vocabulary_size: tokens.
            embedding_size: features of a token.
            token_dropout: share of tokens replaced by the unknown token in training, 0 to below 1.
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
        for embedding in (self.embedding, self.ngrams):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=INITIAL_STD)
                nn.init.zeros_(embedding.weight.detach()[PADDING])
        self.token_dropout = token_dropout
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return features, shape (B, T, F).

        Args:
            tokens: token ids, shape (B, T), or with those of their n-grams (B, T, P).
        """
        ids_BT = tokens if tokens.dim() == 2 else tokens[..., 0]
        if self.training and self.token_dropout:
            dropped_BT = torch.rand(ids_BT.shape, device=tokens.device) < self.token_dropout
            ids_BT = ids_BT.masked_fill(dropped_BT & (ids_BT != PADDING), UNKNOWN)
            if self.ngrams is not None:
                tokens = tokens.masked_fill(dropped_BT.unsqueeze(2), PADDING)
        x_BTF: Tensor = self.embedding(ids_BT)
        if self.ngrams is not None:
            ngrams_NP = tokens[..., 1:].flatten(0, 1)
            buckets_NP = (ngrams_NP % NGRAM_BUCKETS + 1).where(ngrams_NP != PADDING, PADDING)
            x_BTF = x_BTF + self._mean_embedding(self.ngrams, buckets_NP).view_as(x_BTF)
        # Dropout1d zeroes channels, the second axis: features, once transposed.
        return self.dropout(x_BTF.mT).mT if self.dropout.p else x_BTF

    def _mean_embedding(self, ngrams: nn.EmbeddingBag, buckets_NP: Tensor) -> Tensor:
        """Return the mean embedding of each token's n-grams, zero where it has none."""
        if not torch.compiler.is_exporting():
            mean_NF: Tensor = ngrams(buckets_NP)
            return mean_NF
        # ONNX has no EmbeddingBag; the embedding of the padding is zero.
        count_N1 = (buckets_NP != PADDING).sum(1, keepdim=True).clamp(min=1)
        return F.embedding(buckets_NP, ngrams.weight).sum(1) / count_N1
