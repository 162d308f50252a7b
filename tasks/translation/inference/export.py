"""Export of the translation model: the encoder, and one step of the decoder.

Shapes: B batch, S source tokens (right-padded), M features of the memory, H units of the decoder, V
    tokens of the target vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ExportModule, Port, lengths_port
from gru_suite.text.subwords import BEGIN, END, PADDING, UNKNOWN

from ..batches.pair_dataset import PairBatch
from ..network.translator import Translator

_SOURCE = "tokens"
_USUAL_TOKENS = 24


class EncoderExport(ExportModule):
    """Source tokens and their lengths in, memory and first state of the decoder out."""

    def __init__(self, model: Translator) -> None:
        """Describe the encoder."""
        super().__init__(model)
        units, states = model.backbone.output_size, _num_states(model)
        self.inputs = (
            Port(_SOURCE, "int64", (BATCH, _SOURCE), "source token ids, see `preprocessing`"),
            lengths_port(_SOURCE),
        )
        self.outputs = (
            Port("memory", "float32", (BATCH, _SOURCE, units), "what the decoder attends to"),
            *(
                Port(f"state_{n}", "float32", (BATCH, units), "of the decoder at its first step")
                for n in range(states)
            ),
        )
        longest = min(_USUAL_TOKENS, int(model.schema["max_tokens"]))
        self.steps = tuple(sorted({1, max(2, longest // 3), max(2, longest)}))
        self.preprocessing = _preprocessing(model)

    def forward(self, tokens: Tensor, lengths_B: Tensor) -> tuple[Tensor, ...]:
        """Return the memory, (B, S, M), zero at padding, and the states."""
        memory, state = self.model.encode(tokens, lengths_B)
        return memory.states_BSM, *state

    def companions(self) -> Mapping[str, ExportModule]:
        """Return the step of the decoder."""
        return {"step": StepExport(self.model)}

    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return random token ids of different lengths."""
        return _random_sources(self.model, batch_size, num_steps, generator)

    def from_batch(self, batch: PairBatch) -> tuple[Tensor, ...]:
        """Return the sources."""
        return batch.source_BS, batch.source_lengths_B

    def to_output(self, outputs: Sequence[Tensor], batch: PairBatch) -> Tensor:
        """Return the logits of the targets, by the model's decoder."""
        memory = self.model.memory(outputs[0], batch.source_BS, batch.source_lengths_B)
        logits_NV: Tensor = self.model.score_targets(memory, tuple(outputs[1:]), batch)
        return logits_NV


class StepExport(ExportModule):
    """A target token, memory and state in, log-probabilities of the next token out."""

    def __init__(self, model: Translator) -> None:
        """Describe the step."""
        super().__init__(model)
        units, states = model.backbone.output_size, range(_num_states(model))
        vocabulary = model.target_tokenizer.size
        self.inputs = (
            Port("token", "int64", (BATCH,), f"last target token; {BEGIN} at first"),
            Port(_SOURCE, "int64", (BATCH, _SOURCE), "source token ids"),
            lengths_port(_SOURCE),
            Port("memory", "float32", (BATCH, _SOURCE, units), "of the encoder"),
            *(Port(f"state_{n}", "float32", (BATCH, units), "before the step") for n in states),
        )
        self.outputs = (
            Port(
                "log_probability",
                "float32",
                (BATCH, vocabulary),
                f"of each target token as the next one; {END} ends the target",
            ),
            Port("attention", "float32", (BATCH, _SOURCE), "over the source tokens, adds up to 1"),
            *(Port(f"next_state_{n}", "float32", (BATCH, units), "after it") for n in states),
        )
        self.steps = (1, _USUAL_TOKENS // 2)
        self.preprocessing = _preprocessing(model)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return log-probabilities, (B, V), attention, (B, S), and the new states."""
        token_B, source_BS, lengths_B, states_BSM, *state = inputs
        memory = self.model.memory(states_BSM, source_BS, lengths_B)
        log_BV, weights_BS, after = self.model.step(token_B, memory, tuple(state))
        return log_BV, weights_BS, *after

    @torch.no_grad()
    def examples(
        self, batch_size: int, num_steps: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return random tokens, with memory and state of random sources."""
        source_BS, lengths_B = _random_sources(self.model, batch_size, num_steps, generator)
        memory, state = self.model.encode(source_BS, lengths_B)
        size = self.model.target_tokenizer.size
        token_B = torch.randint(BEGIN, size, (batch_size,), generator=generator)
        return token_B, source_BS, lengths_B, memory.states_BSM, *state

    def from_batch(self, batch: Any) -> tuple[Tensor, ...]:
        """Raise NotImplementedError: a batch has whole targets."""
        raise NotImplementedError("a step has no batches of whole targets")

    def to_output(self, outputs: Sequence[Tensor], batch: Any) -> Any:
        """Raise NotImplementedError: a batch has whole targets."""
        raise NotImplementedError("a step has no batches of whole targets")


def _num_states(model: Translator) -> int:
    return len(model.bridges) * len(model.decoder.layers)


def _random_sources(
    model: Translator, batch_size: int, num_steps: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    lengths_B = torch.randint(1, num_steps + 1, (batch_size,), generator=generator)
    lengths_B[0] = num_steps
    shape = (batch_size, num_steps)
    size = model.source_tokenizer.size
    return torch.randint(UNKNOWN, size, shape, generator=generator), lengths_B


def _preprocessing(model: Translator) -> dict[str, Any]:
    schema = model.schema
    return {
        "inside": "embeddings, recurrences, attention, softmax over the target vocabulary",
        "outside": {
            "tokenizer": "text to token ids and back by the JSON of the library `tokenizers`: "
            "Tokenizer.from_str(...).encode(text).ids and .decode(ids)",
            "decoding": f"start with token {BEGIN}; feed back a token and the states until token "
            f"{END}; beam search over the sums of log-probabilities",
        },
        "source_tokenizer": schema["source_tokenizer"],
        "target_tokenizer": schema["target_tokenizer"] or schema["source_tokenizer"],
        "special_tokens": {"padding": PADDING, "unknown": UNKNOWN, "begin": BEGIN, "end": END},
        "max_tokens": schema["max_tokens"],
        "length_ratio": schema["length_ratio"],
        "beam_size": model.beam_size,
        "length_penalty": model.length_penalty,
    }
