"""The network of the task: token embedding, backbone, pooling and head, and a linear classifier.

Shapes: B batch, T tokens (right-padded), F embedding size, K classes.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from gru_suite.model.batches import SequenceBatch
from gru_suite.model.classification import ClassificationModel
from gru_suite.options import check_count, check_share
from gru_suite.text.token_encoder import TokenEncoder
from gru_suite.text.tokenizer import TextTokenizer

from .hashed_linear import HashedLinear


class TextClassifier(ClassificationModel):
    """Embedding -> backbone -> pooling -> head, interpolated with a hashed linear classifier.

    Attributes:
        tokenizer: encodes texts as in training.
        encoder: the token embedding.
        wide: the linear classifier; None where ``wide_share`` is 0.
        wide_share: its weight in the logits.
    """

    name: ClassVar[str] = "sentiment"
    tables: ClassVar[tuple[str, ...]] = (
        "encoder.embedding.weight",
        "encoder.ngrams.weight",
        "wide.idf_W",
        "wide.weight_WK",
    )
    input_kind: ClassVar[str] = "text"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        embedding_size: int = 64,
        token_dropout: float = 0.2,
        embedding_dropout: float = 0.5,
        pooling: str = "mean+max",
        head_dropout: float = 0.5,
        wide_share: float = 0.7,
        wide_buckets: int = 262144,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack.
            schema: description of the training data: labels, tokenizer, truncation.
            embedding_size: features of a token.
            token_dropout: share of tokens replaced by the unknown token in training, 0 to below 1.
            embedding_dropout: share of embedding features set to zero in training, 0 to below 1.
            pooling: see :class:`ClassificationModel`.
            head_dropout: share of pooled features dropped in training, 0 to below 1.
            wide_share: weight of the linear classifier in the logits, 0 (no such classifier) to
                below 1.
            wide_buckets: hash buckets of its words and word pairs, and as many for its character
                n-grams.

        Raises:
            UserError: an option is out of its range or set.
        """
        check_count("task.embedding_size", embedding_size, 1)
        check_count("task.wide_buckets", wide_buckets, 1)
        check_share("task.token_dropout", token_dropout)
        check_share("task.embedding_dropout", embedding_dropout)
        check_share("task.wide_share", wide_share)
        super().__init__(backbone, embedding_size, schema, pooling, head_dropout)
        self.tokenizer = TextTokenizer(schema)
        ngrams = self.tokenizer.ngrams is not None
        self.encoder = TokenEncoder(
            schema["vocabulary_size"], embedding_size, token_dropout, embedding_dropout, ngrams
        )
        self.wide: HashedLinear | None = None
        if wide_share:
            self.wide = HashedLinear(wide_buckets, len(self.labels), ngrams)
        self.wide_share = wide_share

    def forward(self, batch: SequenceBatch) -> Tensor:
        """Return logits, shape (B, K); in training those of the recurrent network alone.

        The linear classifier fits the training texts almost perfectly, so its logits would leave
        the recurrent network hardly any gradient.
        """
        logits_BK = super().forward(batch)
        if self.wide is None or self.training:
            return logits_BK
        wide_BK = self.wide(batch.x)
        # In mixed precision the recurrent network's logits have 16 bits.
        return torch.lerp(logits_BK.to(wide_BK.dtype), wide_BK, self.wide_share)

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return embedded tokens, shape (B, T, F), and lengths."""
        return self.encoder(batch.x), batch.lengths_B
