"""Small tracking models, and videos of a square that moves."""

from typing import Any

import numpy as np
import torch

from gru_suite.tasks.tracking.model import TrackingModel


def tracking_model(**options: Any) -> TrackingModel:
    """Return an untrained model."""
    torch.manual_seed(2)
    model = TrackingModel(
        backbone=options.pop("backbone", {"cell": "gru", "hidden_size": 8, "num_layers": 2}),
        schema={"max_side": 160},
        crop_size=16,
        channels=[4, 6, 8],
        feature_size=12,
        **options,
    )
    return model.eval()


def moving_square(num_frames: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return frames of noise with a marked white square, (T, 40, 56, 3), and its boxes, (T, 4)."""
    draw = np.random.default_rng(seed)
    frames = draw.integers(0, 90, (num_frames, 40, 56, 3)).astype(np.uint8)
    boxes = np.zeros((num_frames, 4), np.float32)
    for number in range(num_frames):
        x, y = 8 + 2 * number, 12 + number
        frames[number, y : y + 10, x : x + 12] = 240
        # A square of one brightness has no correlation.
        frames[number, y + 2 : y + 5, x + 2 : x + 8] = 20
        boxes[number] = x, y, 12, 10
    return frames, boxes
