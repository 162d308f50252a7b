"""Beam search against all hypotheses of a small random language."""

from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor

from gru_suite.text.beam_search import beam_search, greedy_tokens
from gru_suite.text.subwords import BEGIN, END, PADDING

VOCABULARY, LONGEST = 7, 4


class Rows:
    """A decoder without a state: the next token depends on the last one alone."""

    def select(self, rows_N: Tensor, same_sequences: bool) -> "Rows":
        return self


def language(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(VOCABULARY, VOCABULARY, generator=generator)).log_softmax(-1)


def stepper(log_VV: Tensor) -> Any:
    return lambda tokens_N, rows: (log_VV[tokens_N], rows)


def all_hypotheses(
    log_VV: Tensor, longest: int, penalty: float, prefix: tuple[int, ...] = ()
) -> list[tuple[float, list[int]]]:
    """Return the score of every sequence of tokens, best first."""
    words = [token for token in range(VOCABULARY) if token not in (PADDING, BEGIN, END)]
    found: list[tuple[float, list[int]]] = []
    open_ends: list[tuple[float, list[int]]] = [(0.0, [])]
    for length in count():
        for log, ids in open_ends:
            if length >= len(prefix):
                last = ids[-1] if ids else BEGIN
                total = log + float(log_VV[last, END])
                found.append((total / (length + 1) ** penalty, ids))
        if length == longest:
            return sorted(found, reverse=True)
        allowed = [prefix[length]] if length < len(prefix) else words
        open_ends = [
            (log + float(log_VV[ids[-1] if ids else BEGIN, token]), [*ids, token])
            for log, ids in open_ends
            for token in allowed
        ]
    raise AssertionError


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_the_best_hypotheses(seed: int, penalty: float) -> None:
    log_VV = language(seed)
    prefixes: list[tuple[int, ...]] = [(), (5,), (4, 6)]
    limits = [LONGEST, LONGEST, 3]
    found = beam_search(
        stepper(log_VV), Rows(), torch.tensor(limits), 1_000, penalty, [list(p) for p in prefixes]
    )
    for hypotheses, longest, prefix in zip(found, limits, prefixes, strict=True):
        expected = all_hypotheses(log_VV, longest, penalty, prefix)
        assert len(hypotheses) == len(expected)
        for ours, (score, _) in zip(hypotheses, expected, strict=True):
            assert ours.score == pytest.approx(score, abs=1e-5)
            assert tuple(ours.ids[: len(prefix)]) == prefix
        scores = {tuple(ids): score for score, ids in expected}
        for ours in hypotheses:
            assert ours.score == pytest.approx(scores[tuple(ours.ids)], abs=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_greedy_is_a_beam_of_one(seed: int) -> None:
    log_VV = language(seed)
    one = beam_search(stepper(log_VV), Rows(), torch.tensor([6, 6]), 1)
    tokens = list(greedy_tokens(stepper(log_VV), Rows(), 6))
    assert one[0] == one[1]
    assert one[0][0].ids == tokens
    last = BEGIN
    for place in range(7):
        best = log_VV[last].clone()
        best[[PADDING, BEGIN]] = float("-inf")
        last = int(best.argmax())
        if place == 6 or last == END:
            assert len(tokens) == place
            break
        assert tokens[place] == last


def test_hypotheses_are_in_order_and_differ() -> None:
    for seed in range(10):
        (found,) = beam_search(stepper(language(seed)), Rows(), torch.tensor([6]), 5)
        scores = [each.score for each in found]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(each.ids) for each in found}) == len(found) == 5


def test_finished_sequences_leave_the_batch() -> None:
    # Token 4 repeats without an end; token 5 ends at once.
    log_VV = torch.full((VOCABULARY, VOCABULARY), -20.0)
    log_VV[4, 4], log_VV[5, END], log_VV[BEGIN, 4] = 0.0, 0.0, 0.0
    sizes: list[int] = []

    def step(tokens_N: Tensor, rows: Rows) -> tuple[Tensor, Rows]:
        sizes.append(len(tokens_N))
        return log_VV[tokens_N], rows

    found = beam_search(step, Rows(), torch.tensor([9, 9, 9]), 1, 1.0, [[], [5], [5]])
    assert [each[0].ids for each in found] == [[4] * 9, [5], [5]]
    assert sizes == [3, 3, *[1] * 8]


def test_nothing_to_decode() -> None:
    assert beam_search(stepper(language(0)), Rows(), torch.tensor([], dtype=torch.int64), 3) == []
