from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from summarization_fixtures import SENTENCES, small_dataset, small_model, small_schema, small_task

from gru_suite.errors import UserError
from gru_suite.tasks.summarization.batches.encoding import DocumentBatch
from gru_suite.tasks.summarization.network.sentence_scorer import PADDING_SCORE
from gru_suite.tasks.summarization.training.losses import resolve_loss, sentence_loss

CELLS = ["gru", "lstm", "rnn", "min_gru"]


def padded(batch: DocumentBatch, sentences: int, words: int) -> DocumentBatch:
    """Return the batch with further padding, of random ids where the network must not look."""
    B, S, W, P = batch.tokens.shape
    tokens = torch.randint(1, 9, (B, S + sentences, W + words, P))
    tokens[:, :S, :W] = batch.tokens
    inside = torch.zeros(tokens.shape[:3], dtype=torch.bool)
    inside[:, :S, :W] = torch.arange(W) < batch.words_BS.unsqueeze(2)
    tokens = torch.where(inside.unsqueeze(3), tokens, torch.randint(1, 9, tokens.shape))
    words_BS = torch.randint(1, 5, (B, S + sentences))
    words_BS[:, :S] = batch.words_BS.where(batch.words_BS > 0, words_BS[:, :S])
    empty_BS = torch.zeros(B, S + sentences)
    return DocumentBatch(batch.lengths_B, tokens, words_BS, empty_BS, empty_BS)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("word_hidden_size", [0, 3])
def test_padding_never_changes_a_score(cell: str, word_hidden_size: int) -> None:
    model = small_model(backbone={"cell": cell}, word_hidden_size=word_hidden_size)
    dataset = small_dataset(model)
    whole = dataset.collate([0, 1, 2])
    with torch.inference_mode():
        score_BS = model(whole)
        more_BS = model(padded(whole, 2, 3))
        assert (more_BS[:, 4:] == PADDING_SCORE).all()
        torch.testing.assert_close(more_BS[:, :4], score_BS, rtol=1e-5, atol=1e-6)
        for row, length in enumerate(dataset.lengths):
            alone_1S = model(dataset.collate([row]))
            assert alone_1S.shape == (1, length)
            torch.testing.assert_close(alone_1S[0], score_BS[row, :length], rtol=1e-5, atol=1e-6)
            assert (score_BS[row, length:] == PADDING_SCORE).all()


@pytest.mark.parametrize("ngrams", [None, (3, 4)])
def test_shapes_of_a_batch(ngrams: tuple[int, int] | None) -> None:
    model = small_model(schema=small_schema(char_ngrams=ngrams))
    batch = small_dataset(model).collate([0, 2])
    assert batch.lengths_B.tolist() == [3, 1]
    assert batch.tokens.shape[:3] == (2, 3, 10)
    assert batch.tokens.dim() == (3 if ngrams is None else 4)
    assert batch.words_BS.tolist() == [[5, 10, 4], [4, 0, 0]]
    assert batch.targets_BS.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert model(batch).shape == (2, 3)


def test_likeness_is_the_cosine_with_the_tfidf_centroid() -> None:
    model = small_model()
    sentences = [one for each in SENTENCES for one in each]
    # The words of two letters and more, as scikit-learn has them by default.
    vectorizer = TfidfVectorizer().fit(sentences)
    batch = small_dataset(model).collate([0, 1, 2])
    found_BS = model.features.likeness(batch.tokens[..., 0], batch.lengths_B)
    for row, document in enumerate(SENTENCES):
        vectors = vectorizer.transform(document).toarray()
        centroid = vectors.mean(0)
        expected = vectors @ centroid / np.linalg.norm(centroid)
        np.testing.assert_allclose(found_BS[row, : len(document)], expected, rtol=1e-4)


def test_repeated_words_count_in_the_likeness() -> None:
    model = small_model()
    texts = ["snow snow snow track", "snow track", "snow track track"]
    vectorizer = TfidfVectorizer().fit([one for each in SENTENCES for one in each])
    dataset = type(small_dataset(model))([texts], model.tokenizer)
    batch = dataset.collate([0])
    found_1S = model.features.likeness(batch.tokens[..., 0], batch.lengths_B)
    vectors = vectorizer.transform(texts).toarray()
    expected = vectors @ vectors.mean(0) / np.linalg.norm(vectors.mean(0))
    np.testing.assert_allclose(found_1S[0], expected, rtol=1e-4)


def test_features_are_finite_where_there_is_nothing() -> None:
    model = small_model()
    batch = type(small_dataset(model))([["?"], ["?", "?"]], model.tokenizer).collate([0, 1])
    score_BS = model(batch)
    assert torch.isfinite(score_BS).all()


GAINS = torch.tensor([[0.1, 0.5, 0.0], [0.2, 0.0, 0.0]])
TARGETS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
LENGTHS = torch.tensor([2, 1])


def loss(kind: str, score_BS: torch.Tensor) -> float:
    return float(sentence_loss(kind, 0.1, score_BS, GAINS, TARGETS, LENGTHS))


def test_losses_by_hand() -> None:
    score_BS = torch.tensor([[0.0, 1.0, PADDING_SCORE], [3.0, PADDING_SCORE, PADDING_SCORE]])
    share = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    goal = np.exp([1.0, 5.0]) / np.exp([1.0, 5.0]).sum()
    assert loss("listwise", score_BS) == pytest.approx(-(goal * np.log(share)).sum() / 2, rel=1e-5)
    entropy = -(share * np.log(share)).sum()
    expected = 1 - ((share * [0.1, 0.5]).sum() + 0.1 * entropy + 0.2) / 2
    assert loss("expected", score_BS) == pytest.approx(expected, rel=1e-5)
    first = (np.log1p(np.exp(0.0)) + np.log1p(np.exp(-1.0))) / 2
    assert loss("binary", score_BS) == pytest.approx((first + np.log1p(np.exp(-3))) / 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["listwise", "expected", "binary"])
def test_padding_has_no_gradient(kind: str) -> None:
    score_BS = torch.zeros(2, 3, requires_grad=True)
    valid_BS = torch.arange(3) < LENGTHS.unsqueeze(1)
    score = score_BS.masked_fill(~valid_BS, PADDING_SCORE)
    sentence_loss(kind, 0.1, score, GAINS, TARGETS, LENGTHS).backward()
    assert score_BS.grad is not None
    assert (score_BS.grad[~valid_BS] == 0).all()
    assert torch.isfinite(score_BS.grad).all()
    assert score_BS.grad[0, 1] < 0


def test_which_loss() -> None:
    assert resolve_loss("auto", 1, False) == "expected"
    assert resolve_loss("auto", 2, False) == "binary"
    assert resolve_loss("auto", 1, True) == "binary"
    assert resolve_loss("listwise", 3, True) == "listwise"
    with pytest.raises(UserError, match=r"task.loss=listwize.*did you mean 'listwise'"):
        resolve_loss("listwize", 1, False)


@pytest.mark.parametrize(
    ("option", "value"),
    [("num_sentences", 0), ("max_words", -1), ("embedding_dropout", 1.0), ("temperature", 0)],
)
def test_options_out_of_range(option: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"task.{option}={value}"):
        small_task(**{option: value})


@pytest.mark.parametrize("kind", ["listwise", "expected", "binary"])
def test_training_learns_which_sentence_is_kept(kind: str) -> None:
    task = small_task(
        loss=kind, token_dropout=0.0, embedding_dropout=0.0, sentence_dropout=0.0, head_dropout=0.0
    ).train()
    batch = small_dataset(task.model).collate([0, 1])
    optimizer = torch.optim.Adam(task.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(task(batch), batch).backward()
        optimizer.step()
    task.eval()
    with torch.inference_mode():
        assert task(batch).argmax(1).tolist() == [1, 2]
    metrics = task.new_metrics()
    with torch.inference_mode():
        task.update_metrics(metrics, task(batch), batch)
    oracle = [each.scores(each.oracle(1))[0, 0] for each in batch.documents]
    assert float(metrics.compute()["rouge1"]) == pytest.approx(100 * np.mean(oracle))
