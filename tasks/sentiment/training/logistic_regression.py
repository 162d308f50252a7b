"""Multinomial logistic regression on sparse features, and stacking of two sets of logits.

Shapes: N texts, M features, K classes.
"""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import (  # type: ignore[import-untyped]
    StratifiedKFold,
    cross_val_predict,
)
from torch import Tensor
from torch.nn import functional as F

NUM_FOLDS = 5
"""Folds of the training texts from which the weight of a prior is estimated."""


def fit_logistic(
    features_NM: csr_matrix, labels_N: NDArray[np.int64], num_classes: int, inverse_penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights, shape (K, M), and biases, shape (K,), of a logistic regression.

    A class without texts has weights of 0 and a bias that rules it out.
    """
    estimator = _estimator(num_classes, inverse_penalty)
    with warnings.catch_warnings():
        # By then no prediction changes any more.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(features_NM, labels_N)
    weights, biases = estimator.coef_, estimator.intercept_
    if len(weights) == 1:
        # scikit-learn has one logit for two classes.
        weights, biases = (np.concatenate([-each, each]) / 2 for each in (weights, biases))
    weight_KM, bias_K = np.zeros((num_classes, weights.shape[1])), np.full(num_classes, -1e3)
    weight_KM[estimator.classes_], bias_K[estimator.classes_] = weights, biases
    return weight_KM, bias_K


def held_out_logits(
    features_NM: csr_matrix, labels_N: NDArray[np.int64], num_classes: int, inverse_penalty: float
) -> NDArray[np.float64] | None:
    """Return out-of-fold logits, (N, K); None where a class has fewer texts than folds."""
    if np.bincount(labels_N, minlength=num_classes).min() < NUM_FOLDS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        logits: NDArray[np.float64] = cross_val_predict(
            _estimator(num_classes, inverse_penalty),
            features_NM,
            labels_N,
            cv=StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=0),
            method="decision_function",
        )
    return np.stack([-logits, logits], 1) / 2 if logits.ndim == 1 else logits


def stacking_weights(logits_2NK: Tensor, labels_N: Tensor) -> tuple[list[float], Tensor]:
    """Return the factors of two sets of logits and the bias, (K,), with the least cross-entropy."""
    factors_2 = torch.ones(2, dtype=torch.float64, requires_grad=True)
    bias_K = torch.zeros(logits_2NK.size(2), dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([factors_2, bias_K], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        logits_NK = torch.einsum("s,snk->nk", factors_2, logits_2NK) + bias_K
        # Without a penalty, factors of logits that separate the classes would grow without bound.
        penalty = (factors_2 - 1).square().sum() + bias_K.square().sum()
        loss = F.cross_entropy(logits_NK, labels_N) + 1e-4 * penalty
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        solver.step(closure)  # type: ignore[arg-type]
    return factors_2.tolist(), bias_K.detach()


def _estimator(num_classes: int, inverse_penalty: float) -> LogisticRegression:
    # As in the baseline: the dual solver is faster, but knows two classes only.
    options: dict[str, Any] = {"solver": "liblinear", "dual": True} if num_classes == 2 else {}
    return LogisticRegression(C=inverse_penalty, max_iter=300, random_state=0, **options)
