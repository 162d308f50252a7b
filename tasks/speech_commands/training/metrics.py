"""Metrics of classified recordings: overall, and over speakers.

Shapes: B batch, K classes.
"""

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gru_suite.training.classification_metrics import ClassificationMetrics

# The accuracy over fewer clips is too noisy.
MIN_CLIPS = 5


class SpeechMetrics(ClassificationMetrics):
    """:class:`ClassificationMetrics` and the accuracy over speakers.

    - ``speaker_std``: standard deviation of the accuracy over the speakers of at least five clips;
      NaN where there are fewer than two.
    - ``speaker_worst``: 10th percentile of that accuracy, interpolated: nine of ten speakers have
      at least this one; NaN likewise.
    """

    speakers: list[Tensor]
    correct: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        """Build empty states."""
        super().__init__(num_classes)
        for name in ("speakers", "correct"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, logits_BK: Tensor, labels_B: Tensor, speakers_B: Tensor | None = None) -> None:
        """Add a batch.

        Args:
            logits_BK: logits or log-probabilities.
            labels_B: true classes.
            speakers_B: numbers of the speakers, negative for clips without a speaker; None omits
                the metrics over speakers.
        """
        super().update(logits_BK, labels_B)
        if speakers_B is not None:
            self.speakers.append(speakers_B)
            self.correct.append(logits_BK.argmax(1) == labels_B)

    def speaker_accuracy(self) -> Tensor:
        """Return the accuracy of each speaker with at least five clips, by ascending number."""
        if not len(self.speakers):
            return torch.empty(0)
        # A state is a list of batches, or, reduced over processes, a tensor.
        speakers_N, correct_N = dim_zero_cat(self.speakers), dim_zero_cat(self.correct)
        spoken_N = speakers_N >= 0
        counts = torch.bincount(speakers_N[spoken_N])
        right = torch.bincount(speakers_N[spoken_N], correct_N[spoken_N].double())
        enough = counts >= MIN_CLIPS
        return right[enough] / counts[enough]

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name."""
        metrics = super().compute()
        accuracy = self.speaker_accuracy()
        none = torch.full_like(metrics["accuracy"], torch.nan)
        several = len(accuracy) > 1
        metrics["speaker_std"] = accuracy.std(correction=0) if several else none
        metrics["speaker_worst"] = accuracy.quantile(0.1) if several else none
        return metrics
