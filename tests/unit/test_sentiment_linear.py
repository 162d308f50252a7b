from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from gru_suite.model.batches import SequenceBatch, collate
from gru_suite.tasks.sentiment.network.hashed_linear import HashedLinear
from gru_suite.tasks.sentiment.training import linear_fit
from gru_suite.tasks.sentiment.training.linear_fit import fit_linear
from gru_suite.text.tokenizer import TextTokenizer, train_tokenizer

TEXTS = [
    "good good film",
    "a bad , dull film",
    "great",
    "not good at all , not at all",
    "a good one",
    "bad bad bad",
]
LABELS = [1, 0, 1, 0, 1, 0]


def text_tokenizer(**changes: Any) -> TextTokenizer:
    tokenizer = train_tokenizer(TEXTS, min_count=1)
    content = {"tokenizer": tokenizer.to_str(), "max_tokens": 50, "truncation": "head"}
    return TextTokenizer(content | changes)


def batch(texts: list[str], labels: list[int] | None = None, **changes: Any) -> SequenceBatch:
    sequences = text_tokenizer(**changes).encode(texts)
    return collate(list(zip(sequences, labels or [0] * len(texts), strict=True)))


def fitted(labels: list[int] = LABELS, num_classes: int = 2, **changes: Any) -> HashedLinear:
    layer = HashedLinear(2**16, num_classes, bool(changes.get("char_ngrams")))
    parts = [batch(TEXTS[rows], labels[rows], **changes) for rows in (slice(0, 4), slice(4, 6))]
    fit_linear(layer, parts, 10.0)
    return layer


def words_and_pairs(text: str) -> Iterator[str]:
    words = text.split()
    yield from words
    marked = ["<", *words, ">"]
    yield from (" ".join(pair) for pair in pairwise(marked))


@pytest.mark.parametrize("labels", [LABELS, [0, 1, 2, 0, 1, 2]])
def test_equals_scikit_learn(labels: list[int]) -> None:
    layer = fitted(labels, len(set(labels)))
    vectorizer = TfidfVectorizer(analyzer=words_and_pairs, sublinear_tf=True)
    features = vectorizer.fit_transform(TEXTS)
    options: dict[str, Any] = {"solver": "liblinear", "dual": True} if labels == LABELS else {}
    model = LogisticRegression(C=10.0, max_iter=300, random_state=0, **options)
    model.fit(features, labels)
    texts = [*TEXTS, "not bad , not dull", "never seen good"]
    expected = model.predict_proba(vectorizer.transform(texts))
    found = layer(batch(texts).x).softmax(1).numpy()
    # A word that the vocabulary lacks also breaks the pairs that it stands in.
    np.testing.assert_allclose(found[:-1], expected[:-1], atol=5e-3)


@pytest.mark.parametrize("ngrams", [None, [3, 5]])
def test_padding_changes_nothing(ngrams: list[int] | None) -> None:
    layer = fitted(char_ngrams=ngrams)
    together = layer(batch([*TEXTS, "a good film " * 5], char_ngrams=ngrams).x)
    for text, logits_K in zip(TEXTS, together[:-1], strict=True):
        torch.testing.assert_close(layer(batch([text], char_ngrams=ngrams).x)[0], logits_K)


@pytest.mark.parametrize("ngrams", [None, [3, 5]])
def test_scores_of_tokens_add_up(ngrams: list[int] | None) -> None:
    layer = fitted(char_ngrams=ngrams)
    for text in ("great", "not good at all , not odd"):
        tokens = batch([text], char_ngrams=ngrams).x
        scores_TK = layer.token_scores(tokens)
        assert len(scores_TK) == tokens.size(1)
        torch.testing.assert_close(scores_TK.sum(0) + layer.bias_K, layer(tokens)[0])


def test_what_training_texts_lack_says_nothing() -> None:
    layer = fitted()
    torch.testing.assert_close(layer(batch(["xyz uvw", "xyz"]).x), layer.bias_K.expand(2, 2))
    torch.testing.assert_close(layer(batch(["xyz good"]).x).argmax(), torch.tensor(1))


def test_ngrams_know_relatives_of_words() -> None:
    layer = fitted(char_ngrams=[3, 5])
    logits_BK = layer(batch(["dullest", "greatly"], char_ngrams=[3, 5]).x)
    assert logits_BK.argmax(1).tolist() == [0, 1]


def test_class_without_texts_is_never_the_answer() -> None:
    layer = fitted([0, 2, 0, 2, 0, 2], 3)
    assert layer(batch(TEXTS).x).argmax(1).tolist() == [0, 2, 0, 2, 0, 2]


def test_fitting_again_begins_anew() -> None:
    layer = fitted()
    weight_WK = layer.weight_WK.clone()
    fit_linear(layer, [batch(["not a film", "bad film"], [0, 1])], 10.0)
    assert layer(batch(["bad"]).x).argmax() == 1
    fit_linear(layer, [batch(["other words"] * 2, [0, 1])], 10.0)
    assert layer(batch(["bad"]).x).eq(0).all()
    fit_linear(layer, [batch(TEXTS, LABELS)], 10.0)
    torch.testing.assert_close(layer.weight_WK, weight_WK, atol=1e-3, rtol=1e-2)


def test_large_data_are_fitted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    labels_N = torch.arange(600) % 2
    tokens_NT = torch.randint(10, 40, (600, 12), generator=draw) + 25 * labels_N[:, None]
    batches = [
        SequenceBatch(x, torch.full((len(x),), 12), labels_B)
        for x, labels_B in zip(tokens_NT.split(50), labels_N.split(50), strict=True)
    ]
    whole, parts = HashedLinear(4096, 3, False), HashedLinear(4096, 3, False)
    fit_linear(whole, batches, 10.0)
    monkeypatch.setattr(linear_fit, "_MAX_TEXTS", 150)
    fit_linear(parts, batches, 10.0)
    assert not torch.equal(whole.weight_WK, parts.weight_WK)
    torch.testing.assert_close(parts.idf_W, whole.idf_W)
    for layer in (whole, parts):
        predicted_N = layer(tokens_NT).argmax(1)
        assert (predicted_N == labels_N).float().mean() > 0.95
        assert layer.bias_K[2] < -100, "a class without texts"
