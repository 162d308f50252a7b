"""Streams of classifiers.

Shapes: B streams, T time steps, S inputs (T times those of a step), F input features, H output
    features of the backbone, K classes.
"""

from typing import Any, ClassVar, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from gru_suite.model.batches import SequenceBatch
from gru_suite.model.predictions import Predictions
from gru_suite.model.streaming.chunks import as_inputs
from gru_suite.model.streaming.state import (
    State,
    backbone_to_batch_first,
    batch_first_to_backbone,
    initial_backbone_state,
    with_prefix,
    without_prefix,
)
from gru_suite.model.streaming.stream import Row, Stream, StreamEncoder, StreamModule
from gru_suite.nn.backbone import RecurrentBackbone
from gru_suite.nn.evaluation import evaluating
from gru_suite.nn.pooling import Pooling

# Steps of one forward pass, which bounds the memory of a long chunk.
_MAX_STEPS = 64


class ClassificationModule(StreamModule):
    """Encoder -> backbone -> running pooling -> head; the output is the logits, (B, K)."""

    def __init__(
        self,
        encoder: StreamEncoder,
        backbone: RecurrentBackbone,
        poolings: nn.ModuleList,
        head: nn.Linear,
    ) -> None:
        """Build the module from a model's layers, whose weights it shares.

        Args:
            encoder: the model's encoder for chunks.
            backbone: of one direction.
            poolings: over time.
            head: from pooled features to logits.

        Raises:
            UserError: the backbone is bidirectional.
        """
        super().__init__()
        self.encoder, self.backbone = encoder, backbone
        self.poolings, self.head = poolings, head
        self.step_size, self.dtype = encoder.step_size, encoder.dtype
        self.input_shape = encoder.input_shape
        initial_backbone_state(self.backbone, 1)

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first chunk."""
        weight = self.head.weight
        state = with_prefix("encoder", self.encoder.initial_state(batch_size))
        state |= initial_backbone_state(self.backbone, batch_size)
        for index, pooling in enumerate(self._poolings()):
            state |= with_prefix(f"pooling_{index}", pooling.initial_state(batch_size))
        return {name: part.to(weight.device) for name, part in state.items()}

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logits after a chunk, shape (B, K), and the state after it."""
        x_BTF, encoder_state = self.encoder(chunk, without_prefix("encoder", state))
        h_BTH, backbone_state = self.backbone(x_BTF, None, batch_first_to_backbone(state))
        after = with_prefix("encoder", encoder_state) | backbone_to_batch_first(backbone_state)
        pooled = []
        for index, pooling in enumerate(self._poolings()):
            name = f"pooling_{index}"
            summary_BH, pooling_state = pooling.advance(h_BTH, without_prefix(name, state))
            pooled.append(summary_BH)
            after |= with_prefix(name, pooling_state)
        logits_BK: Tensor = self.head(torch.cat(pooled, dim=1))
        return logits_BK, after

    def _poolings(self) -> list[Pooling]:
        return [cast(Pooling, pooling) for pooling in self.poolings]


class StreamedClassifier(Protocol):
    """The interface of a classifier that streams; :class:`ClassificationModel` has it."""

    name: ClassVar[str]
    input_kind: ClassVar[str]
    labels: list[str]

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""

    def stream_module(self) -> StreamModule:
        """Return the network on chunks."""

    def forward(self, batch: Any) -> Tensor:
        """Return the logits of whole sequences."""


class ChunkInputs(NamedTuple):
    """The inputs that a chunk adds to a stream.

    Attributes:
        row: data of the stream after the chunk.
        inputs: of the steps that are complete, (S, ...).
        ends: further inputs of the current prediction, which the next chunk may change.
        short: all inputs so far, where they do not fill a step yet.
    """

    row: Row
    inputs: Tensor
    ends: Tensor | None = None
    short: Tensor | None = None


class ClassificationStream(Stream[Predictions]):
    """Streams of a classifier.

    Before its first input a stream has NaN probabilities and an empty label.
    """

    def __init__(self, model: StreamedClassifier, batch_size: int = 1) -> None:
        """Start streams.

        Args:
            model: a trained classifier.
            batch_size: number of streams.

        Raises:
            UserError: the model looks ahead; the message names the option to change.
        """
        self.model, self.module = model, model.stream_module()
        self._num_classes = len(model.labels)
        super().__init__(model.name, batch_size)

    def _new_row(self) -> Row:
        """Return the inputs that do not fill a step yet, and the number of steps so far."""
        carried = torch.empty(0, *self.module.input_shape, dtype=self.module.dtype)
        return {"carried": carried, "num_steps": 0}

    def _new_state(self, count: int) -> State:
        """Return the network's state, with the logits so far."""
        state = self.module.initial_state(count)
        unknown_BK = torch.full((count, self._num_classes), torch.nan)
        return {**state, "logits": unknown_BK.to(self.model.device)}

    def inputs(self, raw: Any) -> Tensor:
        """Return a chunk of one stream as the network's inputs, shape (S, ...).

        Raises:
            UserError: the chunk has a wrong type or shape.
        """
        return as_inputs(raw, self.module.input_shape, self.module.dtype)

    def _read(self, row: Row, chunk: Any) -> ChunkInputs:
        """Append a chunk to the carried inputs, and split off complete steps."""
        carried, step_size = row["carried"], self.module.step_size
        if chunk is not None:
            inputs = self.inputs(chunk)
            carried = torch.cat([carried, inputs]) if len(carried) else inputs
        num_steps = len(carried) // step_size
        taken, left = carried.tensor_split([num_steps * step_size])
        after = {**row, "carried": left.clone(), "num_steps": row["num_steps"] + num_steps}
        short = left if len(left) and not after["num_steps"] else None
        return ChunkInputs(after, taken, short=short)

    @torch.inference_mode()
    def _push(self, chunks: list[Any]) -> Predictions:
        readings = [self._read(row, chunk) for row, chunk in zip(self._rows, chunks, strict=True)]
        changed = any(chunk is not None for chunk in chunks)
        if self._prediction is not None and not changed:
            return self._prediction
        with evaluating(cast(nn.Module, self.model)):
            state = self._advance(self._state, [reading.inputs for reading in readings])
            logits_BK = self._so_far(state, readings)
        self._rows, self._state = [reading.row for reading in readings], state
        self._prediction = self._predictions(logits_BK)
        return self._prediction

    def _predictions(self, logits_BK: Tensor) -> Predictions:
        names = [f"stream {row}" for row in range(len(logits_BK))]
        probability_BK = logits_BK.float().softmax(-1).cpu().numpy()
        return Predictions(self.model.input_kind, names, self.model.labels, probability_BK)

    def _advance(self, state: State, inputs: list[Tensor]) -> State:
        """Run the network over the inputs of each row, as many rows at once as have some."""
        done, ends = 0, [len(each) for each in inputs]
        limit = _MAX_STEPS * self.module.step_size
        while rows := [row for row, end in enumerate(ends) if end > done]:
            until = min(done + limit, *(ends[row] for row in rows))
            chunk = torch.stack([inputs[row][done:until] for row in rows]).to(self.model.device)
            if len(rows) == len(inputs):
                logits_BK, state = self.module(chunk, state)
                state["logits"] = logits_BK
            else:
                index = torch.tensor(rows, device=self.model.device)
                part = {name: each[index] for name, each in state.items()}
                logits_BK, part = self.module(chunk, part)
                part["logits"] = logits_BK
                state = {k: v.index_copy(0, index, part[k]) for k, v in state.items()}
            done = until
        return state

    def _so_far(self, state: State, readings: list[ChunkInputs]) -> Tensor:
        """Return the logits of everything pushed, incomplete steps included."""
        logits_BK = state["logits"]
        if any(reading.ends is not None for reading in readings):
            nothing = readings[0].inputs[:0]
            ends = [nothing if each.ends is None else each.ends for each in readings]
            logits_BK = self._advance(state, ends)["logits"]
        for row, reading in enumerate(readings):
            if reading.short is not None:
                # The encoder pads a sequence shorter than a step.
                logits_BK = logits_BK.clone()
                logits_BK[row] = self._short(reading.short)
        return logits_BK

    def _short(self, inputs: Tensor) -> Tensor:
        one_1 = torch.ones(1, dtype=torch.int64)
        batch = SequenceBatch(inputs[None], one_1 * len(inputs), one_1 * 0)
        logits_BK = self.model.forward(
            SequenceBatch(*(part.to(self.model.device) for part in batch))
        )
        return logits_BK[0]
