"""ROUGE of summaries over documents, batches and processes.

Shapes: M metrics of :data:`rouge.METRICS`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from ..batches.rouge import METRICS
from ..batches.scored_document import ScoredDocument

KINDS = ("", "_mean")
"""Endings of the metrics' names: against the best reference, and the mean over references."""


class RougeMetrics(Metric):
    """Mean ROUGE-1, ROUGE-2 and ROUGE-L (F1, in percent) of the chosen sentences.

    ``rouge1``, ``rouge2`` and ``rougeL`` are against the reference with the best ROUGE-1;
    ``rouge1_mean`` and so on are the means over the references.
    """

    full_state_update = False

    sums_2M: Tensor
    count: Tensor

    def __init__(self) -> None:
        """Start from zero."""
        super().__init__()
        zeros = torch.zeros(len(KINDS), len(METRICS), dtype=torch.float64)
        self.add_state("sums_2M", zeros, dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, documents: Sequence[ScoredDocument], choices: Sequence[Sequence[int]]) -> None:
        """Add documents.

        Args:
            documents: with their references.
            choices: places of the sentences of each summary.
        """
        for document, chosen in zip(documents, choices, strict=True):
            scores = torch.from_numpy(document.scores(chosen))
            self.sums_2M += scores.to(self.sums_2M.device)
            self.count += 1

    def compute(self) -> dict[str, Tensor]:
        """Return the means by name, 0 to 100; NaN without documents."""
        means_2M = 100 * self.sums_2M / self.count
        return {
            f"{name}{kind}": means_2M[row, column]
            for row, kind in enumerate(KINDS)
            for column, name in enumerate(METRICS)
        }
