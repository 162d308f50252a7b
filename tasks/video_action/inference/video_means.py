"""Mean class probabilities over the clips of a video.

Shapes: N clips, V videos, K classes.
"""

import torch
from torch import Tensor


def video_means(log_probability_NK: Tensor, videos_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean probabilities of each video's clips.

    Args:
        log_probability_NK: of the clips.
        videos_N: numbers of the videos.

    Returns:
        Log-probabilities of the videos in the order of their numbers, shape (V, K), and a clip of
        each, shape (V,).
    """
    _, of_clip_N, counts_V = videos_N.unique(return_inverse=True, return_counts=True)
    total_VK = log_probability_NK.new_zeros(len(counts_V), log_probability_NK.size(1))
    total_VK.index_add_(0, of_clip_N, log_probability_NK.exp())
    clip_V = torch.empty_like(counts_V)
    clip_V[of_clip_N] = torch.arange(len(of_clip_N), device=clip_V.device)
    # Clamped to the range of float32, so that a probability of 0 has a finite loss.
    mean_VK = (total_VK / counts_V[:, None]).clamp(min=torch.finfo(torch.float32).tiny)
    return mean_VK.log(), clip_V
