"""Baselines of text classification: majority class, and tf-idf with logistic regression."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

from gru_suite.text.tokenizer import WORD_PATTERN
from gru_suite.training.linear_baselines import logistic_scores, majority_scores

from ..reading.labelled_texts import Parts


def baseline_scores(
    parts: Parts,
    labels: Mapping[str, Sequence[int]],
    class_counts: list[int],
    stage: str,
) -> dict[str, dict[str, float]]:
    """Fit the baselines on the training part and score them on another.

    Args:
        parts: ``train``, ``val`` (selects the penalty) and ``stage``. Without training texts, as
            when other data is scored, there is only the majority baseline.
        labels: class indices by part.
        class_counts: training texts of each class.
        stage: the part to score.
    """
    labels_by_part = {part: np.asarray(each) for part, each in labels.items()}
    majority = majority_scores(class_counts, labels_by_part[stage])
    if not len(parts["train"]):
        return {"majority": majority}
    # Tokens as in the model: the default pattern of scikit-learn drops "!", "?" and "i".
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=WORD_PATTERN, dtype=np.float32
    )
    features = {"train": vectorizer.fit_transform(parts["train"].texts)}
    features |= {
        part: vectorizer.transform(parts[part].texts)
        for part in ("val", "test")
        if len(parts[part])
    }
    return {
        "majority": majority,
        "tfidf_logistic": logistic_scores(features, labels_by_part, stage, len(class_counts)),
    }
