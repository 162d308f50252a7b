from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from gru_suite.model.batches import SequenceBatch, collate
from gru_suite.tasks.sentiment.batches.tokenizer import TextCodec, train_tokenizer
from gru_suite.tasks.sentiment.network.hashed_linear import HashedLinear
from gru_suite.tasks.sentiment.training.linear_fit import fit_linear

TEXTS = [
    "good good film",
    "a bad , dull film",
    "great",
    "not good at all , not at all",
    "a good one",
    "bad bad bad",
]
LABELS = [1, 0, 1, 0, 1, 0]


def codec(**changes: Any) -> TextCodec:
    tokenizer = train_tokenizer(TEXTS, min_count=1)
    content = {"tokenizer": tokenizer.to_str(), "max_tokens": 50, "truncation": "head"}
    return TextCodec(content | changes)


def batch(texts: list[str], labels: list[int] | None = None, **changes: Any) -> SequenceBatch:
    sequences = codec(**changes).encode(texts)
    return collate(list(zip(sequences, labels or [0] * len(texts), strict=True)))


def fitted(labels: list[int] = LABELS, num_classes: int = 2, **changes: Any) -> HashedLinear:
    path = HashedLinear(2**16, num_classes, bool(changes.get("char_ngrams")))
    parts = [batch(TEXTS[rows], labels[rows], **changes) for rows in (slice(0, 4), slice(4, 6))]
    fit_linear(path, parts, 10.0)
    return path


def words_and_pairs(text: str) -> Iterator[str]:
    words = text.split()
    yield from words
    marked = ["<", *words, ">"]
    yield from (" ".join(pair) for pair in pairwise(marked))


@pytest.mark.parametrize("labels", [LABELS, [0, 1, 2, 0, 1, 2]])
def test_equals_scikit_learn(labels: list[int]) -> None:
    path = fitted(labels, len(set(labels)))
    vectorizer = TfidfVectorizer(analyzer=words_and_pairs, sublinear_tf=True)
    features = vectorizer.fit_transform(TEXTS)
    options: dict[str, Any] = {"solver": "liblinear", "dual": True} if labels == LABELS else {}
    model = LogisticRegression(C=10.0, max_iter=300, random_state=0, **options)
    model.fit(features, labels)
    texts = [*TEXTS, "not bad , not dull", "never seen good"]
    expected = model.predict_proba(vectorizer.transform(texts))
    found = path(batch(texts).x).softmax(1).numpy()
    # A word that the vocabulary lacks also breaks the pairs that it stands in.
    np.testing.assert_allclose(found[:-1], expected[:-1], atol=5e-3)


@pytest.mark.parametrize("ngrams", [None, [3, 5]])
def test_padding_changes_nothing(ngrams: list[int] | None) -> None:
    path = fitted(char_ngrams=ngrams)
    together = path(batch([*TEXTS, "a good film " * 5], char_ngrams=ngrams).x)
    for text, logits_K in zip(TEXTS, together[:-1], strict=True):
        torch.testing.assert_close(path(batch([text], char_ngrams=ngrams).x)[0], logits_K)


@pytest.mark.parametrize("ngrams", [None, [3, 5]])
def test_scores_of_tokens_add_up(ngrams: list[int] | None) -> None:
    path = fitted(char_ngrams=ngrams)
    for text in ("great", "not good at all , not odd"):
        tokens = batch([text], char_ngrams=ngrams).x
        scores_TK = path.token_scores(tokens)
        assert len(scores_TK) == tokens.size(1)
        torch.testing.assert_close(scores_TK.sum(0) + path.bias_K, path(tokens)[0])


def test_what_training_texts_lack_says_nothing() -> None:
    path = fitted()
    torch.testing.assert_close(path(batch(["xyz uvw", "xyz"]).x), path.bias_K.expand(2, 2))
    torch.testing.assert_close(path(batch(["xyz good"]).x).argmax(), torch.tensor(1))


def test_ngrams_know_relatives_of_words() -> None:
    path = fitted(char_ngrams=[3, 5])
    logits_BK = path(batch(["dullest", "greatly"], char_ngrams=[3, 5]).x)
    assert logits_BK.argmax(1).tolist() == [0, 1]


def test_class_without_texts_is_never_the_answer() -> None:
    path = fitted([0, 2, 0, 2, 0, 2], 3)
    assert path(batch(TEXTS).x).argmax(1).tolist() == [0, 2, 0, 2, 0, 2]


def test_fitting_again_begins_anew() -> None:
    path = fitted()
    weight_WK = path.weight_WK.clone()
    fit_linear(path, [batch(["not a film", "bad film"], [0, 1])], 10.0)
    assert path(batch(["bad"]).x).argmax() == 1
    fit_linear(path, [batch(["other words"] * 2, [0, 1])], 10.0)
    assert path(batch(["bad"]).x).eq(0).all()
    fit_linear(path, [batch(TEXTS, LABELS)], 10.0)
    torch.testing.assert_close(path.weight_WK, weight_WK, atol=1e-3, rtol=1e-2)
