"""Mean loss of a part of the data, over batches and processes."""

import torch
from torch import Tensor
from torchmetrics import Metric


class MeanLoss(Metric):
    """Mean loss over the sequences of all batches and processes; NaN without any."""

    full_state_update = False

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        """Start from zero."""
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, loss: Tensor, rows: int) -> None:
        """Add the mean loss of a batch of so many sequences."""
        self.total += rows * loss.detach().double()
        self.count += rows

    def compute(self) -> Tensor:
        """Return the mean, a scalar."""
        return self.total / self.count
