"""Fits of the linear path: logistic regression, and how much another path's answers count.

Shapes: N texts, M features, K classes.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional as F

NUM_PARTS = 5
"""Parts of the training texts, each judged by a fit on the others, to weigh a prior by."""


def logistic(
    features_NM: csr_matrix, labels_N: NDArray[np.int64], num_classes: int, inverse_penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights, shape (K, M), and biases, shape (K,)."""
    # Slow to import, and needed by trainings only.
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    # As in the baseline: the dual solver is faster, but knows two classes only.
    options = {"solver": "liblinear", "dual": True} if num_classes == 2 else {}
    model = LogisticRegression(C=inverse_penalty, max_iter=300, random_state=0, **options)
    with warnings.catch_warnings():
        # By then no answer changes any more.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features_NM, labels_N)
    weight_KM, bias_K = model.coef_, model.intercept_
    if len(weight_KM) == 1:
        weight_KM, bias_K = (np.concatenate([-x, x]) / 2 for x in (weight_KM, bias_K))
    # A class may lack in a small training part.
    weights_KM, biases_K = np.zeros((num_classes, weight_KM.shape[1])), np.full(num_classes, -1e3)
    weights_KM[model.classes_], biases_K[model.classes_] = weight_KM, bias_K
    return weights_KM, biases_K


def left_out(
    features_NM: csr_matrix, labels_N: NDArray[np.int64], num_classes: int, inverse_penalty: float
) -> NDArray[np.float64] | None:
    """Return each text's logits by a fit without it, (N, K); None where a class has few texts."""
    from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]

    if np.bincount(labels_N, minlength=num_classes).min() < NUM_PARTS:
        return None
    logits_NK = np.empty((len(labels_N), num_classes))
    parts = StratifiedKFold(NUM_PARTS, shuffle=True, random_state=0)
    for seen, unseen in parts.split(labels_N, labels_N):
        weight_KM, bias_K = logistic(
            features_NM[seen], labels_N[seen], num_classes, inverse_penalty
        )
        logits_NK[unseen] = features_NM[unseen] @ weight_KM.T + bias_K
    return logits_NK


def weigh(logits_2NK: Tensor, labels_N: Tensor) -> tuple[list[float], Tensor]:
    """Return the factors of two answers and the bias, (K,), that fit the labels best together."""
    factors_2 = torch.ones(2, dtype=torch.float64, requires_grad=True)
    bias_K = torch.zeros(logits_2NK.size(2), dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([factors_2, bias_K], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        logits_NK = torch.einsum("s,snk->nk", factors_2, logits_2NK) + bias_K
        # Hardly felt, but answers without a fault would have factors without a bound.
        held = (factors_2 - 1).square().sum() + bias_K.square().sum()
        loss = F.cross_entropy(logits_NK, labels_N) + 1e-4 * held
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        solver.step(closure)  # type: ignore[arg-type]
    return factors_2.tolist(), bias_K.detach()
