"""Dropout for sequences.

Shapes: B batch, T time steps, F features.
"""

from torch import Tensor, nn


class SequenceDropout(nn.Dropout1d):
    """Variational dropout: the dropped features are the same at all steps of a sequence.

    Gal and Ghahramani 2016 (arXiv 1512.05287).
    """

    def forward(self, x_BTF: Tensor) -> Tensor:
        """Return the features, in training some of them zero and the others scaled up."""
        return super().forward(x_BTF.transpose(1, 2)).transpose(1, 2)
