from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from summarization_fixtures import REFERENCES, SENTENCES, documents

from gru_suite.errors import UserError
from gru_suite.tasks.summarization.batches.oracle import greedy_oracle
from gru_suite.tasks.summarization.batches.rouge import METRICS, best_reference, rouge_scores
from gru_suite.tasks.summarization.batches.scored_document import ScoredDocument
from gru_suite.tasks.summarization.batches.selection import choose_sentences
from gru_suite.tasks.summarization.reading.documents import Document
from gru_suite.tasks.summarization.results.comparison import paired_bootstrap
from gru_suite.tasks.summarization.training.baselines import baseline_choices, score_choices
from gru_suite.tasks.summarization.training.metrics import RougeMetrics


def reference_scorer(*names: str) -> Any:
    # Imported at collection, its log handler would hold that stream, and close it later.
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(names), use_stemmer=True)


def scored() -> list[ScoredDocument]:
    return [ScoredDocument(each) for each in documents().items]


def test_scores_are_those_of_rouge_score() -> None:
    scorer = reference_scorer(*METRICS)
    for sentences, references in zip(SENTENCES, REFERENCES, strict=True):
        for sentence in sentences:
            expected = [
                [scorer.score(reference, sentence)[name].fmeasure for name in METRICS]
                for reference in references
            ]
            np.testing.assert_array_equal(rouge_scores(sentence, references), expected)


def test_the_best_reference_has_the_best_rouge1() -> None:
    scores_RM = np.array([[0.2, 0.9, 0.9], [0.3, 0.1, 0.1]])
    assert best_reference(scores_RM).tolist() == [0.3, 0.1, 0.1]
    document = ScoredDocument(Document(["a b c d", "e f"], ["a b x y", "c d e f g h", "e f"]))
    best, mean = document.scores([0])
    assert best[0] == pytest.approx(0.5)
    assert mean[0] == pytest.approx((0.5 + 0.4 + 0) / 3)
    assert document.scores([1])[0].tolist() == [1, 1, 1]
    assert document.sentence_gains()[1] == 1


def test_the_greedy_oracle() -> None:
    sentences = ["the snow", "rain and wind", "the fences keep the snow off", "off the track"]
    references = ["fences keep snow off the track"]
    scorer = reference_scorer("rouge1")

    def score(places: tuple[int, ...]) -> float:
        text = " ".join(sentences[place] for place in places)
        return float(scorer.score(references[0], text)["rouge1"].fmeasure)

    assert greedy_oracle(sentences, references, 1) == max(combinations(range(4), 1), key=score)
    found = greedy_oracle(sentences, references)
    best = max((c for size in range(1, 5) for c in combinations(range(4), size)), key=score)
    assert score(found) == score(best)
    # Nothing in common: still a sentence, as every summary has one.
    assert greedy_oracle(["x", "y"], ["a b"]) == (0,)


def test_targets_are_of_the_oracle_or_of_the_file() -> None:
    first = scored()[0]
    assert first.targets(1).tolist() == [0, 1, 0]
    labelled = ScoredDocument(Document(["a", "b", "c"], labels=[True, False, True]))
    assert labelled.targets(1).tolist() == labelled.sentence_gains().tolist() == [1, 0, 1]
    assert labelled.references == ["a c"]


def test_choice_of_sentences() -> None:
    sentences = ["one two three", "four", "five six", "seven"]
    scores = [0.4, 0.1, 0.3, 0.2]
    assert choose_sentences(scores, sentences, 1) == [0]
    assert choose_sentences(scores, sentences, 3) == [0, 2, 3]
    assert choose_sentences(scores, sentences, 9) == [0, 1, 2, 3]
    # The one that would exceed the limit is passed over.
    assert choose_sentences(scores, sentences, 3, max_words=4) == [0, 3]
    assert choose_sentences(scores, sentences, 3, max_words=2) == [2]
    assert choose_sentences(scores, ["a b c"] * 4, 2, max_words=1) == [0]
    assert choose_sentences([0.5, 0.5], ["a", "b"], 1) == [0]
    assert choose_sentences([float("nan"), 0.1], ["a", "b"], 1) == [1]
    assert choose_sentences([], [], 1) == []
    with pytest.raises(UserError, match="2 scores for 1 sentences"):
        choose_sentences([1, 2], ["a"], 1)


def test_metrics_of_parts_add_up() -> None:
    items, choices = scored(), [[1], [0], [0]]
    whole = RougeMetrics()
    whole.update(items, choices)
    parts = [RougeMetrics(), RougeMetrics()]
    parts[0].update(items[:1], choices[:1])
    parts[1].update(items[1:], choices[1:])
    joined = RougeMetrics()
    joined.update([], [])
    # As torchmetrics does it with the states of several processes.
    joined.sums_2M = parts[0].sums_2M + parts[1].sums_2M
    joined.count = parts[0].count + parts[1].count
    # Sums in another order differ in the last bit.
    found, expected = ({k: float(v) for k, v in m.compute().items()} for m in (joined, whole))
    assert found == pytest.approx(expected, rel=1e-12)
    expected = np.mean([100 * a.scores(b)[0, 0] for a, b in zip(items, choices, strict=True)])
    assert float(whole.compute()["rouge1"]) == pytest.approx(expected)
    empty = RougeMetrics()
    empty.update([], [])
    assert torch.isnan(empty.compute()["rouge1"])


def test_baselines_choose_what_they_are_called() -> None:
    found = baseline_choices(scored(), SENTENCES, 1, None)
    assert found["first"] == [[0], [0], [0]]
    assert found["longest"] == [[1], [2], [0]]
    assert found["oracle"] == [[1], [2], [0]]
    vectorizer = TfidfVectorizer().fit([one for each in SENTENCES for one in each])
    for sentences, (place,) in zip(SENTENCES, found["tfidf_centroid"], strict=True):
        vectors = vectorizer.transform(sentences).toarray()
        assert place == (vectors @ vectors.mean(0)).argmax()
    assert "tfidf_centroid" not in baseline_choices(scored(), [], 1, None)
    assert "tfidf_centroid" not in baseline_choices(scored(), [["!"]], 1, None)
    several = baseline_choices(scored(), SENTENCES, 2, 8)
    assert several["first"] == [[0, 2], [0, 1], [0]]


def test_no_baseline_is_above_the_oracle_of_one_sentence() -> None:
    choices = baseline_choices(scored(), SENTENCES, 1, None)
    scores = {name: score_choices(scored(), each)["rouge1"] for name, each in choices.items()}
    assert max(scores.values()) == scores["oracle"]


def test_paired_bootstrap() -> None:
    generator = np.random.default_rng(1)
    difference_N = generator.normal(1.0, 2.0, 400)
    found = paired_bootstrap(difference_N)
    assert found.mean == pytest.approx(difference_N.mean())
    # The normal approximation: 1.96 standard errors.
    half = 1.96 * difference_N.std() / 20
    assert found.low == pytest.approx(found.mean - half, abs=0.02)
    assert found.high == pytest.approx(found.mean + half, abs=0.02)
    assert paired_bootstrap(difference_N) == found
    assert paired_bootstrap(np.zeros(5)) == (0, 0, 0)


@pytest.mark.slow
def test_baselines_of_scitldr_are_the_published_protocol(shared_data: object) -> None:
    from gru_suite.tasks.summarization.data import DocumentDataModule

    data = DocumentDataModule("scitldr", f"{shared_data}/scitldr", split=(0.9, 0.1, 0.0))
    data.setup()
    found = data.baselines("test")
    expected = {
        "first": (30.1, 10.6, 23.0),
        "longest": (30.3, 9.3, 21.5),
        "oracle": (47.8, 24.7, 38.2),
    }
    for name, scores in expected.items():
        assert [found[name][each] for each in METRICS] == pytest.approx(scores, abs=0.35), name
    assert found["tfidf_centroid"]["rouge1"] > 34.3
