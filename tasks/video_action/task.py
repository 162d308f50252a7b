"""Training of the video action model.

Shapes: B batch, K classes.
"""

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.training.classification_task import ClassificationTask

from .model import VideoActionModel
from .results.example_clips import choose_clips, example_clips
from .results.plots import plot_contact_sheet, plot_probabilities
from .training.metrics import MIN_CLASSES_FOR_TOP5, VideoMetrics


class VideoActionTask(ClassificationTask):
    """A :class:`VideoActionModel` in training, scored by clip, by video and by group."""

    model_class: ClassVar[type[VideoActionModel]] = VideoActionModel
    model: VideoActionModel
    better: ClassVar[dict[str, str]] = {
        "accuracy": "max",
        "clip_accuracy": "max",
        "macro_f1": "max",
        "nll": "min",
        "ece": "min",
        "group_std": "min",
        "group_worst": "max",
    }

    def __init__(self, *args: Any, label_smoothing: float = 0.1, **options: Any) -> None:
        """Build the model and the loss; see :class:`ClassificationTask`."""
        super().__init__(*args, label_smoothing=label_smoothing, **options)
        self.scoring = {"frame_features": self.model.frame_features}
        if len(self.model.labels) >= MIN_CLASSES_FOR_TOP5:
            self.better = {**type(self).better, "top5": "max"}  # type: ignore[misc]

    def new_metrics(self) -> VideoMetrics:
        """Return :class:`VideoMetrics` for this task's classes."""
        return VideoMetrics(len(self.model.labels))

    def update_metrics(self, metrics: Metric, output: Tensor, batch: Any) -> None:
        """Add one batch."""
        metrics.update(output, batch.labels_B, batch.videos_B, batch.groups_B)

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Write confusion matrix and tables, a contact sheet, and probabilities over time."""
        written = super().write_plots(loader, folder)
        clips = example_clips(self.model, loader)
        if clips:
            written.append(plot_contact_sheet(folder / "test_clips.png", clips))
            chosen = choose_clips(clips)
            written.append(
                plot_probabilities(folder / "answers_over_time.png", chosen, self.model.labels)
            )
        return written
