"""Alignment of tokens to time steps.

Shapes: T time steps, V tokens, U tokens of a transcript, N = 2U + 1 states.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..batches.ctc_tokens import BLANK


class Span(NamedTuple):
    """Where a token is.

    Attributes:
        token: its id.
        start: first step.
        end: step after the last one.
        score: mean log-probability of the token over its steps.
    """

    token: int
    start: int
    end: int
    score: float


def best_path(log_TV: NDArray[np.float32]) -> list[Span]:
    """Return the tokens of the most probable path: greedy decoding.

    Args:
        log_TV: log-probabilities.
    """
    token_T = log_TV.argmax(1)
    return spans_of_path(token_T, log_TV[np.arange(len(token_T)), token_T])


def spans_of_path(token_T: NDArray[np.int64], score_T: NDArray[np.float32]) -> list[Span]:
    """Return the runs of equal tokens other than blanks.

    Args:
        token_T: token of each step.
        score_T: its log-probability.
    """
    if not len(token_T):
        return []
    starts = np.flatnonzero(np.concatenate([[True], token_T[1:] != token_T[:-1]]))
    ends = np.append(starts[1:], len(token_T))
    return [
        Span(int(token_T[start]), int(start), int(end), float(score_T[start:end].mean()))
        for start, end in zip(starts, ends, strict=True)
        if token_T[start] != BLANK
    ]


def align(log_TV: NDArray[np.float32], tokens: Sequence[int]) -> list[Span]:
    """Return the most probable place of each token of a transcript (Viterbi).

    Args:
        log_TV: log-probabilities.
        tokens: of the transcript, without blanks.

    Raises:
        ValueError: the transcript needs more steps than there are.
    """
    if not tokens:
        return []
    state_N = np.full(2 * len(tokens) + 1, BLANK)
    state_N[1::2] = tokens
    # From two states before: to a token that differs from the one before it.
    skips_N = np.zeros(len(state_N), bool)
    skips_N[3::2] = state_N[3::2] != state_N[1:-2:2]
    best_N = np.full(len(state_N), -np.inf)
    best_N[:2] = log_TV[0, state_N[:2]]
    from_TN = np.zeros((len(log_TV), len(state_N)), np.int8)
    for step in range(1, len(log_TV)):
        one_N = np.concatenate([[-np.inf], best_N[:-1]])
        two_N = np.where(skips_N, np.concatenate([[-np.inf] * 2, best_N[:-2]]), -np.inf)
        choices = np.stack([best_N, one_N, two_N])
        from_TN[step] = choices.argmax(0)
        best_N = choices.max(0) + log_TV[step, state_N]
    place = len(state_N) - 1 - int(best_N[-1] < best_N[-2])
    if best_N[place] == -np.inf:
        raise ValueError(f"{len(tokens)} tokens do not fit {len(log_TV)} steps")
    places = np.empty(len(log_TV), np.int64)
    for step in range(len(log_TV) - 1, -1, -1):
        places[step] = place
        place -= from_TN[step, place]
    spans: list[Span] = []
    for number, token in enumerate(tokens):
        steps = np.flatnonzero(places == 2 * number + 1)
        start, end = int(steps[0]), int(steps[-1]) + 1
        spans.append(Span(int(token), start, end, float(log_TV[start:end, token].mean())))
    return spans
