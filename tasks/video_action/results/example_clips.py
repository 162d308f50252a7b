"""Example clips of the test part, for the plots of a run.

Shapes: T frames, H height, W width.
"""

from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from ..batches.augmentation import centre_crop
from ..inference.stepwise_predictions import stepwise_probabilities
from ..network.video_classifier import VideoClassifier
from .plots import ExampleClip

_MAX_CLIPS = 30
_MAX_POSTERIORS = 5


def example_clips(
    model: VideoClassifier, loader: DataLoader[Any], limit: int = _MAX_CLIPS
) -> list[ExampleClip]:
    """Return predictions for a clip of each of some videos, spread evenly over a part.

    Args:
        model: a trained model.
        loader: of validation or test.
        limit: maximum number of videos.

    Returns:
        Example clips; empty where the batches hold features instead of frames.
    """
    dataset: Any = loader.dataset
    num_videos = len(dataset.names)
    clips = []
    for video in np.unique(np.linspace(0, num_videos - 1, min(limit, num_videos)).round()):
        rows = np.flatnonzero(dataset.video_R == int(video))
        row = int(rows[len(rows) // 2])
        batch = dataset[row]
        if batch.x.dim() != 5:
            break
        x_THW3 = centre_crop(batch.x[0], model.schema["size"])
        probability_TK = stepwise_probabilities(model, x_THW3.to(model.device)).cpu().numpy()
        predicted = int(probability_TK[-1].argmax())
        clips.append(
            ExampleClip(
                dataset.names[int(video)],
                model.labels[int(batch.labels_B[0])],
                model.labels[predicted],
                float(probability_TK[-1, predicted]),
                x_THW3[len(x_THW3) // 2].numpy(),
                dataset.frame_times(row),
                probability_TK,
            )
        )
    return clips


def choose_clips(clips: list[ExampleClip], limit: int = _MAX_POSTERIORS) -> list[ExampleClip]:
    """Return a few clips: up to half of them misclassified, and of as many classes as possible."""
    wrong = [clip for clip in clips if clip.label != clip.truth][: limit // 2]
    right = [clip for clip in clips if clip.label == clip.truth]
    first_of_class = list({clip.truth: clip for clip in reversed(right)}.values())
    first_of_class.sort(key=lambda clip: clip.truth)
    others = [clip for clip in right if all(clip is not each for each in first_of_class)]
    return [*wrong, *first_of_class, *others][:limit] or clips[:limit]
