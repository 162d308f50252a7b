"""Baselines: the majority class, and logistic regression on MFCC statistics.

Shapes: B batch, T frames, F coefficients, N clips.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from torch import Tensor

from gru_suite.audio.noise import valid_mask
from gru_suite.audio.spectral_features import SpectralFeatures
from gru_suite.training.linear_baselines import logistic_scores, majority_scores


def baseline_scores(
    loaders: Mapping[str, Iterable[Any]], schema: Mapping[str, Any], stage: str
) -> dict[str, dict[str, float]]:
    """Return the metrics of the baselines on a part.

    ``mfcc_logistic`` is a logistic regression on mean and standard deviation over time of a clip's
    MFCC and of their differences between frames; its penalty is chosen on the validation part.

    Args:
        loaders: of train, val and the stage.
        schema: of the data module.
        stage: the part to score.
    """
    features, labels = {}, {}
    for part, loader in loaders.items():
        features[part], labels[part] = clip_statistics(loader, schema["sample_rate_hz"])
    scaler = StandardScaler().fit(features["train"])
    scaled = {part: scaler.transform(x_NF) for part, x_NF in features.items()}
    num_classes = len(schema["labels"])
    return {
        "majority": majority_scores(list(schema["class_counts"]), labels[stage]),
        "mfcc_logistic": logistic_scores(scaled, labels, stage, num_classes),
    }


@torch.inference_mode()
def clip_statistics(
    loader: Iterable[Any], sample_rate_hz: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return MFCC statistics of each clip, shape (N, 4 * F), and the classes, shape (N,)."""
    extract = SpectralFeatures(sample_rate_hz, kind="mfcc")
    statistics, labels = [], []
    for batch in loader:
        x_BTF, lengths_B = extract(batch.x, batch.lengths_B)
        change_BTF = x_BTF[:, 1:] - x_BTF[:, :-1]
        statistics.append(
            torch.cat(
                [*_mean_and_std(x_BTF, lengths_B), *_mean_and_std(change_BTF, lengths_B - 1)], dim=1
            )
        )
        labels.append(batch.labels_B)
    return torch.cat(statistics).double().numpy(), torch.cat(labels).numpy()


def _mean_and_std(x_BTF: Tensor, lengths_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over the valid frames, each (B, F)."""
    mask_BT1 = valid_mask(lengths_B, x_BTF.size(1)).unsqueeze(2)
    count_B1 = lengths_B.clamp(min=1).unsqueeze(1)
    mean_BF = (x_BTF * mask_BT1).sum(1) / count_B1
    square_BF = ((x_BTF - mean_BF.unsqueeze(1)).square() * mask_BT1).sum(1) / count_B1
    return mean_BF, square_BF.sqrt()
