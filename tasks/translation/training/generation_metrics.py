"""Metrics of decoded texts and of the tokens of their references."""

import torch
from torch import Tensor

from .metrics import TranslationMetrics


class GenerationMetrics(TranslationMetrics):
    """BLEU, chrF and exact match of decoded texts, and the perplexity of the references.

    ``perplexity`` is the exponential of the mean cross-entropy of a token, given those before it;
    tokens are those of the model, so it compares models of one vocabulary only.
    """

    token_loss: Tensor
    num_tokens: Tensor

    def __init__(self, tokenize: str = "13a") -> None:
        """Set all sums to 0; see :class:`TranslationMetrics`."""
        super().__init__(tokenize)
        self.add_state("token_loss", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_tokens", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update_tokens(self, loss: Tensor, num_tokens: int) -> None:
        """Add the cross-entropy of tokens, a sum."""
        self.token_loss += loss.to(self.token_loss)
        self.num_tokens += num_tokens

    def compute(self) -> dict[str, Tensor]:
        """Return the four metrics by name."""
        mean = self.token_loss / self.num_tokens
        return {**super().compute(), "perplexity": mean.exp()}
