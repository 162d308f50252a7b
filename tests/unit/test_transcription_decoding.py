"""Greedy decoding, alignment, prefix search and the language model, against plain enumeration."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

from gru_suite.tasks.transcription.inference.alignment import align, best_path
from gru_suite.tasks.transcription.inference.language_model import END, NGramModel
from gru_suite.tasks.transcription.inference.prefix_search import prefix_search


def log_probabilities(num_steps: int, num_tokens: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (num_steps, num_tokens))
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token)


def all_paths(log_TV: np.ndarray) -> dict[tuple[int, ...], list[tuple[float, tuple[int, ...]]]]:
    """Return the paths of each transcript with their log-probabilities."""
    found = defaultdict(list)
    for path in itertools.product(range(log_TV.shape[1]), repeat=len(log_TV)):
        score = sum(float(log_TV[step, token]) for step, token in enumerate(path))
        found[collapsed(path)].append((score, path))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_search_is_the_sum_over_all_paths(seed: int) -> None:
    log_TV = log_probabilities(5, 4, seed)
    totals = {
        tokens: float(np.logaddexp.reduce([score for score, _ in paths]))
        for tokens, paths in all_paths(log_TV).items()
    }
    best = max(totals, key=totals.__getitem__)
    found = prefix_search(log_TV, 400)
    assert found[0].tokens == best
    for each in found:
        assert each.score == pytest.approx(totals[each.tokens], abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_the_language_model_is_weighed_in(seed: int) -> None:
    log_TV = log_probabilities(4, 4, seed)
    model = NGramModel.fit([[1, 2], [1, 2, 3], [2, 2]], 4, 2)
    found = prefix_search(log_TV, 400, model, weight=0.7, token_bonus=0.3)
    plain = {each.tokens: each.score for each in prefix_search(log_TV, 400)}
    for each in found:
        prior = 0.3 * len(each.tokens)
        for place in range(len(each.tokens)):
            prior += 0.7 * model.log_probabilities(each.tokens[:place])[each.tokens[place]]
        prior += 0.7 * model.log_probabilities(each.tokens)[END]
        assert each.score == pytest.approx(plain[each.tokens] + prior, abs=1e-4)
    assert found[0].score == max(each.score for each in found)


@pytest.mark.parametrize("seed", range(6))
def test_alignment_is_the_best_of_all_paths(seed: int) -> None:
    log_TV = log_probabilities(6, 3, seed)
    for tokens, paths in all_paths(log_TV).items():
        score, path = max(paths)
        spans = align(log_TV, tokens)
        assert [span.token for span in spans] == list(tokens)
        assert sum(span.score * (span.end - span.start) for span in spans) + sum(
            float(log_TV[step, 0])
            for step in range(6)
            if not any(span.start <= step < span.end for span in spans)
        ) == pytest.approx(score, abs=1e-4)
        for span in spans:
            assert set(path[span.start : span.end]) == {span.token}


def test_a_transcript_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="3 tokens do not fit 4 steps"):
        align(log_probabilities(4, 3, 0), [1, 1, 1])


def test_greedy_decoding_is_the_best_path() -> None:
    log_TV = np.log(np.full((7, 3), 0.1, np.float32))
    for step, token in enumerate([0, 1, 1, 0, 1, 2, 2]):
        log_TV[step, token] = math.log(0.8)
    spans = best_path(log_TV)
    assert [(span.token, span.start, span.end) for span in spans] == [
        (1, 1, 3),
        (1, 4, 5),
        (2, 5, 7),
    ]
    assert best_path(log_TV[:0]) == []


def test_probabilities_of_the_language_model() -> None:
    model = NGramModel.fit([[1, 2, 1, 2], [1, 3]], 4, 3)
    for context in ([], [1], [2, 1], [3, 3, 3]):
        assert np.exp(model.log_probabilities(context)).sum() == pytest.approx(1)
    # Counts: 1 three times, 2 twice, 3 once, the end twice; four types.
    uniform = 1 / 5
    assert np.exp(model.log_probabilities([])[1]) == pytest.approx((3 + 4 * uniform) / (8 + 4))
    after_one = (2 + 2 * np.exp(model.log_probabilities([])[2])) / (3 + 2)
    assert np.exp(model.log_probabilities([3, 1])[2]) == pytest.approx(after_one)
    again = NGramModel(**model.as_dict())
    np.testing.assert_array_equal(again.log_probabilities([1]), model.log_probabilities([1]))
