"""The base of every model that classifies sequences.

Shapes: B batch, N items, T time steps (right-padded), F input features, H output features of the
    backbone, K classes.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.batches import SequenceBatch, SequenceDataset, bucket_loader
from gru_suite.model.export.module import ExportModule, classification_export
from gru_suite.model.predictions import Predictions
from gru_suite.model.sequence_model import SequenceModel
from gru_suite.model.streaming.classification import ClassificationModule, ClassificationStream
from gru_suite.model.streaming.stream import StreamEncoder, StreamModule
from gru_suite.nn.evaluation import evaluating
from gru_suite.nn.pooling import POOLINGS, Pooling
from gru_suite.options import check_share

# Longer lists of labels are cut in a sentence.
_MAX_NAMED = 20


class ClassificationModel(SequenceModel):
    """Encoder -> backbone -> pooling -> linear head -> class probabilities.

    A subclass builds its encoder and implements :meth:`encode` and :meth:`predict`.

    Attributes:
        input_kind: what an input is called in tables: ``text``, ``file``.
        labels: the classes' names.
    """

    input_kind: ClassVar[str] = "input"
    service_class: ClassVar[str] = "gru_suite.model.service.classification:ClassificationService"

    def __init__(
        self,
        backbone: dict[str, Any],
        input_size: int,
        schema: dict[str, Any],
        pooling: str = "attention",
        head_dropout: float = 0.3,
    ) -> None:
        """Build backbone, pooling and head.

        Args:
            backbone: options of the recurrent stack.
            input_size: features that :meth:`encode` gives at each step.
            schema: description of the training data; ``labels`` (names) and ``class_counts`` (of
                the training part, in the same order) are read here.
            pooling: ``last``, ``mean``, ``max`` or ``attention``, or several joined by a plus sign,
                such as ``mean+max``, whose vectors are concatenated.
            head_dropout: share of pooled features dropped in training, 0 to below 1.

        Raises:
            UserError: an option is out of its range or set.
        """
        super().__init__(backbone, input_size, schema)
        check_share("task.head_dropout", head_dropout)
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

    @abstractmethod
    def encode(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Returns:
            Features, shape (B, T, F), and the valid steps of each sequence, shape (B,).
        """

    def forward(self, batch: Any) -> Tensor:
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
            UserError: the encoder looks ahead, or has no variant for chunks.
        """
        raise UserError(
            f"task {self.name} cannot stream: its model has no stream_encoder(); return a "
            "gru_suite.StepwiseEncoder or a StreamEncoder of your own"
        )

    def stream_module(self) -> StreamModule:
        """Return the network on one chunk after the other; its output is the logits, (B, K)."""
        return ClassificationModule(self.stream_encoder(), self.backbone, self.poolings, self.head)

    def stream(self, batch_size: int = 1) -> ClassificationStream:
        """Return streams that take sequences in chunks and predict after each chunk.

        Args:
            batch_size: sequences at once.

        Raises:
            UserError: the model, or this configuration of it, looks ahead.
        """
        return ClassificationStream(self, batch_size)

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return probabilities as a function of sequences and their lengths.

        A subclass that describes its inputs itself needs no example.
        """
        if example is None:
            return super().export_module()
        return classification_export(self, self.name, self.labels, example())

    @torch.no_grad()
    def probabilities(self, batches: Iterable[Any]) -> NDArray[np.float32]:
        """Return the class probabilities of batches in their order, shape (N, K).

        Args:
            batches: whose first three parts are those of a :class:`SequenceBatch`.
        """
        parts = []
        with evaluating(self):
            for batch in batches:
                logits_BK = self(SequenceBatch(*(part.to(self.device) for part in batch[:3])))
                parts.append(logits_BK.float().softmax(-1).cpu().numpy())
        return np.concatenate(parts) if parts else np.empty((0, len(self.labels)), np.float32)

    def predict_loader(self, loader: DataLoader[Any]) -> Predictions:
        """Predict a part of the data.

        Args:
            loader: of a :class:`SequenceDataset`, not shuffled.

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

    def predict_sequences(
        self, sequences: Sequence[Tensor], names: Sequence[str], batch_size: int = 64
    ) -> Predictions:
        """Predict sequences as :meth:`encode` takes them, of any lengths.

        Args:
            sequences: each of shape (T, ...), at least one step.
            names: of the inputs, for the table.
            batch_size: sequences at once.
        """
        dataset = SequenceDataset(sequences, [0] * len(names), names)
        found = self.predict_loader(bucket_loader(dataset, batch_size, shuffle=False))
        return replace(found, truth_N=None)

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Predict from a file and write the table of predictions."""
        predictions = self.predict(source)
        with atomic_path(target) as temporary:
            predictions.to_frame().to_csv(temporary, index=False)
        return [target]

    def limits(self) -> list[str]:
        """Name the classes, and the size of the rarest in training."""
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


def check_causal(causal: bool, backbone: Mapping[str, Any]) -> None:
    """Raise UserError where a causal encoder is combined with a bidirectional backbone."""
    if causal and backbone.get("bidirectional"):
        raise UserError(
            "task.causal=true with backbone.bidirectional=true: the backward pass would look "
            "ahead; set backbone.bidirectional=false"
        )
