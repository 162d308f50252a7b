"""Decoding: token ids of sources to hypotheses, and the attention of hypotheses.

Shapes: B sources, S source tokens (right-padded), T target tokens (right-padded), N rows of a beam.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gru_suite.nn.evaluation import evaluating
from gru_suite.text.beam_search import Hypothesis, beam_search, greedy_tokens
from gru_suite.text.subwords import BEGIN

from ..batches.pair_dataset import pad
from ..network.decoder import DecoderState, Memory
from ..network.translator import Translator

BATCH_SIZE = 64
"""Sources that are decoded at once."""


class TranslationRows(NamedTuple):
    """Memory and decoder state, a row for each hypothesis."""

    memory: Memory
    state: DecoderState

    def select(self, rows_N: Tensor, same_sequences: bool) -> "TranslationRows":
        """Return some rows; hypotheses of one source share its memory."""
        memory = self.memory if same_sequences else self.memory.select(rows_N)
        return TranslationRows(memory, tuple(part.index_select(0, rows_N) for part in self.state))


class Decoding(NamedTuple):
    """Options of decoding.

    Attributes:
        beam_size: 1 is greedy.
        length_penalty: see :class:`gru_suite.text.beam_search.Hypothesis`.
        max_tokens: most target tokens; None allows what the training pairs suggest.
    """

    beam_size: int
    length_penalty: float
    max_tokens: int | None = None


def limits_B(model: Translator, source_ids: Sequence[Sequence[int]], most: int | None) -> Tensor:
    """Return the most target tokens of each source: by the ratio of lengths in training."""
    ratio, longest = float(model.schema["length_ratio"]), int(model.schema["max_tokens"])
    allowed = [min(math.ceil(ratio * len(ids)) + 5, longest) for ids in source_ids]
    return torch.tensor(allowed if most is None else [most] * len(allowed), device=model.device)


def decode(
    model: Translator,
    source_ids: Sequence[Sequence[int]],
    options: Decoding,
    prefixes: Sequence[Sequence[int]] | None = None,
) -> list[list[Hypothesis]]:
    """Return the hypotheses of each source, best first.

    Args:
        model: the model.
        source_ids: token ids of the sources.
        options: of decoding.
        prefixes: token ids that each target has to begin with.
    """
    found: list[list[Hypothesis]] = [[] for _ in source_ids]
    # Sources of like lengths together.
    order = sorted(range(len(source_ids)), key=lambda row: len(source_ids[row]))
    with evaluating(model), torch.inference_mode():
        for start in range(0, len(order), BATCH_SIZE):
            places = order[start : start + BATCH_SIZE]
            ids = [source_ids[place] for place in places]
            begun = None if prefixes is None else [prefixes[place] for place in places]
            decoded = beam_search(
                _stepper(model),
                _rows(model, ids),
                limits_B(model, ids, options.max_tokens),
                options.beam_size,
                options.length_penalty,
                begun,
            )
            for place, hypotheses in zip(places, decoded, strict=True):
                found[place] = hypotheses
    return found


def decode_tokens(
    model: Translator, ids: Sequence[int], max_tokens: int | None, prefix: Sequence[int]
) -> Iterator[int]:
    """Yield the tokens of a greedy translation as they are made."""
    with evaluating(model), torch.inference_mode():
        rows = _rows(model, [ids])
    most = int(limits_B(model, [ids], max_tokens)[0])
    yield from greedy_tokens(_stepper(model), rows, most, prefix)


@torch.inference_mode()
def attention_weights(
    model: Translator, source_ids: Sequence[Sequence[int]], target_ids: Sequence[Sequence[int]]
) -> list[Tensor]:
    """Return the attention of given targets, each of shape (target tokens and end, source tokens).

    Row t has the weights with which target token t was chosen.
    """
    found: list[Tensor] = []
    with evaluating(model):
        for start in range(0, len(source_ids), BATCH_SIZE):
            sources = source_ids[start : start + BATCH_SIZE]
            targets = [[BEGIN, *ids] for ids in target_ids[start : start + BATCH_SIZE]]
            tokens_BT, lengths_B = (part.to(model.device) for part in pad(targets))
            rows = _rows(model, sources)
            _, _, weights_BTS, _ = model.decoder(tokens_BT, rows.memory, rows.state, lengths_B)
            sizes = zip(weights_BTS.cpu(), targets, sources, strict=True)
            found += [w_TS[: len(target), : max(len(ids), 1)] for w_TS, target, ids in sizes]
    return found


def _rows(model: Translator, ids: Sequence[Sequence[int]]) -> TranslationRows:
    source_BS, lengths_B = (part.to(model.device) for part in pad(ids))
    return TranslationRows(*model.encode(source_BS, lengths_B))


def _stepper(model: Translator) -> Any:
    def step(tokens_N: Tensor, rows: TranslationRows) -> tuple[Tensor, TranslationRows]:
        log_NV, _, state = model.step(tokens_N, rows.memory, rows.state)
        return log_NV, TranslationRows(rows.memory, state)

    return step
