"""Beam search over the next token, batched; greedy decoding is a beam of one.

Shapes: B sequences, A sequences that are not finished, K hypotheses of a sequence (the beam), N = A
    * K rows, T tokens so far, V tokens of the vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from .subwords import BEGIN, END, PADDING


class DecoderRows(Protocol):
    """What a decoder knows at one step, a row for each hypothesis."""

    def select(self, rows_N: Tensor, same_sequences: bool) -> Any:
        """Return some rows, in this order, possibly repeated.

        Args:
            rows_N: of the batch.
            same_sequences: each row is replaced by one of the same sequence, so what hypotheses
                of a sequence share can stay.
        """


Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Token of each row (N,) and the rows -> log-probabilities of the next (N, V) and the new rows."""


class Hypothesis(NamedTuple):
    """A decoded sequence.

    Attributes:
        ids: its tokens, without begin and end.
        log_probability: of the tokens and the end, a sum.
        score: ``log_probability / (number of tokens and end) ** length_penalty``.
    """

    ids: list[int]
    log_probability: float
    score: float


class _Beam(NamedTuple):
    """State of the search: the sequences that are not finished."""

    sequence_A: Tensor
    log_AK: Tensor
    tokens_AKT: Tensor
    ended_log_AK: Tensor
    ended_score_AK: Tensor
    ended_tokens_AKT: Tensor

    def select(self, keep_A: Tensor) -> "_Beam":
        return _Beam(*(part[keep_A] for part in self))


@torch.inference_mode()
def beam_search(
    step: Step,
    rows: DecoderRows,
    max_tokens_B: Tensor,
    beam_size: int,
    length_penalty: float = 1.0,
    prefixes: Sequence[Sequence[int]] | None = None,
) -> list[list[Hypothesis]]:
    """Return the best hypotheses of each sequence, best first.

    At each step the ``beam_size`` most probable hypotheses are kept. A sequence is finished when as
    many have ended, and then takes no further part. Hypotheses are ordered by the score of
    :class:`Hypothesis`, so that short ones have no advantage (Wu et al. 2016, arXiv 1609.08144).

    Args:
        step: one step of the decoder.
        rows: its state before the first step, a row for each of the B sequences.
        max_tokens_B: most tokens of each sequence; a hypothesis of that length ends.
        beam_size: 1 is greedy decoding.
        length_penalty: exponent of the length.
        prefixes: tokens that each sequence has to begin with.

    Returns:
        For each sequence from 1 to ``beam_size`` hypotheses.
    """
    K, device = beam_size, max_tokens_B.device
    found: list[list[Hypothesis]] = [[] for _ in range(len(max_tokens_B))]
    if not len(max_tokens_B):
        return found
    forced_BT = _forced_tokens(prefixes or [()] * len(max_tokens_B), max_tokens_B)
    beam = _start(len(max_tokens_B), K, device)
    rows = rows.select(beam.sequence_A.repeat_interleave(K), same_sequences=False)
    for time in range(forced_BT.size(1)):
        A = len(beam.sequence_A)
        last_N = beam.tokens_AKT[:, :, -1].reshape(-1)
        log_NV, rows = step(last_N, rows)
        log_AKV = _allowed(log_NV.view(A, K, -1), forced_BT[beam.sequence_A, time])
        beam, parents_AK = _advance(beam, log_AKV, length_penalty)
        done_A = beam.ended_score_AK.isfinite().all(1) | ~beam.log_AK.isfinite().any(1)
        offsets_A1 = torch.arange(A, device=device).unsqueeze(1) * K
        rows_AK = parents_AK + offsets_A1
        if bool(done_A.any()):
            _collect(beam.select(done_A), found)
            beam, rows_AK = beam.select(~done_A), rows_AK[~done_A]
            if not len(beam.sequence_A):
                break
        rows = rows.select(rows_AK.reshape(-1), same_sequences=not bool(done_A.any()))
    return found


def greedy_tokens(
    step: Step, rows: DecoderRows, max_tokens: int, prefix: Sequence[int] = ()
) -> Iterator[int]:
    """Yield the tokens of one sequence as they are made, without begin and end.

    They are those of :func:`beam_search` with a beam of one.
    """
    token = torch.tensor([BEGIN])
    forced_1T = _forced_tokens([prefix], torch.tensor([max_tokens]))
    for time in range(max_tokens):
        with torch.inference_mode():
            log_1V, rows = step(token, rows)
            token = _allowed(log_1V.unsqueeze(1), forced_1T[:, time])[0].argmax(-1)
        if int(token) == END:
            return
        yield int(token)


def _start(B: int, K: int, device: torch.device) -> _Beam:
    never_BK = torch.full((B, K), float("-inf"), device=device)
    log_BK = never_BK.clone()
    # The hypotheses of a sequence are equal at first: one of them counts.
    log_BK[:, 0] = 0
    tokens_BK1 = torch.full((B, K, 1), BEGIN, device=device)
    sequence_B = torch.arange(B, device=device)
    return _Beam(sequence_B, log_BK, tokens_BK1, never_BK, never_BK, tokens_BK1)


def _forced_tokens(prefixes: Sequence[Sequence[int]], max_tokens_B: Tensor) -> Tensor:
    """Return the only token allowed at each step, -1 where all are, shape (B, T)."""
    longest = int(max_tokens_B.max()) + 1
    forced_BT = torch.full((len(prefixes), longest), -1)
    for row, prefix in enumerate(prefixes):
        count = min(len(prefix), int(max_tokens_B[row]))
        forced_BT[row, :count] = torch.tensor(list(prefix[:count]), dtype=torch.int64)
        forced_BT[row, int(max_tokens_B[row])] = END
    return forced_BT.to(max_tokens_B.device)


def _allowed(log_AKV: Tensor, forced_A: Tensor) -> Tensor:
    """Return the log-probabilities, minus infinity for tokens that cannot follow."""
    never = float("-inf")
    log_AKV = log_AKV.clone()
    log_AKV[:, :, [PADDING, BEGIN]] = never
    if bool((forced_A >= 0).any()):
        numbers_V = torch.arange(log_AKV.size(2), device=log_AKV.device)
        other_AV = (forced_A.unsqueeze(1) != numbers_V) & (forced_A >= 0).unsqueeze(1)
        log_AKV.masked_fill_(other_AV.unsqueeze(1), never)
    return log_AKV


def _advance(beam: _Beam, log_AKV: Tensor, length_penalty: float) -> tuple[_Beam, Tensor]:
    """Return the beam after one more token, and the hypothesis that each one continues."""
    A, K, V = log_AKV.shape
    # Each hypothesis can end once, so that K of the best 2 K have not ended.
    each_AKC, token_AKC = log_AKV.topk(min(2 * K, V), dim=2)
    total_AC = (beam.log_AK.unsqueeze(2) + each_AKC).view(A, -1)
    best_AC, place_AC = total_AC.topk(min(2 * K, total_AC.size(1)), dim=1)
    parent_AC = place_AC // each_AKC.size(2)
    token_AC = token_AKC.view(A, -1).gather(1, place_AC)
    ended_AC = token_AC == END
    tokens_ACT = _extend(beam.tokens_AKT, parent_AC, token_AC)
    ended = _with_ended(beam, best_AC[:, :K], ended_AC[:, :K], tokens_ACT[:, :K], length_penalty)
    # The ones that have not ended first, each group in its order.
    order_AK = ended_AC.to(torch.int8).argsort(dim=1, stable=True)[:, :K]
    log_AK = best_AC.masked_fill(ended_AC, float("-inf")).gather(1, order_AK)
    tokens_AKT = _gather(tokens_ACT, order_AK)
    return _Beam(beam.sequence_A, log_AK, tokens_AKT, *ended), parent_AC.gather(1, order_AK)


def _with_ended(
    beam: _Beam, log_AK: Tensor, ended_AK: Tensor, tokens_AKT: Tensor, length_penalty: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best K of the hypotheses that had ended and those that end now."""
    K, T = log_AK.size(1), tokens_AKT.size(2)
    padded_AKT = torch.nn.functional.pad(
        beam.ended_tokens_AKT, (0, T - beam.ended_tokens_AKT.size(2)), value=PADDING
    )
    if not bool(ended_AK.any()):
        return beam.ended_log_AK, beam.ended_score_AK, padded_AKT
    log_AK = log_AK.masked_fill(~ended_AK, float("-inf"))
    log_AC = torch.cat([beam.ended_log_AK, log_AK], dim=1)
    # BEGIN is not counted, END is.
    score_AC = torch.cat([beam.ended_score_AK, log_AK / (T - 1) ** length_penalty], dim=1)
    score_AK, place_AK = score_AC.topk(K, dim=1)
    tokens_ACT = torch.cat([padded_AKT, tokens_AKT], dim=1)
    return log_AC.gather(1, place_AK), score_AK, _gather(tokens_ACT, place_AK)


def _extend(tokens_AKT: Tensor, parent_AC: Tensor, token_AC: Tensor) -> Tensor:
    return torch.cat([_gather(tokens_AKT, parent_AC), token_AC.unsqueeze(2)], dim=2)


def _gather(tokens_ACT: Tensor, place_AK: Tensor) -> Tensor:
    shape = (*place_AK.shape, tokens_ACT.size(2))
    return tokens_ACT.gather(1, place_AK.unsqueeze(2).expand(shape))


def _collect(beam: _Beam, found: list[list[Hypothesis]]) -> None:
    """Add the hypotheses of finished sequences, best first."""
    parts = (beam.sequence_A, beam.ended_tokens_AKT, beam.ended_log_AK, beam.ended_score_AK)
    for sequence, tokens, logs, scores in zip(*(part.tolist() for part in parts), strict=True):
        for ids, log, score in zip(tokens, logs, scores, strict=True):
            if score > float("-inf"):
                found[sequence].append(Hypothesis(ids[1 : ids.index(END)], log, score))
