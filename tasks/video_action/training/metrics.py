"""Metrics of classified videos: by clip, by video, and over groups of videos.

Shapes: B batch, N clips, V videos, K classes.
"""

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from gru_suite.training.classification_metrics import ClassificationMetrics

from ..inference.video_means import video_means

# With up to five classes the top-5 accuracy is 1.
MIN_CLASSES_FOR_TOP5 = 6


class VideoMetrics(ClassificationMetrics):
    """:class:`ClassificationMetrics` of videos, with the mean probabilities of their clips.

    - ``accuracy``, ``macro_f1``, ``nll`` and ``ece`` are those of the mean probabilities of each
      video's clips.
    - ``clip_accuracy``: accuracy over clips.
    - ``top5``: top-5 accuracy, with more than five classes.
    - ``group_std``: standard deviation of the accuracy over the groups; NaN with fewer than two.
    - ``group_worst``: 10th percentile of that accuracy, interpolated: nine of ten groups have at
      least this one; NaN likewise.
    """

    log_probability: list[Tensor]
    labels: list[Tensor]
    videos: list[Tensor]
    groups: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        """Build empty states."""
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
            groups_B: numbers of the groups, negative for none; None omits the metrics over groups.
        """
        if videos_B is None:
            # Negative, so unlike the number of any video.
            first = -1 - sum(len(videos_N) for videos_N in self.videos)
            videos_B = first - torch.arange(len(labels_B), device=labels_B.device)
        self.log_probability.append(logits_BK.double().log_softmax(-1))
        self.labels.append(labels_B)
        self.videos.append(videos_B)
        self.groups.append(torch.full_like(labels_B, -1) if groups_B is None else groups_B)

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name."""
        if not len(self.labels):
            return dict.fromkeys(self._names(), torch.tensor(torch.nan))
        # A state is a list of batches, or, reduced over processes, a tensor.
        states = (self.log_probability, self.labels, self.videos, self.groups)
        log_probability_NK, labels_N, videos_N, groups_N = map(dim_zero_cat, states)
        log_probability_VK, of_video_V = video_means(log_probability_NK, videos_N)
        labels_V, groups_V = labels_N[of_video_V], groups_N[of_video_V]
        metrics_V = ClassificationMetrics(self.num_classes).to(labels_V.device)
        metrics_V.update(log_probability_VK, labels_V)
        metrics = metrics_V.compute()
        right_N = (log_probability_NK.argmax(1) == labels_N).double()
        metrics["clip_accuracy"] = right_N.mean()
        if "top5" in self._names():
            best_V5 = log_probability_VK.topk(5).indices
            metrics["top5"] = (best_V5 == labels_V[:, None]).any(1).double().mean()
        right_V = (log_probability_VK.argmax(1) == labels_V).double()
        accuracy = group_accuracy(right_V, groups_V)
        none = torch.full_like(metrics["accuracy"], torch.nan)
        several = len(accuracy) > 1
        metrics["group_std"] = accuracy.std(correction=0) if several else none
        metrics["group_worst"] = accuracy.quantile(0.1) if several else none
        return metrics

    def _names(self) -> list[str]:
        top5 = ["top5"] if self.num_classes >= MIN_CLASSES_FOR_TOP5 else []
        common = ["accuracy", "macro_f1", "nll", "ece", "clip_accuracy"]
        return [*common, *top5, "group_std", "group_worst"]


def group_accuracy(right_V: Tensor, groups_V: Tensor) -> Tensor:
    """Return the accuracy of each group, by ascending number."""
    known_V = groups_V >= 0
    counts = torch.bincount(groups_V[known_V])
    right = torch.bincount(groups_V[known_V], right_V[known_V])
    return (right / counts)[counts > 0]
