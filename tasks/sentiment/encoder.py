"""From token numbers to features: an embedding, and what is dropped from it in training.

Shapes: B batch, T tokens (right-padded), F embedding size, V vocabulary.
"""

import torch
from torch import Tensor, nn

from .tokens import PADDING, UNKNOWN

INITIAL_SPREAD = 0.1


class TokenEncoder(nn.Module):
    """Look each token up in a table of learned vectors.

    In training a share of the tokens is replaced by the unknown one, which teaches what to make of
    unknown words, and a share of a text's features is set to zero, the same ones at every token
    (Gal and Ghahramani 2016, arXiv 1512.05287).
    """

    def __init__(
        self, vocabulary_size: int, embedding_size: int, token_dropout: float, dropout: float
    ) -> None:
        """Build the table, drawn from N(0, 0.1).

        Args:
            vocabulary_size: tokens.
            embedding_size: features of a token.
            token_dropout: share of tokens made unknown in training, 0 to below 1.
            dropout: share of features set to zero in training, 0 to below 1.
        """
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
        nn.init.normal_(self.embedding.weight, std=INITIAL_SPREAD)
        nn.init.zeros_(self.embedding.weight.detach()[PADDING])
        self.token_dropout = token_dropout
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return features, shape (B, T, F)."""
        if self.training and self.token_dropout:
            dropped_BT = torch.rand(tokens_BT.shape, device=tokens_BT.device) < self.token_dropout
            tokens_BT = tokens_BT.masked_fill(dropped_BT & (tokens_BT != PADDING), UNKNOWN)
        x_BTF: Tensor = self.embedding(tokens_BT)
        # Dropout1d zeroes whole rows of the last axis: features, once time lies there.
        return self.dropout(x_BTF.mT).mT if self.dropout.p else x_BTF
