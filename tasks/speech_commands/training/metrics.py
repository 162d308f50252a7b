"""How good a classifier of recordings is, and how evenly over speakers.

Shapes: B batch, K classes.
"""

import torch
from torch import Tensor

from gru_suite.training.classification_metrics import ClassificationMetrics

# With fewer clips a speaker's accuracy says more of the clips than of the speaker.
MIN_CLIPS = 5


class SpeechMetrics(ClassificationMetrics):
    """:class:`ClassificationMetrics` and how far speakers differ.

    - ``speaker_std``: standard deviation of the accuracy over the speakers of at least five clips;
      NaN where there are fewer than two.
    - ``speaker_worst``: accuracy of the tenth of them that is understood worst: nine of ten
      speakers have at least this one (the interpolated 10th percentile); NaN likewise.
    """

    speakers: list[Tensor]
    correct: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        """Start at zero."""
        super().__init__(num_classes)
        for name in ("speakers", "correct"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, logits_BK: Tensor, labels_B: Tensor, speakers_B: Tensor | None = None) -> None:
        """Add a batch.

        Args:
            logits_BK: logits or log-probabilities.
            labels_B: true classes.
            speakers_B: numbers of the speakers, negative for clips that nobody speaks; None leaves
                the speakers out.
        """
        super().update(logits_BK, labels_B)
        if speakers_B is not None:
            self.speakers.append(speakers_B)
            self.correct.append(logits_BK.argmax(1) == labels_B)

    def speaker_accuracy(self) -> Tensor:
        """Return the accuracy for each speaker of at least five clips, in the order of numbers."""
        speakers_N, correct_N = _joined(self.speakers), _joined(self.correct)
        spoken_N = speakers_N >= 0
        counts = torch.bincount(speakers_N[spoken_N])
        right = torch.bincount(speakers_N[spoken_N], correct_N[spoken_N].double())
        enough = counts >= MIN_CLIPS
        return right[enough] / counts[enough]

    def compute(self) -> dict[str, Tensor]:
        """Return the figures by name."""
        figures = super().compute()
        accuracy = self.speaker_accuracy()
        none = torch.full_like(figures["accuracy"], torch.nan)
        several = len(accuracy) > 1
        figures["speaker_std"] = accuracy.std(correction=0) if several else none
        figures["speaker_worst"] = accuracy.quantile(0.1) if several else none
        return figures


def _joined(parts: list[Tensor] | Tensor) -> Tensor:
    """Return a state as one tensor: over processes a reduction has joined its parts already."""
    if isinstance(parts, Tensor):
        return parts
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)
