"""Attention of decoder states over encoder states.

Shapes: B batch, S source tokens (right-padded), T target tokens, Q features of a query, M features
    of the memory.
"""

import math

import torch
from torch import Tensor, nn

from gru_suite.options import check_choice

SCORES = ("dot", "additive")


class Attention(nn.Module):
    """Mean of the memory, weighted by how well each of its positions fits a query.

    The score of a query ``q`` and a position ``m`` is ``q^T W m`` (``dot``; the general score of
    Luong et al. 2015, arXiv 1508.04025, scaled by the square root of the number of features) or
    ``v^T tanh(W q + U m)`` (``additive``; Bahdanau et al. 2015, arXiv 1409.0473). Weights are the
    softmax of the scores over the valid positions.
    """

    def __init__(self, query_size: int, memory_size: int, score: str = "dot") -> None:
        """Build the weights.

        Args:
            query_size: features of a query.
            memory_size: features of a position of the memory.
            score: ``dot`` or ``additive``.

        Raises:
            UserError: no such score.
        """
        super().__init__()
        check_choice("task.attention", score, SCORES)
        self.score = score
        self.query = nn.Linear(query_size, memory_size, bias=False)
        if score == "additive":
            self.key = nn.Linear(memory_size, memory_size)
            self.weight = nn.Linear(memory_size, 1, bias=False)

    def forward(
        self, query_BTQ: Tensor, memory_BSM: Tensor, mask_BS: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the context of each query and its weights.

        Args:
            query_BTQ: queries.
            memory_BSM: what they attend to.
            mask_BS: True at valid positions; at least one in each row.

        Returns:
            Contexts, (B, T, M), and weights, (B, T, S), whose rows sum to 1.
        """
        query_BTM = self.query(query_BTQ)
        if self.score == "additive":
            joined = query_BTM.unsqueeze(2) + self.key(memory_BSM).unsqueeze(1)
            scores_BTS = self.weight(torch.tanh(joined)).squeeze(3)
        else:
            scores_BTS = query_BTM @ memory_BSM.transpose(1, 2) / math.sqrt(memory_BSM.size(2))
        scores_BTS = scores_BTS.masked_fill(~mask_BS.unsqueeze(1), float("-inf"))
        weights_BTS = scores_BTS.softmax(-1)
        return weights_BTS @ memory_BSM, weights_BTS
