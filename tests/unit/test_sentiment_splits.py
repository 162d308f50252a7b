from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru_suite.errors import UserError
from gru_suite.tasks.sentiment.reading.labelled_texts import LabelledTexts
from gru_suite.tasks.sentiment.reading.splits import (
    class_indices,
    count_overlap,
    drop_unusable,
    hold_out_missing,
    order_labels,
)

SPLIT = [0.8, 0.1, 0.1]


def texts_of(labels: str, words: list[str] | None = None) -> LabelledTexts:
    words = words or [f"text {index}" for index in range(len(labels))]
    places = [f"a.csv: row {row}" for row in range(1, len(labels) + 1)]
    return LabelledTexts(words, list(labels), places)


@given(st.text("abc", min_size=1, max_size=80), st.integers(0, 3), st.integers(1, 40))
def test_split_is_a_partition_that_keeps_copies_together(
    labels: str, seed: int, num_words: int
) -> None:
    words = [f"text {index % num_words}" for index in range(len(labels))]
    parts = hold_out_missing({"train": texts_of(labels, words)}, SPLIT, seed)
    places = [place for part in parts.values() for place in part.locations]
    assert sorted(places) == sorted(texts_of(labels).locations)
    known = [set(part.texts) for part in parts.values()]
    assert all(a.isdisjoint(b) for a, b in combinations(known, 2))


def test_split_keeps_the_shares_of_labels_and_repeats() -> None:
    train = {"train": texts_of("a" * 600 + "b" * 300 + "c" * 100)}
    parts = hold_out_missing(train, SPLIT, 1)
    assert [len(part) for part in parts.values()] == [800, 100, 100]
    assert Counter(parts["test"].labels) == {"a": 60, "b": 30, "c": 10}
    assert hold_out_missing(train, SPLIT, 1)["test"].locations == parts["test"].locations
    assert hold_out_missing(train, SPLIT, 2)["test"].locations != parts["test"].locations


def test_given_parts_stay_and_missing_ones_are_held_out() -> None:
    given_parts = {"train": texts_of("ab" * 90), "test": texts_of("ab" * 5)}
    parts = hold_out_missing(given_parts, SPLIT, 0)
    assert [len(part) for part in parts.values()] == [160, 20, 10]
    assert list(parts) == ["train", "val", "test"]
    whole = {part: texts_of("ab") for part in ("train", "val", "test")}
    assert hold_out_missing(whole, SPLIT, 0) == whole


def test_rare_label_stays_in_training() -> None:
    parts = hold_out_missing({"train": texts_of("a" * 50 + "b")}, [0.4, 0.3, 0.3], 0)
    assert "b" in parts["train"].labels


@pytest.mark.parametrize("split", [[0.8, 0.2], [0.8, 0.1, 0.2], [0, 0.5, 0.5], [1.1, -0.1, 0]])
def test_wrong_shares(split: list[float]) -> None:
    with pytest.raises(UserError, match=r"data\.split=.*add up to 1"):
        hold_out_missing({"train": texts_of("ab")}, split, 0)


def test_unusable_texts_are_left_out_and_named() -> None:
    part = texts_of("a" * 200, ["fine"] * 199 + ["  "])
    kept = drop_unusable(part, 0.01)
    assert len(kept) == 199
    assert kept.notes == ["left out, an empty text: 1 of 200 rows: a.csv: row 200"]
    assert drop_unusable(texts_of("ab"), 0.0).notes == []


@pytest.mark.parametrize(("missing", "what"), [("text", "an empty text"), ("label", "no label")])
def test_too_many_unusable_texts(missing: str, what: str) -> None:
    part = texts_of("abab")
    getattr(part, f"{missing}s")[2] = ""
    with pytest.raises(UserError, match=rf"a\.csv: row 3: found {what} \(1 of 4 rows"):
        drop_unusable(part, 0.01)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("ba", ["a", "b"]),
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["x", "10", "9"], ["10", "9", "x"]),
    ],
)
def test_order_of_labels(labels: Any, expected: list[str]) -> None:
    assert order_labels(labels) == expected


def test_wanted_labels() -> None:
    assert order_labels(["pos", "neg"], ["pos", "neg"]) == ["pos", "neg"]
    with pytest.raises(UserError, match=r"data\.labels: 'posi' does not occur; did.*'pos'"):
        order_labels(["pos", "neg"], ["posi", "neg"])
    with pytest.raises(UserError, match="one label only, 'pos', in 3 training texts"):
        order_labels(["pos"] * 3)


def test_label_that_training_lacks() -> None:
    found = LabelledTexts(["x", "y"], ["pos", "poss"], texts_of("ab").locations)
    with pytest.raises(UserError, match=r"a\.csv: row 2: found label 'poss'.*mean 'pos'"):
        class_indices(found, ["neg", "pos"])
    assert class_indices(texts_of("ba"), ["a", "b"]) == [1, 0]


def test_overlap() -> None:
    assert count_overlap(texts_of("ab", ["x", "y"]), texts_of("ab", ["y", "z"])) == 1
