"""Streaming networks as functions of tensors: the state is an input and an output.

Shapes: B streams, S inputs of a chunk.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ExportModule, Port
from gru_suite.model.export.parity import Check, Runner, as_tuple, difference, within_tolerance
from gru_suite.model.streaming.stream import StreamModule

# Chunks of a stream in a comparison.
_CHUNKS = 12


class StreamExport(ExportModule):
    """Chunk and state in, output so far and new state out.

    A chunk fills one time step. The output is the probability of each class where the
    model has classes, else that of its ``stream_module``.
    """

    def __init__(self, whole: ExportModule) -> None:
        """Describe a model's streaming network.

        Args:
            whole: the export of whole sequences, of a causal model.

        Raises:
            UserError: the model, or this configuration of it, cannot stream.
        """
        super().__init__(whole.model)
        self.stream: StreamModule = self.model.stream_module().eval()
        self.labels = whole.labels
        state = self.stream.initial_state(1)
        self.names = list(state)
        shape: tuple[int | str, ...] = (
            BATCH,
            self.stream.step_size,
            *self.stream.input_shape,
        )
        meaning = f"the next {self.stream.step_size} inputs; {whole.inputs[0].meaning}"
        chunk = Port("chunk", _name(self.stream.dtype), shape, meaning)
        parts = [
            (name, _name(part.dtype), (BATCH, *part.shape[1:])) for name, part in state.items()
        ]
        self.inputs = (
            chunk,
            *(
                Port(f"state_{name}", kind, size, "of the chunk before; `initial_state` at first")
                for name, kind, size in parts
            ),
        )
        with torch.no_grad():
            output, _ = self.stream(self.stream.example_chunk(), state)
        self.steps = (1,)
        self.outputs = (
            Port(
                "probability" if self.labels else "answer",
                _name(output.dtype),
                (BATCH, *output.shape[1:]),
                "the answer so far, in the order of `labels`" if self.labels else "so far",
            ),
            *(Port(f"next_{name}", kind, size, "for the next") for name, kind, size in parts),
        )
        self.preprocessing = {
            **whole.preprocessing,
            "chunk_inputs": self.stream.step_size,
            "initial_state": {f"state_{k}": _plain(part[0]) for k, part in state.items()},
        }

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the output after a chunk, and the state after it; both as in ``outputs``."""
        chunk, *state = inputs
        output, after = self.stream(chunk, dict(zip(self.names, state, strict=True)))
        if self.labels:
            output = output.float().softmax(-1)
        return output, *(after[name] for name in self.names)

    def initial(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the state before the first chunk, in the order of the inputs."""
        return tuple(self.stream.initial_state(batch_size).values())

    def chunk(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Return a random chunk."""
        shape = (batch_size, *(int(size) for size in self.inputs[0].shape[1:]))
        if self.stream.dtype.is_floating_point:
            return 0.1 * torch.randn(shape, generator=generator)
        high = 256 if self.stream.dtype == torch.uint8 else 2
        return torch.randint(0, high, shape, generator=generator).to(self.stream.dtype)

    @torch.no_grad()
    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return a chunk and the state after another one."""
        _, *state = self(self.chunk(batch_size, generator), *self.initial(batch_size))
        return self.chunk(batch_size, generator), *state

    def from_batch(self, batch: Any) -> tuple[Tensor, ...]:
        """Raise NotImplementedError: a batch has whole sequences."""
        raise NotImplementedError("a stream has no batches of whole sequences")

    def to_output(self, outputs: Sequence[Tensor], batch: Any) -> Any:
        """Raise NotImplementedError: a batch has whole sequences."""
        raise NotImplementedError("a stream has no batches of whole sequences")


@torch.inference_mode()
def follow(module: StreamExport, run: Runner, seed: int = 0) -> Check:
    """Compare an export with the model's stream, chunk by chunk, each with its own state."""
    generator = torch.Generator().manual_seed(seed)
    worst, cases = 0.0, [(rows, _CHUNKS) for rows in (1, 3)]
    for rows, chunks in cases:
        ours, theirs = module.initial(rows), module.initial(rows)
        for _ in range(chunks):
            chunk = module.chunk(rows, generator)
            expected, found = as_tuple(module(chunk, *ours)), tuple(run([chunk, *theirs]))
            worst = max(worst, difference(expected[:1], found[:1]))
            ours, theirs = expected[1:], found[1:]
    return Check(worst, cases)


def require_equal_stream(module: StreamExport, run: Runner) -> Check:
    """Compare an export with the model's stream.

    Raises:
        ExportError: the difference is larger than the tolerance.
    """
    return within_tolerance(follow(module, run))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _plain(part: Tensor) -> Any:
    """Return the number that fills a tensor, or its numbers; infinity as text, for JSON."""
    values = part.flatten()
    if len(values) and bool((values == values[0]).all()):
        value = values[0].item()
        return value if abs(value) != float("inf") else str(value)
    return part.tolist()
