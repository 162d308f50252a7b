"""Greedy decoding: the most probable token of each step.

Shapes: T time steps, V tokens.
"""

import numpy as np
from numpy.typing import NDArray

from ..batches.ctc_tokens import BLANK
from .spans import Found, SearchState, Span


class GreedySearch:
    """The most probable path: runs of a token are one, blanks are left out."""

    def initial_state(self) -> SearchState:
        """Return the state before the first step."""
        return {"num_steps": 0, "score": 0.0, "last": BLANK, "spans": []}

    def advance(self, state: SearchState, log_TV: NDArray[np.float32]) -> SearchState:
        """Return the state after further steps."""
        if not len(log_TV):
            return state
        first, spans = state["num_steps"], list(state["spans"])
        token_T, score_T = log_TV.argmax(1), log_TV.max(1).astype(np.float64)
        starts = np.flatnonzero(np.concatenate([[True], token_T[1:] != token_T[:-1]]))
        for start, end in zip(starts, [*starts[1:], len(token_T)], strict=True):
            token, total = int(token_T[start]), float(score_T[start:end].sum())
            if token == BLANK:
                continue
            begun = first + int(start)
            if start == 0 and token == state["last"]:
                _, begun, _, before = spans.pop()
                total += before
            spans.append((token, begun, first + int(end), total))
        return {
            "num_steps": first + len(log_TV),
            "score": state["score"] + float(score_T.sum()),
            "last": int(token_T[-1]),
            "spans": spans,
        }

    def best(self, state: SearchState) -> Found:
        """Return the transcript of the path; only its last token may still last longer."""
        spans = [Span(*span) for span in state["spans"]]
        return Found(spans, state["score"], len(spans))
