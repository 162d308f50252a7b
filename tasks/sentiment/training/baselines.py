"""The linear model that most tutorials hide: weighted word pairs and a logistic regression."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

from gru_suite.training.linear_baselines import logistic_scores, majority_scores

from ..batches.tokenizer import WORD_PATTERN
from ..reading.text_files import Texts


def baseline_scores(
    parts: Mapping[str, Texts],
    numbers: Mapping[str, Sequence[int]],
    class_counts: list[int],
    stage: str,
) -> dict[str, dict[str, float]]:
    """Fit the baselines on the training part and score them on another.

    Args:
        parts: ``train``, ``val`` (chooses the penalty) and ``stage``. Without training texts, as
            when other data is scored, only the majority answer is known.
        numbers: class numbers by part.
        class_counts: training texts of each class.
        stage: the part to score.
    """
    labels = {part: np.asarray(each) for part, each in numbers.items()}
    majority = majority_scores(class_counts, labels[stage])
    if not len(parts["train"]):
        return {"majority": majority}
    # Words as the model sees them: scikit-learn's own pattern would drop "!", "?" and "i".
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
        "tfidf_logistic": logistic_scores(features, labels, stage, len(class_counts)),
    }
