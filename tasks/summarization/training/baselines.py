"""Baselines of extractive summaries, and the oracle as their ceiling."""

from collections.abc import Sequence

import numpy as np

from ..batches.scored_document import ScoredDocument
from ..batches.selection import choose_sentences
from .metrics import RougeMetrics


def baseline_choices(
    documents: Sequence[ScoredDocument],
    training: Sequence[Sequence[str]],
    num_sentences: int,
    max_words: int | None,
) -> dict[str, list[list[int]]]:
    """Choose the sentences of each baseline.

    ``first``, ``longest`` (in words), ``tfidf_centroid`` (highest cosine of the sentence's TF-IDF
    vector and the mean of those of the document; without training documents there is none) and
    ``oracle`` (greedily the highest ROUGE-1 against the best reference, which no summary made of
    sentences of the document exceeds by much).

    Args:
        documents: to be summarised.
        training: sentences of the training documents, which TF-IDF is fitted on.
        num_sentences: most sentences of a summary.
        max_words: most words of a summary; None has no limit.

    Returns:
        Places of the sentences of each document, by baseline.
    """
    scores: dict[str, list[list[float]]] = {
        "first": [[-place for place in range(len(each))] for each in documents],
        "longest": [[len(one.split()) for one in each.sentences] for each in documents],
    }
    choices = {
        name: [
            choose_sentences(each, document.sentences, num_sentences, max_words)
            for each, document in zip(found, documents, strict=True)
        ]
        for name, found in {**scores, **_centroid_scores(documents, training)}.items()
    }
    # The oracle has no limit of words: it is a ceiling.
    return {**choices, "oracle": [list(each.oracle(num_sentences)) for each in documents]}


def score_choices(
    documents: Sequence[ScoredDocument], choices: Sequence[Sequence[int]]
) -> dict[str, float]:
    """Return the metrics of chosen sentences."""
    metrics = RougeMetrics()
    metrics.update(documents, choices)
    return {name: float(value) for name, value in metrics.compute().items()}


def _centroid_scores(
    documents: Sequence[ScoredDocument], training: Sequence[Sequence[str]]
) -> dict[str, list[list[float]]]:
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    sentences = [sentence for document in training for sentence in document]
    if not sentences:
        return {}
    try:
        vectorizer = TfidfVectorizer().fit(sentences)
    except ValueError:
        # No word of two letters in any of them.
        return {}
    found = []
    for document in documents:
        vectors = vectorizer.transform(document.sentences)
        centroid = np.asarray(vectors.mean(0)).ravel()
        found.append((vectors @ centroid).tolist())
    return {"tfidf_centroid": found}
