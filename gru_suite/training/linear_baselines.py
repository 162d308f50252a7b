"""Baselines of classification: class shares, and logistic regression.

Shapes: N items, K classes.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from gru_suite.training.classification_metrics import ClassificationMetrics

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Values of C, the inverse of the penalty, from which the validation part chooses."""


def majority_scores(class_counts: list[int], labels_N: NDArray[Any]) -> dict[str, float]:
    """Score the class shares of the training part as the prediction for every item.

    Args:
        class_counts: items of each class in the training part.
        labels_N: true classes of the scored part.
    """
    counts_K = np.asarray(class_counts, np.float64)
    with np.errstate(divide="ignore"):
        log_share_K = np.log(counts_K / counts_K.sum())
    return _scores(np.tile(log_share_K, (len(labels_N), 1)), labels_N)


def logistic_scores(
    features: Mapping[str, Any], labels: Mapping[str, NDArray[Any]], stage: str, num_classes: int
) -> dict[str, float]:
    """Fit a logistic regression on ``train``, with the penalty most accurate on ``val``; score it.

    Args:
        features: matrices (dense or sparse, rows are items) by part: ``train``, ``val`` and
            ``stage``. Without ``val`` items C is 1.
        labels: class numbers by part.
        stage: the part to score.
        num_classes: K.
    """
    # On long texts the dual solver is four times as fast as lbfgs and converges; it is for two
    # classes only.
    dual = issparse(features["train"]) and num_classes == 2
    options = {"solver": "liblinear", "dual": True, "random_state": 0} if dual else {}
    choose = len(labels["val"]) > 0
    best: tuple[tuple[float, float], LogisticRegression] | None = None
    for penalty in PENALTIES if choose else (1.0,):
        model = LogisticRegression(C=penalty, max_iter=1000, **options)
        with warnings.catch_warnings():
            # After a thousand steps predictions no longer change.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features["train"], labels["train"])
        found = _score_model(model, features["val"], labels["val"], num_classes) if choose else {}
        # Small parts often tie on accuracy.
        merit = found.get("accuracy", 0.0), -found.get("nll", 0.0)
        if best is None or merit > best[0]:
            best = merit, model
    assert best is not None
    return _score_model(best[1], features[stage], labels[stage], num_classes)


def _score_model(
    model: LogisticRegression, features: Any, labels_N: NDArray[Any], num_classes: int
) -> dict[str, float]:
    # A class without training items has no column.
    log_probability_NK = np.full((len(labels_N), num_classes), -np.inf)
    log_probability_NK[:, model.classes_] = model.predict_log_proba(features)
    return _scores(log_probability_NK, labels_N)


def _scores(log_probability_NK: NDArray[Any], labels_N: NDArray[Any]) -> dict[str, float]:
    metrics = ClassificationMetrics(log_probability_NK.shape[1])
    # Bounded by float32, so that the likelihood of an unknown class is small and not zero.
    bounded_NK = np.maximum(log_probability_NK, -87.0)
    metrics.update(torch.from_numpy(bounded_NK), torch.from_numpy(np.asarray(labels_N, np.int64)))
    return {name: float(value) for name, value in metrics.compute().items()}
