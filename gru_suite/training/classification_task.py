"""The base of every task that classifies sequences.

Shapes: B batch, K classes.
"""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.files import atomic_path
from gru_suite.model.classification import ClassificationModel
from gru_suite.options import check_share
from gru_suite.plots.classification import class_table, most_wrong, plot_confusion
from gru_suite.training.classification_metrics import ClassificationMetrics
from gru_suite.training.sequence_task import SequenceTask


class ClassificationTask(SequenceTask):
    """A :class:`ClassificationModel` in training: cross-entropy, accuracy, F1, calibration."""

    better: ClassVar[dict[str, str]] = {
        "accuracy": "max",
        "macro_f1": "max",
        "nll": "min",
        "ece": "min",
    }
    model: ClassificationModel

    def __init__(
        self,
        *args: Any,
        label_smoothing: float = 0.0,
        class_weights: bool = False,
        **options: Any,
    ) -> None:
        """Build the model and the loss.

        Args:
            *args: see :class:`SequenceTask`.
            label_smoothing: share of the target spread over all classes, 0 to below 1.
            class_weights: weigh the loss by the inverse of a class's frequency in
                ``class_counts`` of the schema.
            **options: options of :class:`SequenceTask` and of ``model_class``.

        Raises:
            UserError: an option is out of its range or set.
        """
        super().__init__(*args, **options)
        check_share("task.label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing
        counts_K = torch.tensor(self.model.schema["class_counts"], dtype=torch.float32)
        weight_K = counts_K.sum() / (len(counts_K) * counts_K.clamp(min=1))
        # Part of the schema, so not of the state_dict.
        self.register_buffer("weight_K", weight_K if class_weights else None, persistent=False)

    def loss(self, output: Tensor, batch: Any) -> Tensor:
        """Return the mean cross-entropy, smoothed and weighted as chosen."""
        return F.cross_entropy(
            output,
            batch.labels_B,
            weight=self.weight_K,  # type: ignore[arg-type]
            label_smoothing=self.label_smoothing if self.training else 0.0,
        )

    def new_metrics(self) -> Metric:
        """Return :class:`ClassificationMetrics` for this task's classes."""
        return ClassificationMetrics(len(self.model.labels))

    def update_metrics(self, metrics: Metric, output: Tensor, batch: Any) -> None:
        """Add one batch."""
        metrics.update(output, batch.labels_B)

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Write the confusion matrix as a figure, and two tables beside it.

        ``per_class.csv`` has precision, recall and F1 of each class; ``most_wrong.csv`` the wrong
        predictions that gave the true class the least probability.
        """
        predictions = self.model.predict_loader(loader)
        assert predictions.truth_N is not None
        # One row per input, also where the task's own metrics count clips.
        metrics = ClassificationMetrics(len(predictions.labels))
        metrics.update(
            torch.from_numpy(predictions.probability_NK).log(),
            torch.from_numpy(predictions.truth_N),
        )
        confusion_KK = metrics.confusion_KK.numpy()
        figure = folder / "confusion_matrix.png"
        plot_confusion(figure, confusion_KK, predictions.labels)
        tables = {
            "per_class.csv": class_table(confusion_KK, predictions.labels),
            "most_wrong.csv": most_wrong(predictions),
        }
        for name, table in tables.items():
            with atomic_path(folder / name) as temporary:
                table.to_csv(temporary, index=False)
        return [figure, *(folder / name for name in tables)]
