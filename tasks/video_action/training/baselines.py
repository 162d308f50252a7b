"""Baselines: the majority class, and logistic regression without the order of frames.

Shapes: B batch, T frames (right-padded), H height, W width, F features, V videos.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional as F

from gru_suite.training.linear_baselines import logistic_scores, majority_scores

from ..batches.augmentation import centre_crop

# Height and width to which the mean frame is pooled.
_MEAN_FRAME = (12, 15)
ClipStatistics = Callable[[Any], Tensor]
"""Returns the statistics of each clip of a batch, shape (B, F)."""


def baseline_scores(
    loaders: Mapping[str, Iterable[Any]],
    schema: Mapping[str, Any],
    stage: str,
    scoring: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, float]]:
    """Return the metrics of the baselines on a part.

    Each is a logistic regression on statistics of a video, the mean over its clips, with a penalty
    chosen on the validation part:

    - ``frame_statistics``: the mean frame in greyscale, mean and standard deviation of the colours,
      and amount and place of changes between frames. Omitted where the batches hold features.
    - ``frame_mean``: the mean over frames of the encoder's features.

    Args:
        loaders: of train, val and the stage.
        schema: of the data module.
        stage: the part to score.
        scoring: of the task; ``frame_features`` returns the features of a batch, (B, T, F), and the
            valid frames, (B,). Without it ``frame_mean`` is omitted.
    """
    size = list(schema["size"])
    extractors: dict[str, ClipStatistics] = {}
    if next(iter(loaders[stage])).x.dim() == 5:
        extractors["frame_statistics"] = lambda batch: frame_statistics(batch, size)
    encode = (scoring or {}).get("frame_features")
    if encode is not None:
        extractors["frame_mean"] = lambda batch: frame_mean(*encode(batch))
    statistics: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in extractors}
    labels: dict[str, NDArray[np.int64]] = {}
    for part, loader in loaders.items():
        of_part, labels[part] = _video_statistics(loader, extractors)
        for name, x_VF in of_part.items():
            statistics[name][part] = x_VF
    scores = {"majority": majority_scores(list(schema["class_counts"]), labels[stage])}
    for name, features in statistics.items():
        scaler = StandardScaler().fit(features["train"])
        scaled = {
            part: scaler.transform(x_VF) if len(x_VF) else x_VF for part, x_VF in features.items()
        }
        scores[name] = logistic_scores(scaled, labels, stage, len(schema["labels"]))
    return scores


@torch.inference_mode()
def _video_statistics(
    loader: Iterable[Any], extractors: Mapping[str, ClipStatistics]
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Return statistics of each video by name, each (V, F), and the classes, shape (V,)."""
    batches: dict[str, list[Tensor]] = {name: [] for name in extractors}
    videos, labels = [], []
    for batch in loader:
        videos.append(batch.videos_B)
        labels.append(batch.labels_B)
        for name, extract in extractors.items():
            batches[name].append(extract(batch).double().cpu())
    videos_N = torch.cat(videos)
    _, of_clip_N, counts_V = videos_N.unique(return_inverse=True, return_counts=True)
    label_V = torch.empty_like(counts_V)
    label_V[of_clip_N] = torch.cat(labels)
    means = {}
    for name, values in batches.items():
        x_NF = torch.cat(values)
        total_VF = x_NF.new_zeros(len(counts_V), x_NF.size(1))
        total_VF.index_add_(0, of_clip_N, x_NF)
        means[name] = (total_VF / counts_V[:, None]).numpy()
    return means, label_V.numpy()


def frame_mean(z_BTF: Tensor, lengths_B: Tensor) -> Tensor:
    """Return the mean over the valid frames, shape (B, F)."""
    return (z_BTF * _mask(lengths_B, z_BTF.size(1))[:, :, None]).sum(1) / lengths_B[:, None]


def frame_statistics(batch: Any, size: list[int]) -> Tensor:
    """Return mean frame, and mean and deviation of colours and of changes, shape (B, F)."""
    x_BTHW3 = centre_crop(batch.x, size).float() / 255
    mask_BT = _mask(batch.lengths_B, x_BTHW3.size(1))
    weight_BT111 = (mask_BT / batch.lengths_B[:, None])[:, :, None, None, None]
    grey_BTHW1 = x_BTHW3.mean(-1, keepdim=True)
    mean_frame_BHW1 = (grey_BTHW1 * weight_BT111).sum(1)
    change_BTHW1 = torch.diff(grey_BTHW1, dim=1, prepend=grey_BTHW1[:, :1]).abs()
    change_BHW1 = (change_BTHW1 * weight_BT111).sum(1)
    mean_B3 = (x_BTHW3 * weight_BT111).sum(1).mean((1, 2))
    centred_BTHW3 = x_BTHW3 - mean_B3[:, None, None, None]
    std_B3 = (centred_BTHW3.square() * weight_BT111).sum(1).mean((1, 2)).sqrt()
    # Mean and standard deviation of the change over time.
    change_BT = change_BTHW1.mean((2, 3, 4))
    change_B1 = (change_BT * mask_BT).sum(1, keepdim=True) / batch.lengths_B[:, None]
    squares_BT = (change_BT - change_B1).square() * mask_BT
    deviation_B1 = (squares_BT.sum(1, keepdim=True) / batch.lengths_B[:, None]).sqrt()
    pooled = [
        F.adaptive_avg_pool2d(each.permute(0, 3, 1, 2), _MEAN_FRAME).flatten(1)
        for each in (mean_frame_BHW1, change_BHW1)
    ]
    return torch.cat([*pooled, mean_B3, std_B3, change_B1, deviation_B1], dim=1)


def _mask(lengths_B: Tensor, steps: int) -> Tensor:
    return torch.arange(steps, device=lengths_B.device) < lengths_B[:, None]
