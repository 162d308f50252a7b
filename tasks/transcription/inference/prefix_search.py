"""Prefix beam search of connectionist temporal classification.

Shapes: T time steps, V tokens.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..batches.ctc_tokens import BLANK
from .language_model import NGramModel
from .spans import Found, SearchState, Span

_TOKENS_AT_A_STEP = 12
_LEAST = -12.0
_NEVER = -math.inf
# Tokens that may stay open: beyond, the first of the best transcript's are final, so that memory
# and the time of a step do not grow.
_MAX_OPEN = 64

Tokens = tuple[int, ...]
# Start, end and summed log-probability of each token that is still open.
Path = tuple[tuple[int, int, float], ...]


@dataclass(slots=True)
class _Prefix:
    """A transcript that is searched.

    Attributes:
        prior: weighted log-probability of the language model, and the bonus of the tokens.
        blank: log-probability of all paths that end with a blank.
        ended: of those that end with the last token.
        best_blank: that of the most probable one of the first.
        best_ended: of the second.
        path_blank: where that path has the tokens.
        path_ended: likewise.
    """

    prior: float
    blank: float = _NEVER
    ended: float = _NEVER
    best_blank: float = _NEVER
    best_ended: float = _NEVER
    path_blank: Path = ()
    path_ended: Path = ()

    @property
    def total(self) -> float:
        return _log_add(self.blank, self.ended)

    @property
    def best(self) -> tuple[float, Path]:
        if self.best_blank >= self.best_ended:
            return self.best_blank, self.path_blank
        return self.best_ended, self.path_ended

    def values(self) -> tuple[Any, ...]:
        return (
            *(self.prior, self.blank, self.ended, self.best_blank, self.best_ended),
            *(self.path_blank, self.path_ended),
        )

    def add_ended(self, log_probability: float, best: float, path: Path) -> None:
        self.ended = _log_add(self.ended, log_probability)
        if best > self.best_ended:
            self.best_ended, self.path_ended = best, path


class PrefixSearch:
    """The most probable transcripts (Hannun et al. 2014, https://arxiv.org/abs/1408.2873).

    The score of a transcript is ``log p(tokens | sound) + weight * log p_lm(tokens) + token_bonus *
    number of tokens``. Tokens that all kept transcripts begin with are final: no later step
    changes them. Where more than 64 are open, the best transcript's first ones become final.
    """

    def __init__(
        self,
        beam_size: int,
        language_model: NGramModel | None = None,
        weight: float = 0.5,
        token_bonus: float = 0.0,
        threshold: float = 12.0,
    ) -> None:
        """Set options.

        Args:
            beam_size: transcripts kept after each step.
            language_model: of token ids; None for none.
            weight: of the language model.
            token_bonus: for each token, which makes up for the cost in the language model.
            threshold: transcripts whose score is this far below the best one's are dropped.
        """
        self.beam_size, self.language_model = beam_size, language_model
        self.weight, self.token_bonus = weight, token_bonus
        self.threshold = threshold

    def initial_state(self) -> SearchState:
        """Return the state before the first step."""
        nothing = _Prefix(0.0, blank=0.0, best_blank=0.0)
        return {"num_steps": 0, "final": [], "beam": [((), *nothing.values())]}

    def advance(self, state: SearchState, log_TV: NDArray[np.float32]) -> SearchState:
        """Return the state after further steps."""
        final = [Span(*span) for span in state["final"]]
        beam = {tokens: _Prefix(*rest) for tokens, *rest in state["beam"]}
        for step, log_V in enumerate(log_TV.astype(np.float64), state["num_steps"]):
            beam = self._after(beam, log_V, step, final)
            beam = _move_final(beam, final)
        return {
            "num_steps": state["num_steps"] + len(log_TV),
            "final": [tuple(span) for span in final],
            "beam": [(tokens, *prefix.values()) for tokens, prefix in beam.items()],
        }

    def best(self, state: SearchState) -> Found:
        """Return the best transcript of the steps so far, as if no token followed."""
        return self.ranked(state)[0]

    def ranked(self, state: SearchState) -> list[Found]:
        """Return the kept transcripts, best first."""
        final = [Span(*span) for span in state["final"]]
        beam = {tokens: _Prefix(*rest) for tokens, *rest in state["beam"]}
        num_final = len(final) + _num_shared(list(beam))
        found: list[Found] = []
        for tokens, prefix in beam.items():
            spans = [
                Span(token, *place) for token, place in zip(tokens, prefix.best[1], strict=True)
            ]
            score = prefix.total + prefix.prior
            if self.language_model is not None:
                context = self._context(final) + tokens
                score += self.weight * self.language_model.log_probabilities(context)[-1]
            found.append(Found(final + spans, float(score), num_final))
        return sorted(found, key=lambda each: (-each.score, each.tokens))

    def _after(
        self, beam: dict[Tokens, _Prefix], log_V: NDArray[np.float64], step: int, final: list[Span]
    ) -> dict[Tokens, _Prefix]:
        """Return the prefixes after one more step."""
        likely = np.argpartition(-log_V, min(_TOKENS_AT_A_STEP, len(log_V) - 1))
        log: list[float] = log_V.tolist()
        candidates = [
            token
            for token in likely[:_TOKENS_AT_A_STEP].tolist()
            if log[token] > _LEAST and token != BLANK
        ]
        context = self._context(final)
        after: dict[Tokens, _Prefix] = {}
        for tokens, prefix in beam.items():
            total, (best, path) = prefix.total, prefix.best
            same = after.get(tokens)
            if same is None:
                same = after[tokens] = _Prefix(prefix.prior)
            same.blank, same.best_blank, same.path_blank = (
                total + log[BLANK],
                best + log[BLANK],
                path,
            )
            if prefix.ended > _NEVER:
                score = log[tokens[-1]]
                start, _, sum_before = prefix.path_ended[-1]
                longer = (*prefix.path_ended[:-1], (start, step + 1, sum_before + score))
                same.add_ended(prefix.ended + score, prefix.best_ended + score, longer)
            next_V = None
            if candidates and self.language_model is not None:
                next_V = self.language_model.log_probabilities(context + tokens)
            for token in candidates:
                # A token is repeated only after a blank.
                before, best_before, path_before = total, best, path
                if tokens and token == tokens[-1]:
                    before, best_before = prefix.blank, prefix.best_blank
                    path_before = prefix.path_blank
                if before == _NEVER:
                    continue
                extended = (*tokens, token)
                new = after.get(extended)
                if new is None:
                    prior = prefix.prior + self.token_bonus
                    if next_V is not None:
                        prior += self.weight * float(next_V[token])
                    new = after[extended] = _Prefix(prior)
                place = (step, step + 1, log[token])
                new.add_ended(before + log[token], best_before + log[token], (*path_before, place))
        scores = {tokens: prefix.total + prefix.prior for tokens, prefix in after.items()}
        kept = sorted(scores, key=lambda tokens: (-scores[tokens], tokens))[: self.beam_size]
        least = scores[kept[0]] - self.threshold
        return {tokens: after[tokens] for tokens in kept if scores[tokens] >= least}

    def _context(self, final: list[Span]) -> Tokens:
        """Return the last final tokens, as many as the language model looks back."""
        count = 0 if self.language_model is None else self.language_model.order - 1
        return tuple(span.token for span in final[len(final) - count :]) if count else ()


def _move_final(beam: dict[Tokens, _Prefix], final: list[Span]) -> dict[Tokens, _Prefix]:
    """Append to ``final`` the tokens that all prefixes share, and return the prefixes without them.

    The last shared one stays: it may last longer, or be repeated. Places are those of the first
    prefix, which is the best one.
    """
    first = next(iter(beam))
    oldest = first[: max(0, len(first) - _MAX_OPEN)]
    if oldest:
        # Longer ones only: a token stays open.
        beam = {
            tokens: each
            for tokens, each in beam.items()
            if tokens[: len(oldest)] == oldest and len(tokens) > len(oldest)
        }
    count = max(len(oldest), _num_shared(list(beam)) - 1)
    if not count:
        return beam
    places = beam[first].best[1]
    final += [
        Span(token, *place) for token, place in zip(first[:count], places[:count], strict=True)
    ]
    for prefix in beam.values():
        prefix.path_blank, prefix.path_ended = prefix.path_blank[count:], prefix.path_ended[count:]
    return {tokens[count:]: prefix for tokens, prefix in beam.items()}


def _num_shared(sequences: list[Tokens]) -> int:
    """Return the number of first tokens that all sequences share."""
    # All lie between the least and the greatest of them.
    least, greatest = min(sequences), max(sequences)
    for place, token in enumerate(least):
        if place == len(greatest) or greatest[place] != token:
            return place
    return len(least)


def _log_add(a: float, b: float) -> float:
    """Return ``log(exp(a) + exp(b))``."""
    if a < b:
        a, b = b, a
    return a if b == _NEVER else a + math.log1p(math.exp(b - a))
