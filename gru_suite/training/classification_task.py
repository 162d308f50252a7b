"""The base of every task that gives a sequence one of several classes.

Shapes: B batch, N items, T time steps (right-padded), F input features, H output features of the
    backbone, K classes.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.batches import SequenceBatch
from gru_suite.model.predictions import Prediction, Predictions
from gru_suite.model.streaming.classification import ClassificationModule, ClassificationStream
from gru_suite.model.streaming.stream import StreamEncoder, StreamModule
from gru_suite.nn.pooling import POOLINGS, Pooling
from gru_suite.options import check_share
from gru_suite.plots.classification import class_table, most_wrong, plot_confusion
from gru_suite.training.classification_metrics import ClassificationMetrics
from gru_suite.training.sequence_task import SequenceTask, evaluating

if TYPE_CHECKING:
    from gru_suite.model.export.module import ExportModule

# A list of labels in a sentence: more than these and nobody reads it.
_MAX_NAMED = 20

__all__ = ["ClassificationMetrics", "ClassificationTask", "Prediction", "Predictions"]


class ClassificationTask(SequenceTask):
    """Encoder -> backbone -> pooling -> linear head -> a class.

    A subclass implements :meth:`encode` and what :class:`SequenceTask` asks for prediction; it
    calls ``self.save_hyperparameters()`` itself.

    Attributes:
        input_kind: what an input is called in tables: ``text``, ``file``.
        labels: the classes' names.
    """

    better: ClassVar[dict[str, str]] = {
        "accuracy": "max",
        "macro_f1": "max",
        "nll": "min",
        "ece": "min",
    }
    input_kind: ClassVar[str] = "input"

    def __init__(
        self,
        backbone: dict[str, Any],
        input_size: int,
        schema: dict[str, Any],
        optimizer: dict[str, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
        pooling: str = "attention",
        head_dropout: float = 0.3,
        label_smoothing: float = 0.0,
        class_weights: bool = False,
    ) -> None:
        """Build backbone, pooling and head.

        Args:
            backbone: options of the recurrent stack.
            input_size: features that :meth:`encode` gives at each step.
            schema: what the data module says of the data; ``labels`` (names) and ``class_counts``
                (of the training part, in the same order) are read here.
            optimizer: name and options of the optimizer.
            scheduler: name and options of the learning-rate schedule.
            pooling: ``last``, ``mean``, ``max`` or ``attention``, or several joined by a plus sign,
                such as ``mean+max``, whose vectors are put side by side.
            head_dropout: share of pooled features dropped in training, 0 to below 1.
            label_smoothing: share of the target spread over all classes, 0 to below 1.
            class_weights: weigh the loss by the inverse of a class's frequency.

        Raises:
            UserError: an option has a value that cannot work.
        """
        super().__init__(backbone, input_size, schema, optimizer, scheduler)
        check_share("task.head_dropout", head_dropout)
        check_share("task.label_smoothing", label_smoothing)
        self.labels: list[str] = list(schema["labels"])
        bidirectional = bool(backbone.get("bidirectional"))
        kinds = pooling.split("+")
        for kind in kinds:
            if kind not in POOLINGS or kinds.count(kind) > 1:
                raise UserError(
                    f"task.pooling={pooling}: choose one of {', '.join(POOLINGS)}, or several of "
                    "them joined as in mean+max"
                )
        size = self.backbone.output_size
        self.poolings = nn.ModuleList(Pooling(kind, size, bidirectional) for kind in kinds)
        self.head_dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(size * len(kinds), len(self.labels))
        self.label_smoothing = label_smoothing
        counts_K = torch.tensor(schema["class_counts"], dtype=torch.float32)
        weight_K = counts_K.sum() / (len(counts_K) * counts_K.clamp(min=1))
        # Known from the schema, so it need not be in the checkpoint a second time.
        self.register_buffer("weight_K", weight_K if class_weights else None, persistent=False)

    @abstractmethod
    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Turn a batch into what the backbone takes.

        Returns:
            Features, shape (B, T, F), and the valid steps of each sequence, shape (B,).
        """

    def forward(self, batch: SequenceBatch) -> Tensor:
        """Return logits, shape (B, K)."""
        return self.classify(*self.encode(batch))

    def classify(self, x_BTF: Tensor, lengths_B: Tensor) -> Tensor:
        """Return the logits of encoded sequences, shape (B, K)."""
        h_BTH, _ = self.backbone(x_BTF, lengths_B)
        pooled_BH = torch.cat([pooling(h_BTH, lengths_B) for pooling in self.poolings], dim=1)
        logits_BK: Tensor = self.head(self.head_dropout(pooled_BH))
        return logits_BK

    def stream_encoder(self) -> StreamEncoder:
        """Return the encoder on one chunk after the other; a subclass that can stream has one.

        Where :meth:`encode` treats every step by itself, that is
        ``StepwiseEncoder(self.encoder, input_shape=...)``.

        Raises:
            UserError: the encoder looks ahead, or nobody wrote one for chunks.
        """
        raise UserError(
            f"task {self.name} cannot stream: its class has no stream_encoder(); return a "
            "gru_suite.model.streaming.stream.StepwiseEncoder or a StreamEncoder of your own"
        )

    def stream_module(self) -> StreamModule:
        """Return the network on one chunk after the other; its output is the logits, (B, K)."""
        return ClassificationModule(self, self.stream_encoder())

    def stream(self, batch_size: int = 1) -> ClassificationStream:
        """Return what follows sequences while they come, and answers after each piece.

        Args:
            batch_size: sequences at once.

        Raises:
            UserError: the task, or this configuration of it, looks ahead.
        """
        return ClassificationStream(self, batch_size)

    def export_module(self, example: Callable[[], Any] | None = None) -> "ExportModule":
        """Return probabilities as a function of sequences and their lengths.

        A subclass that knows what its inputs look like needs no example, and says what they mean.
        """
        from gru_suite.model.export.module import classification_export

        if example is None:
            return super().export_module()
        return classification_export(self, example())

    def loss(self, output: Tensor, batch: SequenceBatch) -> Tensor:
        """Return the mean cross-entropy, smoothed and weighted as chosen."""
        return F.cross_entropy(
            output,
            batch.labels_B,
            weight=self.weight_K,  # type: ignore[arg-type]
            label_smoothing=self.label_smoothing if self.training else 0.0,
        )

    def new_metrics(self) -> ClassificationMetrics:
        """Return :class:`ClassificationMetrics` for this task's classes."""
        return ClassificationMetrics(len(self.labels))

    def update_metrics(self, metrics: Metric, output: Tensor, batch: SequenceBatch) -> None:
        """Add one batch."""
        metrics.update(output, batch.labels_B)

    @torch.no_grad()
    def probabilities(self, batches: Iterable[SequenceBatch]) -> NDArray[np.float32]:
        """Return the class probabilities of batches in their order, shape (N, K)."""
        parts = []
        with evaluating(self):
            for batch in batches:
                logits_BK = self(SequenceBatch(*(part.to(self.device) for part in batch)))
                parts.append(logits_BK.float().softmax(-1).cpu().numpy())
        return np.concatenate(parts) if parts else np.empty((0, len(self.labels)), np.float32)

    def limits(self) -> list[str]:
        """Name the classes, and how few examples the rarest had."""
        named = ", ".join(self.labels[:_MAX_NAMED]) + ", ..." * (len(self.labels) > _MAX_NAMED)
        lines = [
            f"Gives every input one of its {len(self.labels)} labels, also an input of none of "
            f"them: {named}."
        ]
        counts = list(self.schema["class_counts"])
        if sum(counts):
            rarest = counts.index(min(counts))
            lines.append(
                f"Trained with {sum(counts):,} examples, the fewest of {self.labels[rarest]}: "
                f"{counts[rarest]:,}."
            )
        return lines

    def predict_loader(self, loader: DataLoader[Any]) -> Predictions:
        """Predict a part of the data.

        Args:
            loader: of a :class:`gru_suite.model.batches.SequenceDataset`, not shuffled.

        Returns:
            Predictions with their truth, in the data set's order.
        """
        dataset: Any = loader.dataset
        order_N = np.fromiter(loader.sampler, np.int64)
        probability_NK = np.empty((len(order_N), len(self.labels)), np.float32)
        probability_NK[order_N] = self.probabilities(loader)
        truth_N = np.asarray(dataset.labels, np.int64)
        return Predictions(
            self.input_kind, list(dataset.names), self.labels, probability_NK, truth_N
        )

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Write the confusion matrix as a picture, and two tables beside it.

        ``per_class.csv`` has precision, recall and F1 of each class; ``most_wrong.csv`` the wrong
        answers that gave the truth the least probability.
        """
        predictions = self.predict_loader(loader)
        assert predictions.truth_N is not None
        # One row an input, whatever else the task's own metrics count.
        metrics = ClassificationMetrics(len(self.labels))
        metrics.update(
            torch.from_numpy(predictions.probability_NK).log(),
            torch.from_numpy(predictions.truth_N),
        )
        picture = folder / "confusion_matrix.png"
        plot_confusion(picture, metrics.confusion_KK.numpy(), self.labels)
        tables = {
            "per_class.csv": class_table(metrics, self.labels),
            "most_wrong.csv": most_wrong(predictions),
        }
        for name, table in tables.items():
            with atomic_path(folder / name) as temporary:
                table.to_csv(temporary, index=False)
        return [picture, *(folder / name for name in tables)]
