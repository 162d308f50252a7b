"""Greedy decoding, prefix search and the language model, against plain enumeration."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

from gru_suite.tasks.transcription.inference.greedy_search import GreedySearch
from gru_suite.tasks.transcription.inference.language_model import END, NGramModel
from gru_suite.tasks.transcription.inference.prefix_search import PrefixSearch
from gru_suite.tasks.transcription.inference.spans import Found, Span


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


def ranked(search: PrefixSearch, log_TV: np.ndarray) -> list[Found]:
    return search.ranked(search.advance(search.initial_state(), log_TV))


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_search_is_the_sum_over_all_paths(seed: int) -> None:
    log_TV = log_probabilities(5, 4, seed)
    totals = {
        tokens: float(np.logaddexp.reduce([score for score, _ in paths]))
        for tokens, paths in all_paths(log_TV).items()
    }
    best = max(totals, key=totals.__getitem__)
    found = ranked(PrefixSearch(400, threshold=math.inf), log_TV)
    assert found[0].tokens == best
    for each in found:
        assert each.score == pytest.approx(totals[each.tokens], abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_the_language_model_is_weighed_in(seed: int) -> None:
    log_TV = log_probabilities(4, 4, seed)
    model = NGramModel.fit([[1, 2], [1, 2, 3], [2, 2]], 4, 2)
    found = ranked(PrefixSearch(400, model, 0.7, 0.3, math.inf), log_TV)
    plain = {
        each.tokens: each.score for each in ranked(PrefixSearch(400, threshold=math.inf), log_TV)
    }
    for each in found:
        prior = 0.3 * len(each.tokens)
        for place in range(len(each.tokens)):
            prior += 0.7 * model.log_probabilities(each.tokens[:place])[each.tokens[place]]
        prior += 0.7 * model.log_probabilities(each.tokens)[END]
        assert each.score == pytest.approx(plain[each.tokens] + prior, abs=1e-4)
    assert found[0].score == max(each.score for each in found)


@pytest.mark.parametrize("seed", range(6))
def test_places_are_those_of_the_best_of_all_paths(seed: int) -> None:
    log_TV = log_probabilities(6, 3, seed)
    paths = all_paths(log_TV)
    for found in ranked(PrefixSearch(10_000, threshold=math.inf), log_TV):
        _, path = max(paths[found.tokens])
        spans, steps = [], 0
        for token, run in itertools.groupby(path):
            start, steps = steps, steps + len(list(run))
            if token:
                total = float(log_TV[start:steps, token].sum())
                spans.append(Span(token, start, steps, pytest.approx(total, abs=1e-4)))
        assert found.spans == spans


def spoken(tokens: list[int], num_tokens: int, seed: int) -> np.ndarray:
    """Log-probabilities in which some tokens are clear and the others are not."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1, (4 * len(tokens), num_tokens))
    for place, token in enumerate(tokens):
        logits[4 * place : 4 * place + 2, token] += generator.choice([1.0, 9.0], p=[0.1, 0.9])
        logits[4 * place + 2 : 4 * place + 4, 0] += 6
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("beam_size", [1, 2, 8])
@pytest.mark.parametrize("seed", range(6))
def test_steps_in_pieces_are_those_of_the_whole(beam_size: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    tokens = generator.integers(1, 5, 30).tolist()
    log_TV = spoken(tokens, 5, seed)
    model = NGramModel.fit([tokens, tokens[5:]], 5, 3)
    search = GreedySearch() if beam_size == 1 else PrefixSearch(beam_size, model, 0.7, 0.3)
    whole = search.best(search.advance(search.initial_state(), log_TV))
    state, final = search.initial_state(), ()
    ends = sorted(generator.integers(0, len(log_TV), 9).tolist())
    for start, end in itertools.pairwise([0, *ends, len(log_TV)]):
        state = search.advance(state, log_TV[start:end])
        found = search.best(state)
        assert found.tokens[: len(final)] == final
        final = found.tokens[: found.num_final]
        again = search.best(search.advance(search.initial_state(), log_TV[:end]))
        assert found.spans == [
            each._replace(total=pytest.approx(each.total)) for each in again.spans
        ]
    assert found.score == pytest.approx(whole.score)
    assert found.num_final > 5 or beam_size > 1


@pytest.mark.parametrize("probabilities", ["clear", "uniform"])
def test_final_tokens_leave_the_search(probabilities: str) -> None:
    tokens = np.random.default_rng(0).integers(1, 5, 200).tolist()
    log_TV = spoken(tokens, 5, 0)
    if probabilities == "uniform":
        # Two tokens that nothing tells apart, at the start: both stay.
        log_TV[:2] = -2.0
        log_TV[2:, 1:] -= 30.0 * (log_TV[2:, 1:] < log_TV[2:].max(1, keepdims=True))
    search = PrefixSearch(4, token_bonus=3.0)
    state = search.advance(search.initial_state(), log_TV)
    assert max(len(open_tokens) for open_tokens, *_ in state["beam"]) <= 65
    assert len(state["final"]) > 50


def test_greedy_decoding_is_the_best_path() -> None:
    log_TV = np.log(np.full((7, 3), 0.1, np.float32))
    for step, token in enumerate([0, 1, 1, 0, 1, 2, 2]):
        log_TV[step, token] = math.log(0.8)
    search = GreedySearch()
    found = search.best(search.advance(search.initial_state(), log_TV))
    score = pytest.approx(math.log(0.8))
    assert [(*span[:3], span.score) for span in found.spans] == [
        (1, 1, 3, score),
        (1, 4, 5, score),
        (2, 5, 7, score),
    ]
    assert found.score == pytest.approx(7 * math.log(0.8))
    assert search.advance(search.initial_state(), log_TV[:0]) == search.initial_state()


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
