"""Sentence vectors: words, a recurrence over them, and pooling.

Shapes: N sentences, W words (right-padded), P ids of a word, F features of a sentence.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.pooling import Pooling
from gru_suite.text.token_encoder import TokenEncoder


class SentenceEncoder(nn.Module):
    """Embedding -> recurrence over the words -> mean and maximum -> linear layer and tanh.

    Attributes:
        words: the embedding of words and their n-grams.
        recurrence: over the words, in both directions; None pools the embeddings themselves.
    """

    def __init__(
        self,
        words: TokenEncoder,
        embedding_size: int,
        word_hidden_size: int,
        sentence_size: int,
        backbone: dict[str, Any],
    ) -> None:
        """Build the layers.

        Args:
            words: the embedding.
            embedding_size: features of a word.
            word_hidden_size: units of the recurrence in each direction; 0 has none.
            sentence_size: features of a sentence.
            backbone: whose cell and activation the recurrence has.
        """
        super().__init__()
        self.words = words
        self.recurrence: RecurrentBackbone | None = None
        size = embedding_size
        if word_hidden_size:
            kind = {key: backbone[key] for key in ("cell", "activation") if key in backbone}
            self.recurrence = RecurrentBackbone(
                embedding_size, hidden_size=word_hidden_size, bidirectional=True, **kind
            )
            size = self.recurrence.output_size
        self.poolings = nn.ModuleList(Pooling(kind, size) for kind in ("mean", "max"))
        self.project = nn.Linear(2 * size, sentence_size)

    def forward(self, tokens: Tensor, words_N: Tensor) -> Tensor:
        """Return sentence vectors, shape (N, F), each value from -1 to 1.

        Args:
            tokens: ids, shape (N, W) or (N, W, P).
            words_N: words of each sentence, at least 1.
        """
        x_NWF = self.words(tokens)
        if self.recurrence is not None:
            x_NWF, _ = self.recurrence(x_NWF, words_N)
        pooled = [pooling(x_NWF, words_N) for pooling in self.poolings]
        return torch.tanh(self.project(torch.cat(pooled, 1)))
