"""Class probabilities after each frame of a clip.

Shapes: B batch, T frames, W frames of a window, H height, w width, K classes, F features (of any
    stage).
"""

from typing import cast

import torch
from torch import Tensor

from gru_suite.nn.pooling import Pooling

from ..network.video_classifier import VideoClassifier

# Frames encoded and windows classified at once, to bound the memory of a long video.
_CHUNK = 64


@torch.inference_mode()
def stepwise_probabilities(model: VideoClassifier, x_THw3: Tensor) -> Tensor:
    """Return the class probabilities after every frame of a clip, shape (T, K).

    They depend on all frames up to this one, or, with a bidirectional backbone, on the window of a
    training clip's number of frames that ends with it.

    Args:
        model: in evaluation mode.
        x_THw3: frames of the model's input size, uint8, on the model's device.
    """
    chunks_TF = []
    for start in range(0, len(x_THw3), _CHUNK):
        before_1Hw3 = x_THw3[start - 1 : start] if start else None
        chunks_TF.append(model.encoder(x_THw3[None, start : start + _CHUNK], None, before_1Hw3)[0])
    z_TF = torch.cat(chunks_TF)
    if model.backbone.rnn.bidirectional:
        return _windows(model, z_TF, int(model.schema["num_frames"]))
    h_1TF, _ = model.backbone(z_TF[None])
    poolings = [cast(Pooling, pooling) for pooling in model.poolings]
    pooled_TF = torch.cat([_after_every_step(each, h_1TF) for each in poolings], dim=1)
    probability_TK: Tensor = model.head(pooled_TF).float().softmax(-1)
    return probability_TK


def _after_every_step(pooling: Pooling, h_1TF: Tensor) -> Tensor:
    state = {name: value.to(h_1TF.device) for name, value in pooling.initial_state(1).items()}
    summaries = []
    for h_11F in h_1TF.split(1, dim=1):
        summary_1F, state = pooling.advance(h_11F, state)
        summaries.append(summary_1F)
    return torch.cat(summaries)


def _windows(model: VideoClassifier, z_TF: Tensor, width: int) -> Tensor:
    ends_T = torch.arange(1, len(z_TF) + 1, device=z_TF.device)
    probabilities = []
    for end_B in ends_T.split(_CHUNK):
        lengths_B = end_B.clamp(max=width)
        steps_W = torch.arange(int(lengths_B.max()), device=z_TF.device)
        index_BW = ((end_B - lengths_B)[:, None] + steps_W).clamp(max=len(z_TF) - 1)
        probabilities.append(model.classify(z_TF[index_BW], lengths_B).float().softmax(-1))
    return torch.cat(probabilities)
