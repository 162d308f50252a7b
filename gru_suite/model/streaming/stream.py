"""The same network on sequences that come piece by piece, many of them at once.

Shapes: B streams, T time steps, S inputs (T times those of a step), F input features, H output
    features of the backbone, L layers.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from gru_suite.errors import UserError
from gru_suite.model.streaming.state import State

Row = dict[str, Any]
"""Data of one stream beside the state of the network: plain data and tensors."""

PredictionT = TypeVar("PredictionT")


class StreamEncoder(nn.Module, ABC):
    """A task's encoder on one chunk after the other; pure tensors, in evaluation mode.

    Attributes:
        step_size: inputs that make one time step; chunks are a multiple of it.
        input_shape: of one input: empty for samples or token numbers.
        dtype: of the inputs.
    """

    step_size: int = 1
    input_shape: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32

    def initial_state(self, batch_size: int) -> State:
        """Return the left context that the first chunk sees; none unless overridden."""
        return {}

    @abstractmethod
    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Encode the next inputs.

        Args:
            chunk: shape (B, S, *input_shape), S a multiple of ``step_size``.
            state: left context.

        Returns:
            Features, shape (B, S / step_size, F), and the left context of the next chunk.
        """


class StepwiseEncoder(StreamEncoder):
    """An encoder that encodes each step independently, so that it needs no left context."""

    def __init__(
        self,
        encoder: nn.Module,
        input_shape: Iterable[int] = (),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Wrap an encoder.

        Args:
            encoder: from (B, T, *input_shape) to (B, T, F).
            input_shape: of a step.
            dtype: of the inputs.
        """
        super().__init__()
        self.encoder, self.input_shape, self.dtype = encoder, tuple(input_shape), dtype

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Encode the next steps."""
        return self.encoder(chunk), state


class StreamModule(nn.Module, ABC):
    """A model's network on one chunk after the other: ``(chunk, state) -> (output, new state)``.

    Tensors only and no state in Python, so that ``torch.export`` can trace it for chunks of a fixed
    size.

    Attributes:
        step_size: inputs that make one time step; chunks are a multiple of it.
        input_shape: of one input: empty for samples or token numbers.
        dtype: of the inputs.
    """

    step_size: int
    input_shape: tuple[int, ...]
    dtype: torch.dtype

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first chunk."""

    @abstractmethod
    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output after a chunk, shape (B, ...), and the state after it.

        Args:
            chunk: shape (B, S, *input_shape), S a multiple of ``step_size``.
            state: after the previous chunk; the new state has the same names and shapes.
        """

    def example_chunk(self, batch_size: int = 1, num_steps: int = 1) -> Tensor:
        """Return a chunk of zeros, shape (B, num_steps * step_size, *input_shape)."""
        shape = (batch_size, num_steps * self.step_size, *self.input_shape)
        return torch.zeros(shape, dtype=self.dtype)


class Stream(ABC, Generic[PredictionT]):
    """Streams of sequences that arrive in chunks, with a prediction after each chunk.

    After every ``push`` the prediction is that of everything pushed so far; neither memory nor the
    time of a push grows with it. Several streams are the rows of a batch, numbered from 0; when
    some leave, the others move up.
    """

    format: ClassVar[int] = 1

    def __init__(self, name: str, batch_size: int = 1) -> None:
        """Start streams.

        Args:
            name: of the task.
            batch_size: number of streams.
        """
        self._name = name
        self._rows: list[Row] = []
        self._state: State = self._new_state(0)
        self._prediction: PredictionT | None = None
        self.join(batch_size)

    @abstractmethod
    def _new_row(self) -> Row:
        """Return the data that one stream keeps, before its first input."""

    def _new_state(self, count: int) -> State:
        """Return the network's state of ``count`` streams before their first input."""
        return {}

    @abstractmethod
    def _push(self, chunks: list[Any]) -> PredictionT:
        """Process a chunk for each row, None where there is none."""

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self._rows)

    def push(self, chunk: Any) -> PredictionT:
        """Process the next chunk and return the prediction for everything pushed so far.

        Args:
            chunk: of a single stream, its chunk; of several, a list with a chunk for each, None
                where there is none. Chunks may have any lengths, and be empty.

        Raises:
            UserError: a chunk has a wrong type or shape. All streams are then unchanged.
        """
        return self._push(self._chunks(chunk))

    def _chunks(self, chunk: Any) -> list[Any]:
        chunks = chunk if isinstance(chunk, list) else [chunk]
        if len(chunks) != len(self):
            found = f"a list of {len(chunks)}" if isinstance(chunk, list) else "one chunk"
            raise UserError(
                f"pushed {found} to {len(self)} streams: needs a list of {len(self)} chunks, None "
                "where there is none"
            )
        return chunks

    @torch.inference_mode()
    def join(self, count: int = 1) -> list[int]:
        """Start further streams; return their row numbers, which follow the existing ones."""
        if type(count) is not int or count < 0:
            raise UserError(f"count={count!r}: needs a whole number of streams from 0")
        first, begun = len(self), self._new_state(count)
        self._state = {k: torch.cat([v, begun[k]]) for k, v in self._state.items()}
        self._rows = self._rows + [self._new_row() for _ in range(count)]
        self._prediction = None
        return list(range(first, len(self)))

    @torch.inference_mode()
    def leave(self, rows: int | Iterable[int]) -> None:
        """End some streams; the rows after them move up."""
        gone = self._numbers(rows)
        kept = [row for row in range(len(self)) if row not in gone]
        self._state = {k: v[kept] for k, v in self._state.items()}
        self._rows = [self._rows[row] for row in kept]
        self._prediction = None

    @torch.inference_mode()
    def reset(self, rows: int | Iterable[int] | None = None) -> None:
        """Reset some streams, or all, to the state before their first input."""
        numbers = sorted(self._numbers(range(len(self)) if rows is None else rows))
        begun = self._new_state(len(numbers))
        index = torch.tensor(numbers, dtype=torch.int64)
        self._state = {
            k: v.index_copy(0, index.to(v.device), begun[k]) for k, v in self._state.items()
        }
        self._rows = [
            self._new_row() if number in numbers else row for number, row in enumerate(self._rows)
        ]
        self._prediction = None

    def _numbers(self, rows: int | Iterable[int]) -> set[int]:
        numbers = {rows} if isinstance(rows, int) else set(rows)
        wrong = sorted(n for n in numbers if type(n) is not int or not 0 <= n < len(self))
        if wrong:
            raise UserError(f"row {wrong[0]!r}: there are rows 0 to {len(self) - 1}")
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Return the state of all streams as plain data and tensors.

        ``torch.load(..., weights_only=True)`` reads what ``torch.save`` writes of it.
        """
        return {
            "format": self.format,
            "task": self._name,
            "rows": copy.deepcopy(self._rows),
            "state": {name: part.clone() for name, part in self._state.items()},
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore the streams of a :meth:`state_dict`, also their number.

        Raises:
            UserError: it is the state of another kind of stream; this one is unchanged.
        """
        if not isinstance(saved, dict) or {"format", "task", "rows", "state"} - saved.keys():
            raise UserError("the saved state is not that of a stream; state_dict() makes one")
        if (saved["format"], saved["task"]) != (self.format, self._name):
            raise UserError(
                f"the saved state is of a stream of task {saved['task']!r}, format "
                f"{saved['format']!r}; needs task {self._name!r}, format {self.format}"
            )
        rows, state = saved["rows"], saved["state"]
        fresh, device = self._new_state(len(rows)), self._device()
        shapes = {k: (tuple(v.shape), v.dtype) for k, v in fresh.items()}
        found = {k: (tuple(v.shape), v.dtype) for k, v in state.items()}
        if found != shapes or any(row.keys() != self._new_row().keys() for row in rows):
            odd = [k for k in {**shapes, **found} if shapes.get(k) != found.get(k)]
            raise UserError(
                f"the saved state does not fit this network ({', '.join(odd) or 'rows'} differ): "
                "it is of a stream of another checkpoint"
            )
        self._rows = copy.deepcopy(rows)
        self._state = {k: state[k].to(device, copy=True) for k in fresh}
        self._prediction = None

    def _device(self) -> torch.device:
        return next((part.device for part in self._state.values()), torch.device("cpu"))
