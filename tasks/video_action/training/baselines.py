"""The trivial baselines: the majority class, and linear models that know no order of the frames.

Shapes: B batch, T frames (right-padded), H height, W width, F features, V videos.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from gru_suite.training.linear_baselines import logistic_scores, majority_scores

from ..batches.augmentation import centre_crop

# Height and width to which the mean frame is brought.
_MEAN_FRAME = (12, 15)
Describe = Callable[[Any], Tensor]
"""Turns a batch into a row of numbers for each of its clips, shape (B, F)."""


def baseline_scores(
    loaders: Mapping[str, DataLoader[Any]],
    schema: Mapping[str, Any],
    stage: str,
    scoring: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, float]]:
    """Return the metrics of the baselines on a part.

    Each is a logistic regression on a description of a video, the mean over its clips, with the
    penalty that is best on the validation part:

    - ``frame_statistics``: the mean frame in grey, mean and spread of the colours, and how strongly
      and where frames change. Needs no training; left out where the batches hold features.
    - ``frame_mean``: the mean over the frames of the features that the task's encoder gives.

    Args:
        loaders: of train, val and the stage.
        schema: of the data module.
        stage: the part to score.
        scoring: of the task; ``frame_features`` turns a batch into features, (B, T, F), and the
            valid frames, (B,). Without it ``frame_mean`` is left out.
    """
    size = list(schema["size"])
    describers: dict[str, Describe] = {}
    if next(iter(loaders[stage])).x.dim() == 5:
        describers["frame_statistics"] = lambda batch: frame_statistics(batch, size)
    encode = (scoring or {}).get("frame_features")
    if encode is not None:
        describers["frame_mean"] = lambda batch: frame_mean(*encode(batch))
    rows: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in describers}
    labels: dict[str, NDArray[np.int64]] = {}
    for part, loader in loaders.items():
        described, labels[part] = _describe(loader, describers)
        for name, rows_VF in described.items():
            rows[name][part] = rows_VF
    scores = {"majority": majority_scores(list(schema["class_counts"]), labels[stage])}
    for name, features in rows.items():
        scaler = StandardScaler().fit(features["train"])
        scaled = {
            part: scaler.transform(rows_VF) if len(rows_VF) else rows_VF
            for part, rows_VF in features.items()
        }
        scores[name] = logistic_scores(scaled, labels, stage, len(schema["labels"]))
    return scores


@torch.inference_mode()
def _describe(
    loader: DataLoader[Any], describers: Mapping[str, Describe]
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Return a row for each video by description, each (V, F), and the classes, (V,)."""
    parts: dict[str, list[Tensor]] = {name: [] for name in describers}
    videos, labels = [], []
    for batch in loader:
        videos.append(batch.videos_B)
        labels.append(batch.labels_B)
        for name, describe in describers.items():
            parts[name].append(describe(batch).double().cpu())
    videos_N = torch.cat(videos)
    _, of_clip_N, counts_V = videos_N.unique(return_inverse=True, return_counts=True)
    label_V = torch.empty_like(counts_V)
    label_V[of_clip_N] = torch.cat(labels)
    described = {}
    for name, part in parts.items():
        rows_NF = torch.cat(part)
        total_VF = rows_NF.new_zeros(len(counts_V), rows_NF.size(1))
        total_VF.index_add_(0, of_clip_N, rows_NF)
        described[name] = (total_VF / counts_V[:, None]).numpy()
    return described, label_V.numpy()


def frame_mean(z_BTF: Tensor, lengths_B: Tensor) -> Tensor:
    """Return the mean over the valid frames, shape (B, F)."""
    return (z_BTF * _mask(lengths_B, z_BTF.size(1))[:, :, None]).sum(1) / lengths_B[:, None]


def frame_statistics(batch: Any, size: list[int]) -> Tensor:
    """Return the mean frame, and mean and spread of colours and of changes, shape (B, F)."""
    x_BTHW3 = centre_crop(batch.x, size).float() / 255
    mask_BT = _mask(batch.lengths_B, x_BTHW3.size(1))
    weight_BT111 = (mask_BT / batch.lengths_B[:, None])[:, :, None, None, None]
    grey_BTHW1 = x_BTHW3.mean(-1, keepdim=True)
    mean_frame_BHW1 = (grey_BTHW1 * weight_BT111).sum(1)
    change_BTHW1 = torch.diff(grey_BTHW1, dim=1, prepend=grey_BTHW1[:, :1]).abs()
    change_BHW1 = (change_BTHW1 * weight_BT111).sum(1)
    mean_B3 = (x_BTHW3 * weight_BT111).sum(1).mean((1, 2))
    around_BTHW3 = x_BTHW3 - mean_B3[:, None, None, None]
    spread_B3 = (around_BTHW3.square() * weight_BT111).sum(1).mean((1, 2)).sqrt()
    # How evenly the movement is spread over time.
    moved_BT = change_BTHW1.mean((2, 3, 4))
    moved_B1 = (moved_BT * mask_BT).sum(1, keepdim=True) / batch.lengths_B[:, None]
    uneven_BT = (moved_BT - moved_B1).square() * mask_BT
    uneven_B1 = (uneven_BT.sum(1, keepdim=True) / batch.lengths_B[:, None]).sqrt()
    small = [
        F.adaptive_avg_pool2d(each.permute(0, 3, 1, 2), _MEAN_FRAME).flatten(1)
        for each in (mean_frame_BHW1, change_BHW1)
    ]
    return torch.cat([*small, mean_B3, spread_B3, moved_B1, uneven_B1], dim=1)


def _mask(lengths_B: Tensor, steps: int) -> Tensor:
    return torch.arange(steps, device=lengths_B.device) < lengths_B[:, None]
