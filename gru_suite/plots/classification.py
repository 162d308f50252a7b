"""Confusion matrix, scores by class, and the most confident errors of a classifier.

Shapes: N items, K classes.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gru_suite.model.predictions import Predictions
from gru_suite.plots.figure import figure

MAX_MOST_WRONG = 50
# With more classes the numbers would be illegible.
_MAX_NUMBERED_CLASSES = 20
_MAX_LABEL_CHARACTERS = 20


def class_table(confusion_KK: NDArray[np.int64], labels: list[str]) -> pd.DataFrame:
    """Return precision, recall and F1 of each class, with the number of its items.

    Args:
        confusion_KK: counts; the row is the true class, the column the predicted one.
        labels: the classes' names.
    """
    correct_K = np.diagonal(confusion_KK)
    true_K, predicted_K = confusion_KK.sum(1), confusion_KK.sum(0)
    return pd.DataFrame(
        {
            "label": labels,
            "count": true_K,
            "precision": correct_K / np.maximum(predicted_K, 1),
            "recall": correct_K / np.maximum(true_K, 1),
            "f1": 2 * correct_K / np.maximum(true_K + predicted_K, 1),
        }
    )


def most_wrong(predictions: Predictions, limit: int = MAX_MOST_WRONG) -> pd.DataFrame:
    """Return the wrong predictions with the lowest probability of the true class, lowest first.

    Args:
        predictions: with their truth.
        limit: largest number of rows.
    """
    assert predictions.truth_N is not None
    probability_NK, truth_N = predictions.probability_NK, predictions.truth_N
    answer_N = probability_NK.argmax(1)
    of_truth_N = probability_NK[np.arange(len(truth_N)), truth_N]
    wrong_N = np.flatnonzero(answer_N != truth_N)
    worst_N = wrong_N[np.argsort(of_truth_N[wrong_N], kind="stable")][:limit]
    return pd.DataFrame(
        {
            predictions.kind: [predictions.names[index] for index in worst_N],
            "truth": [predictions.labels[index] for index in truth_N[worst_N]],
            "label": [predictions.labels[index] for index in answer_N[worst_N]],
            "probability_of_truth": of_truth_N[worst_N],
            "probability_of_label": probability_NK.max(1)[worst_N],
        }
    )


def plot_confusion(
    path: str | os.PathLike[str], confusion_KK: NDArray[Any], labels: list[str]
) -> Path:
    """Plot a confusion matrix.

    The colour is the share of the true class, the number the count.

    Args:
        path: the PNG to write.
        confusion_KK: counts; the row is the true class, the column the predicted one.
        labels: the classes' names.
    """
    num_classes = len(labels)
    share_KK = confusion_KK / np.maximum(confusion_KK.sum(1, keepdims=True), 1)
    # A dollar sign would start a formula of matplotlib.
    short = [_shorten(label).replace("$", r"\$") for label in labels]
    side = min(3.2 + 0.42 * num_classes, 14.0)
    with figure(path, side + 0.8, side) as drawing:
        axes = drawing.subplots()
        axes.grid(False)
        image = axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=1)
        drawing.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
        axes.set_xticks(range(num_classes), short, rotation=90 if num_classes > 4 else 0)
        axes.set_yticks(range(num_classes), short)
        axes.set(title="Confusion matrix", xlabel="predicted", ylabel="true")
        if num_classes <= _MAX_NUMBERED_CLASSES:
            for (row, column), count in np.ndenumerate(confusion_KK):
                color = "white" if share_KK[row, column] > 0.6 else "black"
                axes.text(column, row, f"{count:,}", ha="center", va="center", color=color)
        else:
            axes.tick_params(labelsize=6)
    return Path(path)


def _shorten(label: str) -> str:
    if len(label) <= _MAX_LABEL_CHARACTERS:
        return label
    return label[: _MAX_LABEL_CHARACTERS - 1] + "…"
