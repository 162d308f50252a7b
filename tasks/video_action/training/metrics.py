"""How good a classifier of videos is: over clips, over whole videos, and over groups of videos.

Shapes: B batch, N clips, V videos, K classes.
"""

import torch
from torch import Tensor

from gru_suite.training.classification_metrics import ClassificationMetrics

from ..inference.video_means import video_means

# With fewer classes the truth is among the five most probable ones anyhow.
MIN_CLASSES_FOR_TOP5 = 6


class VideoMetrics(ClassificationMetrics):
    """:class:`ClassificationMetrics` of videos, each judged by the mean of its clips.

    - ``accuracy``, ``macro_f1``, ``nll`` and ``ece`` are those of the mean probabilities of each
      video's clips.
    - ``clip_accuracy``: share of right answers among the clips.
    - ``top5``: share of videos whose class is among the five most probable ones; only where there
      are more than five classes.
    - ``group_std``: standard deviation of the accuracy over the groups; NaN with fewer than two.
    - ``group_worst``: accuracy of the tenth of the groups that is recognised worst: nine of ten
      have at least this one (the interpolated 10th percentile); NaN likewise.
    """

    log_probability: list[Tensor]
    labels: list[Tensor]
    videos: list[Tensor]
    groups: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        """Start at zero."""
        super().__init__(num_classes)
        for name in ("log_probability", "labels", "videos", "groups"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(
        self,
        logits_BK: Tensor,
        labels_B: Tensor,
        videos_B: Tensor | None = None,
        groups_B: Tensor | None = None,
    ) -> None:
        """Add a batch of clips.

        Args:
            logits_BK: logits or log-probabilities.
            labels_B: true classes.
            videos_B: numbers of the videos; None where each clip is a video of its own.
            groups_B: numbers of the groups, negative for none; None leaves groups out.
        """
        if videos_B is None:
            # Below every number that a video has.
            first = -1 - sum(len(part) for part in self.videos)
            videos_B = first - torch.arange(len(labels_B), device=labels_B.device)
        self.log_probability.append(logits_BK.double().log_softmax(-1))
        self.labels.append(labels_B)
        self.videos.append(videos_B)
        self.groups.append(torch.full_like(labels_B, -1) if groups_B is None else groups_B)

    def compute(self) -> dict[str, Tensor]:
        """Return the figures by name."""
        log_probability_NK = _joined(self.log_probability, self.confusion_KK)
        labels_N, videos_N, groups_N = (
            _joined(part, self.confusion_KK) for part in (self.labels, self.videos, self.groups)
        )
        if not len(labels_N):
            return dict.fromkeys(self._names(), torch.tensor(torch.nan))
        log_probability_VK, of_video_V = video_means(log_probability_NK, videos_N)
        labels_V, groups_V = labels_N[of_video_V], groups_N[of_video_V]
        counted = ClassificationMetrics(self.num_classes).to(labels_V.device)
        counted.update(log_probability_VK, labels_V)
        figures = counted.compute()
        right_N = (log_probability_NK.argmax(1) == labels_N).double()
        figures["clip_accuracy"] = right_N.mean()
        if "top5" in self._names():
            best_V5 = log_probability_VK.topk(5).indices
            figures["top5"] = (best_V5 == labels_V[:, None]).any(1).double().mean()
        right_V = (log_probability_VK.argmax(1) == labels_V).double()
        accuracy = group_accuracy(right_V, groups_V)
        none = torch.full_like(figures["accuracy"], torch.nan)
        several = len(accuracy) > 1
        figures["group_std"] = accuracy.std(correction=0) if several else none
        figures["group_worst"] = accuracy.quantile(0.1) if several else none
        return figures

    def _names(self) -> list[str]:
        top5 = ["top5"] if self.num_classes >= MIN_CLASSES_FOR_TOP5 else []
        usual = ["accuracy", "macro_f1", "nll", "ece", "clip_accuracy"]
        return [*usual, *top5, "group_std", "group_worst"]


def group_accuracy(right_V: Tensor, groups_V: Tensor) -> Tensor:
    """Return the share of right answers in each group, in the order of their numbers."""
    known_V = groups_V >= 0
    counts = torch.bincount(groups_V[known_V])
    right = torch.bincount(groups_V[known_V], right_V[known_V])
    return (right / counts)[counts > 0]


def _joined(parts: list[Tensor] | Tensor, like: Tensor) -> Tensor:
    """Return a state as one tensor: over processes a reduction has joined its parts already."""
    if isinstance(parts, Tensor):
        return parts
    return torch.cat(parts) if parts else like.new_empty(0)
