"""The task gesture.

Classifies sequences of measurements, such as three axes of acceleration. It trains as it is, on
synthetic data. Replace first what "Yours:" marks.

Shapes: B batch, N sequences, T time steps (right-padded), F features of a step.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gru_suite import (
    ClassificationModel,
    ClassificationTask,
    Predictions,
    SequenceBatch,
    SequenceDataModule,
    SequenceDataset,
    StepwiseEncoder,
    StreamEncoder,
    UserError,
    bucket_loader,
)
from gru_suite.training.linear_baselines import logistic_scores, majority_scores

# Yours: the classes, and the number of features of a step.
LABELS = ("clockwise", "anticlockwise", "still")
NUM_FEATURES = 3
PARTS = ("train", "val", "test")


class StepEncoder(nn.Module):
    """Standardise the measurements. Yours: the features of a step."""

    mean_F: Tensor
    std_F: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Store mean and standard deviation of each feature, F of both."""
        super().__init__()
        # Part of the schema, so not of the state_dict.
        self.register_buffer("mean_F", torch.tensor(mean), persistent=False)
        self.register_buffer("std_F", torch.tensor(std), persistent=False)

    def forward(self, x_BTF: Tensor) -> Tensor:
        """Return the features, shape (B, T, F)."""
        return (x_BTF - self.mean_F) / self.std_F


class GestureModel(ClassificationModel):
    """Features -> backbone -> pooling -> class probabilities; what ``gru_suite.load`` returns.

    ``ClassificationModel`` has backbone, pooling and head. A model that is no classifier derives
    from ``SequenceModel``.
    """

    # As in task=gesture and in the name of the YAML file.
    name: ClassVar[str] = "gesture"
    input_kind: ClassVar[str] = "sequence"

    def __init__(
        self, backbone: dict[str, Any], schema: dict[str, Any], pooling: str = "mean+max"
    ) -> None:
        """Build the network from plain data, so that a checkpoint loads without anything else.

        Args:
            backbone: options of the recurrent stack.
            schema: of ``GestureData.schema``; part of the checkpoint.
            pooling: ``last``, ``mean``, ``max`` or ``attention``, or several joined by a plus sign.
        """
        # The second argument is the number of features that `encode` gives the backbone.
        super().__init__(backbone, len(schema["mean"]), schema, pooling)
        self.encoder = StepEncoder(schema["mean"], schema["std"])

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return the features of every step, and the valid steps of each sequence."""
        return self.encoder(batch.x), batch.lengths_B

    def stream_encoder(self) -> StreamEncoder:
        """Return the encoder of `model.stream()`, for a backbone that is not bidirectional.

        Yours, where the features of a step depend on earlier steps: a StreamEncoder.
        """
        return StepwiseEncoder(self.encoder, [len(self.schema["mean"])])

    def predict(self, raw: Any) -> Predictions:
        """Predict the classes of sequences.

        Args:
            raw: an array of shape (T, F), the path of a CSV file with a row a step, or a list of
                either.

        Raises:
            UserError: a sequence is empty, not numeric, or has another number of features.
        """
        given = list(raw) if isinstance(raw, list | tuple) else [raw]
        names = [str(one) if isinstance(one, str | Path) else "array" for one in given]
        sequences = [self._sequence(one, name) for one, name in zip(given, names, strict=True)]
        return self.predict_sequences(sequences, names)

    def limits(self) -> list[str]:
        """Return known limits for the model card. Yours."""
        return [*super().limits(), "Trained with synthetic data: no measurements were evaluated."]

    def usage(self) -> list[str]:
        """Return Python lines that predict with ``model``, for the model card."""
        return [
            "import numpy",
            "",
            "# Yours: an array of a row a step, or the path of a CSV file.",
            f"print(model.predict(numpy.zeros((40, {len(self.schema['mean'])}))).to_frame())",
        ]

    def _sequence(self, raw: Any, name: str) -> Tensor:
        num_features = len(self.schema["mean"])
        try:
            values = np.loadtxt(raw, delimiter=",", ndmin=2) if isinstance(raw, str | Path) else raw
            sequence = torch.as_tensor(np.asarray(values, np.float32))
        except (OSError, TypeError, ValueError) as error:
            raise UserError(f"sequence {name}: {error}") from error
        fits = sequence.dim() == 2 and sequence.size(1) == num_features and len(sequence) > 0
        if not fits or not bool(sequence.isfinite().all()):
            raise UserError(
                f"sequence {name}: found shape {tuple(sequence.shape)}, and finite numbers of "
                f"shape (steps, {num_features}) are needed, at least one step"
            )
        return sequence


class GestureTask(ClassificationTask):
    """The model in training: ``ClassificationTask`` has loss, metrics and plots."""

    model_class = GestureModel


class GestureData(SequenceDataModule):
    """Labelled sequences in three parts."""

    name = "gesture_made"

    def __init__(
        self,
        num_sequences: int = 300,
        noise: float = 0.3,
        batch_size: int = 32,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Store the options; nothing is read yet.

        Args:
            num_sequences: number of synthetic sequences. Yours: the path of your files.
            noise: standard deviation of the added noise.
            batch_size: sequences in a batch.
            seed: of the data and of the training order.
            schema: of a checkpoint, whose mean and standard deviation are then used.
        """
        super().__init__()
        if num_sequences < 10 * len(LABELS):
            raise UserError(
                f"data.num_sequences={num_sequences}: needs a number from {10 * len(LABELS)}"
            )
        self._num_sequences, self._noise = num_sequences, noise
        self._batch_size, self._seed, self._schema = batch_size, seed, schema
        self.datasets: dict[str, SequenceDataset] = {}

    def setup(self, stage: str | None = None) -> None:
        """Generate the sequences and split them, once. Yours: read and check your files here.

        Split by group: the person, the device, the day.
        """
        if self.datasets:
            return
        sequences, labels = make_sequences(self._num_sequences, self._noise, self._seed)
        # In random order, with every class in every part.
        cuts = [0, *(round(share * len(labels)) for share in (0.7, 0.85, 1.0))]
        for part, begin, end in zip(PARTS, cuts, cuts[1:], strict=False):
            names = [f"made {number}" for number in range(begin, end)]
            self.datasets[part] = SequenceDataset(sequences[begin:end], labels[begin:end], names)

    def schema(self) -> dict[str, Any]:
        """Return the description for inference, fitted on the training part, as plain data."""
        if self._schema is None:
            train = self.datasets["train"]
            steps_NF = torch.cat(list(train.sequences))
            self._schema = {
                "labels": list(LABELS),
                "class_counts": np.bincount(train.labels, minlength=len(LABELS)).tolist(),
                "mean": steps_NF.mean(0).tolist(),
                "std": steps_NF.std(0).clamp(min=1e-6).tolist(),
            }
        return self._schema

    def summary(self) -> list[str]:
        """Return the size of each part."""
        sizes = ", ".join(f"{part} {len(dataset)}" for part, dataset in self.datasets.items())
        return [f"{self.name}: {len(LABELS)} labels; {sizes} sequences"]

    def raw_examples(self, count: int) -> list[Any]:
        """Return sequences of the test part as ``predict`` takes them."""
        return [sequence.numpy() for sequence in self.datasets["test"].sequences[:count]]

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Return the scores of the majority class and of logistic regression on mean and spread.

        Yours: the usual baselines of your field.
        """
        parts = {part: self.datasets[part] for part in {"train", "val", stage}}
        parts[stage] = parts[stage].select(self.scored_items(stage))
        features = {part: _moments(dataset.sequences) for part, dataset in parts.items()}
        labels = {part: np.asarray(dataset.labels) for part, dataset in parts.items()}
        counts = self.schema()["class_counts"]
        return {
            "majority": majority_scores(counts, labels[stage]),
            "logistic": logistic_scores(features, labels, stage, len(counts)),
        }

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return batches of a part, with little padding."""
        return bucket_loader(self.datasets[part], self._batch_size, shuffle, self._seed)


def _moments(sequences: Sequence[Tensor]) -> NDArray[np.float32]:
    """Return mean and standard deviation of each sequence, shape (N, 2 * F)."""
    rows = [torch.cat((x_TF.mean(0), x_TF.std(0, correction=0))) for x_TF in sequences]
    return torch.stack(rows).numpy()


def make_sequences(count: int, noise: float, seed: int) -> tuple[list[Tensor], list[int]]:
    """Return synthetic sequences of 20 to 60 steps with balanced classes. Yours: delete this."""
    random = np.random.default_rng(seed)
    labels = [number % len(LABELS) for number in range(count)]
    sequences = []
    for label in labels:
        phase_T = 0.3 * np.arange(random.integers(20, 61)) + random.uniform(0, 2 * np.pi)
        # The first two classes differ in the order of their steps only.
        turn = (1, -1, 0)[label]
        circle_TF = np.stack((np.cos(phase_T), turn * np.sin(phase_T), 0 * phase_T), axis=1)
        x_TF = abs(turn) * circle_TF + random.normal(0, noise, (len(phase_T), NUM_FEATURES))
        sequences.append(torch.from_numpy(x_TF.astype(np.float32)))
    return sequences, labels
