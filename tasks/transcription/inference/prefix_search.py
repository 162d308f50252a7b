"""Prefix beam search of connectionist temporal classification.

Shapes: T time steps, V tokens.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..batches.ctc_tokens import BLANK
from .language_model import NGramModel

_TOKENS_AT_A_STEP = 12
_LEAST = -12.0


class Prefix(NamedTuple):
    """A transcript that is searched.

    Attributes:
        tokens: ids, without blanks.
        score: log-probability of all its paths, with the weighted language model.
    """

    tokens: tuple[int, ...]
    score: float


def prefix_search(
    log_TV: NDArray[np.float32],
    beam_size: int,
    language_model: NGramModel | None = None,
    weight: float = 0.5,
    token_bonus: float = 0.0,
) -> list[Prefix]:
    """Return the most probable transcripts, best first (Hannun et al. 2014, arXiv 1408.2873).

    The score of a transcript is ``log p(tokens | sound) + weight * log p_lm(tokens) + token_bonus *
    number of tokens``.

    Args:
        log_TV: log-probabilities.
        beam_size: prefixes kept after each step.
        language_model: of token ids; None for none.
        weight: of the language model.
        token_bonus: for each token, which makes up for the cost in the language model.
    """
    # Log-probability of the paths that end with a blank, and of those that end with the token.
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    prior: dict[tuple[int, ...], float] = {(): 0.0}
    for log_V in log_TV.astype(np.float64):
        likely = np.argpartition(-log_V, min(_TOKENS_AT_A_STEP, len(log_V) - 1))
        tokens = [
            int(token)
            for token in likely[:_TOKENS_AT_A_STEP]
            if log_V[token] > _LEAST and token != BLANK
        ]
        blank_of: dict[tuple[int, ...], float] = defaultdict(lambda: -np.inf)
        token_of: dict[tuple[int, ...], float] = defaultdict(lambda: -np.inf)
        for prefix, (blank, ended) in beam.items():
            total = np.logaddexp(blank, ended)
            blank_of[prefix] = np.logaddexp(blank_of[prefix], total + log_V[BLANK])
            if prefix:
                same = ended + log_V[prefix[-1]]
                token_of[prefix] = np.logaddexp(token_of[prefix], same)
            for token in tokens:
                longer = (*prefix, token)
                # A token is repeated only after a blank.
                before = blank if prefix and token == prefix[-1] else total
                token_of[longer] = np.logaddexp(token_of[longer], before + log_V[token])
                if longer not in prior:
                    added = token_bonus
                    if language_model is not None:
                        added += weight * language_model.log_probabilities(prefix)[token]
                    prior[longer] = prior[prefix] + added
        scores = {
            prefix: np.logaddexp(blank_of[prefix], token_of[prefix]) + prior[prefix]
            for prefix in {**blank_of, **token_of}
        }
        possible = [prefix for prefix, score in scores.items() if score > -np.inf]
        kept = sorted(possible, key=lambda prefix: (-scores[prefix], prefix))[:beam_size]
        beam = {prefix: (blank_of[prefix], token_of[prefix]) for prefix in kept}
        prior = {prefix: prior[prefix] for prefix in kept}
    found = [
        Prefix(
            prefix,
            float(np.logaddexp(*ends) + prior[prefix] + _end(prefix, language_model, weight)),
        )
        for prefix, ends in beam.items()
    ]
    return sorted(found, key=lambda each: -each.score)


def _end(tokens: tuple[int, ...], language_model: NGramModel | None, weight: float) -> float:
    if language_model is None:
        return 0.0
    return weight * float(language_model.log_probabilities(tokens)[-1])
