"""Transcripts of sound that arrives in chunks.

Shapes: B streams, S samples, T time steps, V tokens.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from gru_suite.audio.streaming import AudioStreamEncoder, chunk_samples
from gru_suite.model.streaming.state import (
    State,
    backbone_to_batch_first,
    batch_first_to_backbone,
    initial_backbone_state,
    with_prefix,
    without_prefix,
)
from gru_suite.model.streaming.stream import Row, Stream, StreamModule
from gru_suite.nn.evaluation import evaluating

from ..network.transcriber import Transcriber
from .spans import Search
from .transcripts import Transcript, Transcripts, transcript_of

# Steps of one forward pass, which bounds the memory of a long chunk.
_MAX_STEPS = 64


class TranscriberChunks(StreamModule):
    """The network on chunks; the output is log-probabilities, shape (B, T, V)."""

    def __init__(self, model: Transcriber) -> None:
        """Share the layers of a causal model.

        Raises:
            UserError: the model looks ahead.
        """
        super().__init__()
        self.encoder = AudioStreamEncoder(model.features, model.encoder)
        self.backbone, self.head = model.backbone, model.head
        self.step_size, self.input_shape = self.encoder.step_size, self.encoder.input_shape
        self.dtype = self.encoder.dtype
        initial_backbone_state(self.backbone, 1)

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first chunk."""
        state = with_prefix("encoder", self.encoder.initial_state(batch_size))
        state |= initial_backbone_state(self.backbone, batch_size)
        return {name: part.to(self.head.weight.device) for name, part in state.items()}

    def forward(self, chunk: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities of the steps of a chunk, shape (B, T, V), and the new state."""
        x_BTF, encoder_state = self.encoder(chunk, without_prefix("encoder", state))
        h_BTH, backbone_state = self.backbone(x_BTF, None, batch_first_to_backbone(state))
        after = with_prefix("encoder", encoder_state) | backbone_to_batch_first(backbone_state)
        return torch.log_softmax(self.head(h_BTH).float(), -1), after


class TranscriptionStream(Stream[Transcripts]):
    """Streams of sound; the prediction is the transcript of each so far.

    By greedy decoding a transcript only grows: its tokens and their times stay, but for the last
    token, which may last longer. By a prefix search its first ``Transcript.num_final`` words stay.
    """

    format: ClassVar[int] = 2

    def __init__(self, model: Transcriber, search: Search, batch_size: int = 1) -> None:
        """Start streams.

        Args:
            model: a trained causal model.
            search: from log-probabilities to tokens.
            batch_size: number of streams.

        Raises:
            UserError: the model looks ahead; the message names the option to change.
        """
        self.model, self.module, self.search = model, TranscriberChunks(model), search
        super().__init__(model.name, batch_size)

    def _new_row(self) -> Row:
        """Return the samples that do not fill a step yet, and the search so far."""
        search = self.search.initial_state()
        return {"carried": torch.empty(0), "num_samples": 0, "search": search}

    def _new_state(self, count: int) -> State:
        return self.module.initial_state(count)

    @torch.inference_mode()
    def _push(self, chunks: list[Any]) -> Transcripts:
        rows: list[Row] = []
        inputs: list[Tensor] = []
        for row, chunk in zip(self._rows, chunks, strict=True):
            carried, added = row["carried"], 0
            if chunk is not None:
                samples = chunk_samples(chunk, self.model.sample_rate_hz)
                carried, added = torch.cat([carried, samples]), len(samples)
            size = len(carried) // self.module.step_size * self.module.step_size
            inputs.append(carried[:size])
            after = {"carried": carried[size:].clone(), "num_samples": row["num_samples"] + added}
            rows.append({**row, **after})
        with evaluating(self.model):
            self._state = self._advance(self._state, inputs, rows)
        self._rows = rows
        self._prediction = Transcripts([self._transcript(n, row) for n, row in enumerate(rows)])
        return self._prediction

    def _advance(self, state: State, inputs: list[Tensor], rows: list[Row]) -> State:
        """Run the network over the inputs of each row, as many rows at once as have some."""
        done, ends = 0, [len(each) for each in inputs]
        limit = _MAX_STEPS * self.module.step_size
        while active := [row for row, end in enumerate(ends) if end > done]:
            until = min(done + limit, *(ends[row] for row in active))
            chunk = torch.stack([inputs[row][done:until] for row in active]).to(self.model.device)
            index = torch.tensor(active, device=self.model.device)
            part = {name: each[index] for name, each in state.items()}
            log_BTV, part = self.module(chunk, part)
            state = {k: v.index_copy(0, index, part[k]) for k, v in state.items()}
            for row, log_TV in zip(active, log_BTV.cpu().numpy(), strict=True):
                rows[row]["search"] = self.search.advance(rows[row]["search"], log_TV)
            done = until
        return state

    def _transcript(self, number: int, row: Row) -> Transcript:
        return transcript_of(
            f"stream {number}",
            self.search.best(row["search"]),
            self.model.tokens,
            self.module.step_size / self.model.sample_rate_hz,
            row["num_samples"] / self.model.sample_rate_hz,
            ended=False,
        )
