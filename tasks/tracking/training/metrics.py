"""Metrics of tracks: the one-pass evaluation of OTB, and what follows an occlusion."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from ..reading.boxes import (
    Boxes,
    centre_distance,
    normalized_distance,
    overlap,
    success_curve,
)

_PRECISION_PIXELS, _PRECISION_SIDES = 20.0, 0.2
# An object is hidden for this many frames or more before an occlusion counts, and its overlap is
# the mean of the frames after it.
_HIDDEN_FRAMES, _AFTER_FRAMES = 3, 8


class TrackMetrics(Metric):
    """Success and precision (Wu et al. 2013, https://doi.org/10.1109/CVPR.2013.312).

    Of all frames after the first in which the object is visible; a mean over tracks.

    - ``success``: area under the curve of the share of frames whose overlap is above a threshold,
      for 21 thresholds from 0 to 1.
    - ``precision``: share of frames whose centre is at most 20 pixels from the true one.
    - ``norm_precision``: the same for .2 sides of the true box.
    - ``after_occlusion``: mean overlap in the 8 visible frames after 3 or more in which the object
      was not visible, over all such events; NaN where there is none.
    - ``failures``: share of tracks that end without overlap.
    - ``visibility``: accuracy of visible or not, over all frames; NaN where it is not predicted.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self) -> None:
        """Build empty sums."""
        super().__init__()
        self.add_state("sums", torch.zeros(9, dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        found_T4: Boxes,
        true_T4: Boxes,
        visible_T: NDArray[np.bool_],
        said_T: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add a track, without its first frame.

        Args:
            found_T4: boxes.
            true_T4: true boxes; NaN where they are unknown.
            visible_T: whether the object is visible.
            said_T: whether it is predicted to be visible; None where it is not predicted.
        """
        known_T = visible_T & np.isfinite(true_T4).all(1)
        if not known_T.any():
            return
        overlap_T = np.where(known_T, overlap(found_T4, np.nan_to_num(true_T4)), np.nan)
        of_known = overlap_T[known_T]
        curve = success_curve(of_known)
        near = centre_distance(found_T4[known_T], true_T4[known_T]) <= _PRECISION_PIXELS
        sides = normalized_distance(found_T4[known_T], true_T4[known_T]) <= _PRECISION_SIDES
        events = _after_occlusions(overlap_T, visible_T)
        right = 0.0 if said_T is None else float((said_T == visible_T).sum())
        found = [1.0, curve.mean(), near.mean(), sides.mean(), float(of_known[-1] == 0)]
        found += [sum(events), len(events), right, 0.0 if said_T is None else len(visible_T)]
        self.sums += torch.tensor(found, dtype=torch.float64, device=self.sums.device)

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name."""
        tracks, success, precision, sides, failed, after, events, right, frames = self.sums
        return {
            "success": success / tracks,
            "precision": precision / tracks,
            "norm_precision": sides / tracks,
            "after_occlusion": after / events,
            "failures": failed / tracks,
            "visibility": right / frames,
        }


def _after_occlusions(overlap_T: NDArray[np.float32], visible_T: NDArray[np.bool_]) -> list[float]:
    """Return the mean overlap after each occlusion."""
    found: list[float] = []
    hidden = 0
    for frame, visible in enumerate(visible_T):
        if not visible:
            hidden += 1
            continue
        if hidden >= _HIDDEN_FRAMES:
            after = overlap_T[frame : frame + _AFTER_FRAMES]
            after = after[np.isfinite(after)]
            if len(after):
                found.append(float(after.mean()))
        hidden = 0
    return found
