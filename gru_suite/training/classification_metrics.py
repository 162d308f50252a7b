"""Accuracy, F1, likelihood and calibration of a classifier.

Shapes: B batch, K classes, M confidence bins.
"""

import torch
from torch import Tensor
from torchmetrics import Metric

NUM_BINS = 15


class ClassificationMetrics(Metric):
    """Accuracy, macro F1, negative log-likelihood and calibration error of class probabilities.

    - ``accuracy``: share of correct predictions.
    - ``macro_f1``: mean F1 over the classes that occur in the truth or in the predictions, as in
      scikit-learn.
    - ``nll``: mean negative log-probability of the true class, in nats.
    - ``ece``: expected calibration error, the mean distance between confidence and accuracy over
      15 equal bins of confidence, weighted by their size (Guo et al. 2017, arXiv 1706.04599).

    Attributes:
        confusion_KK: counts; the row is the true class, the column the predicted one.
    """

    full_state_update = False

    confusion_KK: Tensor
    nll_sum: Tensor
    confidence_M: Tensor
    correct_M: Tensor

    def __init__(self, num_classes: int) -> None:
        """Set all counts to 0.

        Args:
            num_classes: K, at least 2.
        """
        super().__init__()
        self.num_classes = num_classes
        zeros = {
            "confusion_KK": torch.zeros(num_classes, num_classes, dtype=torch.int64),
            "nll_sum": torch.zeros((), dtype=torch.float64),
            "confidence_M": torch.zeros(NUM_BINS, dtype=torch.float64),
            "correct_M": torch.zeros(NUM_BINS, dtype=torch.float64),
        }
        for name, value in zeros.items():
            self.add_state(name, value, dist_reduce_fx="sum")

    def update(self, logits_BK: Tensor, labels_B: Tensor) -> None:
        """Add a batch.

        Args:
            logits_BK: logits or log-probabilities.
            labels_B: true classes, 0..K-1.
        """
        log_probability_BK = logits_BK.double().log_softmax(-1)
        self.nll_sum -= log_probability_BK.gather(1, labels_B[:, None]).sum()
        best_B, predicted_B = log_probability_BK.max(-1)
        pairs_B = labels_B * self.num_classes + predicted_B
        counts = torch.bincount(pairs_B, minlength=self.num_classes**2)
        self.confusion_KK += counts.view(self.num_classes, self.num_classes)
        confidence_B = best_B.exp()
        bin_B = (confidence_B * NUM_BINS).long().clamp(max=NUM_BINS - 1)
        self.confidence_M.index_add_(0, bin_B, confidence_B)
        self.correct_M.index_add_(0, bin_B, (predicted_B == labels_B).double())

    def compute(self) -> dict[str, Tensor]:
        """Return the four metrics by name; NaN before the first batch."""
        total = self.confusion_KK.sum()
        truth_K, predicted_K = self.confusion_KK.sum(1), self.confusion_KK.sum(0)
        occurs_K = truth_K + predicted_K > 0
        return {
            "accuracy": self.confusion_KK.diagonal().sum().double() / total,
            "macro_f1": self.f1_K[occurs_K].mean(),
            "nll": self.nll_sum / total,
            "ece": (self.confidence_M - self.correct_M).abs().sum() / total,
        }

    @property
    def f1_K(self) -> Tensor:
        """Harmonic mean of precision and recall of each class, 0 where no prediction is correct."""
        sizes_K = self.confusion_KK.sum(0) + self.confusion_KK.sum(1)
        return _share(2 * self.confusion_KK.diagonal(), sizes_K)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return part.double() / whole.clamp(min=1)
