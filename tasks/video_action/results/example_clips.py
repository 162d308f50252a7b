"""The test clips that a run's pictures show.

Shapes: T frames, H height, W width.
"""

from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from ..batches.augmentation import centre_crop
from ..inference.running_predictions import running_probabilities
from ..network.video_classifier import VideoClassifier
from .plots import ShownClip

_MAX_CLIPS = 30
_MAX_POSTERIORS = 5


def example_clips(
    model: VideoClassifier, loader: DataLoader[Any], limit: int = _MAX_CLIPS
) -> list[ShownClip]:
    """Judge a clip of each of some videos, spread evenly over a part.

    Args:
        model: a trained model.
        loader: of validation or test.
        limit: videos at most.

    Returns:
        Empty where the batches hold features of frames instead of frames.
    """
    dataset: Any = loader.dataset
    num_videos = len(dataset.names)
    shown = []
    for video in np.unique(np.linspace(0, num_videos - 1, min(limit, num_videos)).round()):
        rows = np.flatnonzero(dataset.video_R == int(video))
        row = int(rows[len(rows) // 2])
        batch = dataset[row]
        if batch.x.dim() != 5:
            break
        x_THW3 = centre_crop(batch.x[0], model.schema["size"])
        running_TK = running_probabilities(model, x_THW3.to(model.device)).cpu().numpy()
        answer = int(running_TK[-1].argmax())
        shown.append(
            ShownClip(
                dataset.names[int(video)],
                model.labels[int(batch.labels_B[0])],
                model.labels[answer],
                float(running_TK[-1, answer]),
                x_THW3[len(x_THW3) // 2].numpy(),
                dataset.frame_times(row),
                running_TK,
            )
        )
    return shown


def choose_posteriors(clips: list[ShownClip], limit: int = _MAX_POSTERIORS) -> list[ShownClip]:
    """Return a few clips to look at closely: up to half of them wrong, classes as they differ."""
    wrong = [clip for clip in clips if clip.label != clip.truth][: limit // 2]
    right = [clip for clip in clips if clip.label == clip.truth]
    first_of_class = list({clip.truth: clip for clip in reversed(right)}.values())
    first_of_class.sort(key=lambda clip: clip.truth)
    others = [clip for clip in right if all(clip is not each for each in first_of_class)]
    return [*wrong, *first_of_class, *others][:limit] or clips[:limit]
