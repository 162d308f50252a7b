"""Models as functions of tensors, with a description of each input and output.

Shapes: B batch, T time steps (right-padded), K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch

BATCH = "batch"


@dataclass(frozen=True)
class Port:
    """One input or output of an exported model.

    Attributes:
        name: by which the model is called.
        dtype: ``float32``, ``int64``, ``uint8``.
        shape: sizes; a name where the model takes any.
        meaning: what the numbers are, and their unit.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str

    def describe(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "shape": list(self.shape)}


def lengths_port(steps: str) -> Port:
    """Return the input that says how many steps of each sequence are valid."""
    return Port("lengths", "int64", (BATCH,), f"valid {steps} of each sequence, 1 to {steps}")


class ExportModule(nn.Module, ABC):
    """A model as a function of tensors.

    A subclass sets the attributes and implements the methods. Its ``forward`` must be traceable;
    :meth:`reference` is what the export is compared with.

    Attributes:
        model: what is exported.
        inputs: of ``forward``, in order.
        outputs: of ``forward``, in order; a single one is returned bare.
        steps: sizes of the time dimension that the export is compared at, ascending; a single one
            where it is fixed.
        labels: names of the classes, None for other tasks.
        preprocessing: plain data: preprocessing inside the model (``inside``), preprocessing that
            the caller has to do (``outside``), and the numbers and names for it.
    """

    model: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    steps: tuple[int, ...]
    labels: list[str] | None = None
    preprocessing: Mapping[str, Any]

    def __init__(self, model: nn.Module) -> None:
        """Store the model and set it to evaluation mode."""
        super().__init__()
        self.model = model.eval()

    @abstractmethod
    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return random valid inputs of different lengths."""

    @abstractmethod
    def from_batch(self, batch: Any) -> tuple[Tensor, ...]:
        """Return the inputs for a batch of the task's data module."""

    @abstractmethod
    def to_output(self, outputs: Sequence[Tensor], batch: Any) -> Any:
        """Return the output of the model's ``forward`` for the batch."""

    def companions(self) -> "Mapping[str, ExportModule]":
        """Return further functions that the model needs, by the name of their file; none usually.

        They are written beside this one, and compared as it is.
        """
        return {}

    def reference(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the model's own outputs; by default those of ``forward``."""
        found: Tensor | tuple[Tensor, ...] = self(*inputs)
        return found


class ClassificationExport(ExportModule):
    """Sequences and their lengths in, class probabilities out."""

    def __init__(
        self,
        model: nn.Module,
        labels: list[str],
        sequences: Port,
        steps: Sequence[int],
        preprocessing: Mapping[str, Any],
    ) -> None:
        """Describe the model.

        Args:
            model: from a :class:`SequenceBatch` to logits.
            labels: the classes' names.
            sequences: the input; its second dimension is time.
            steps: sizes of the time dimension to compare at, ascending.
            preprocessing: see :class:`ExportModule`.
        """
        super().__init__(model)
        self.inputs = (sequences, lengths_port(str(sequences.shape[1])))
        self.labels = labels
        meaning = "probability of each class, in the order of `labels`; rows add up to 1"
        self.outputs = (Port("probability", "float32", (BATCH, len(labels)), meaning),)
        self.steps = tuple(steps)
        self.preprocessing = preprocessing

    def forward(self, x: Tensor, lengths_B: Tensor) -> Tensor:
        """Return class probabilities, shape (B, K)."""
        logits_BK: Tensor = self.model(SequenceBatch(x, lengths_B, torch.zeros_like(lengths_B)))
        return logits_BK.float().softmax(-1)

    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return random sequences; the first fills all steps."""
        lengths_B = torch.randint(1, num_steps + 1, (batch_size,), generator=generator)
        lengths_B[0] = num_steps
        shape = (batch_size, num_steps, *(int(size) for size in self.inputs[0].shape[2:]))
        return self.sequences(shape, generator), lengths_B

    def sequences(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return random values of the input's dtype; small integers are valid for all models."""
        if self.inputs[0].dtype == "float32":
            return torch.randn(shape, generator=generator)
        return torch.randint(0, 2, shape, generator=generator).to(
            getattr(torch, self.inputs[0].dtype)
        )

    def from_batch(self, batch: Any) -> tuple[Tensor, ...]:
        """Return sequences and lengths."""
        return batch.x, batch.lengths_B

    def to_output(self, outputs: Sequence[Tensor], batch: Any) -> Tensor:
        """Return logits: the logarithms of the probabilities, which differ by a constant."""
        # The smallest normal number: a probability of 0 must not make the loss infinite.
        return outputs[0].clamp(min=torch.finfo(torch.float32).tiny).log()


def classification_export(
    model: nn.Module, name: str, labels: list[str], batch: Any
) -> ClassificationExport:
    """Describe a classifier's inputs by a batch of its data.

    Args:
        model: from a :class:`SequenceBatch` to logits.
        name: of the task.
        labels: the classes' names.
        batch: of the task's data module.

    Raises:
        UserError: the batch is more than sequences, lengths and labels.
    """
    fields = getattr(batch, "_fields", ())
    if fields != SequenceBatch._fields or not all(isinstance(part, Tensor) for part in batch):
        raise UserError(
            f"task {name}: its batches are more than x, lengths_B and labels_B, so its model has "
            "to implement export_module(); or use format=safetensors"
        )
    dtype = str(batch.x.dtype).removeprefix("torch.")
    shape = (BATCH, "steps", *batch.x.shape[2:])
    longest = max(2, batch.x.size(1))
    return ClassificationExport(
        model,
        labels,
        Port("x", dtype, shape, f"sequences as the data module of task {name} makes them"),
        (1, max(2, longest // 2), longest),
        {"inside": "nothing", "outside": f"whatever the data module of task {name} does"},
    )
