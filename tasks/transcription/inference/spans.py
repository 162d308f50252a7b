"""Tokens with their places, and what a search returns."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

SearchState = dict[str, Any]
"""A search after some steps, as plain data."""


class Span(NamedTuple):
    """A token and where it is.

    Attributes:
        token: its id.
        start: first step.
        end: step after the last one.
        total: sum of the token's log-probabilities over its steps.
    """

    token: int
    start: int
    end: int
    total: float

    @property
    def score(self) -> float:
        """Mean log-probability of the token over its steps."""
        return self.total / (self.end - self.start)


class Found(NamedTuple):
    """A transcript of the steps so far.

    Attributes:
        spans: its tokens, on the most probable path.
        score: log-probability.
        num_final: first tokens that no later step changes.
    """

    spans: list[Span]
    score: float
    num_final: int

    @property
    def tokens(self) -> tuple[int, ...]:
        """Ids of the tokens."""
        return tuple(span.token for span in self.spans)


class Search(Protocol):
    """From log-probabilities to tokens, one step after the other."""

    def initial_state(self) -> SearchState:
        """Return the state before the first step."""

    def advance(self, state: SearchState, log_TV: NDArray[np.float32]) -> SearchState:
        """Return the state after further steps; ``state`` is unchanged.

        Args:
            state: before them.
            log_TV: their log-probabilities, T steps of V tokens.
        """

    def best(self, state: SearchState) -> Found:
        """Return the best transcript of the steps so far."""
