"""Training of the tracking model.

Shapes: B batch, T frames.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.training.sequence_task import SequenceTask

from .batches.crops import LOG_SIZE
from .batches.track_dataset import TrackBatch
from .model import TrackingModel
from .network.targets import TrackOutput
from .reading.boxes import overlap, success_curve
from .results.plots import Example, plot_examples, plot_success
from .training.losses import overlaps, place_entropy, weighted_mean
from .training.metrics import TrackMetrics

# Of the loss of boxes where the object is hidden.
_HIDDEN_WEIGHT = 0.5
_OVERLAP_WEIGHT, _PLACE_WEIGHT, _VISIBILITY_WEIGHT = 0.3, 0.1, 0.3
# Of an area, in sides from its middle.
_BORDER = 0.5
_EXAMPLES = 5


class TrackingTask(SequenceTask):
    """A :class:`TrackingModel` in training."""

    model_class = TrackingModel
    model: TrackingModel
    better: ClassVar[dict[str, str]] = {
        "success": "max",
        "precision": "max",
        "norm_precision": "max",
        "after_occlusion": "max",
        "failures": "min",
        "visibility": "max",
    }

    def loss(self, output: TrackOutput, batch: TrackBatch) -> Tensor:
        """Return the sum of the losses of boxes, places in the area, and visibility.

        Boxes: the mean absolute error relative to the area, and 1 less the overlap; places and
        visibility: cross-entropies. An object counts as visible where its centre is in the area.
        """
        targets_BT4 = output.targets.nan_to_num()
        steps_T = torch.arange(1, targets_BT4.size(1) + 1, device=targets_BT4.device)
        valid_BT = steps_T < batch.lengths_B.unsqueeze(1)
        shift_BT = targets_BT4[..., :2].abs().amax(-1)
        seen_BT = batch.visible_BT[:, 1:] & (shift_BT < _BORDER)
        known_BT = valid_BT & output.targets.isfinite().all(-1)
        # Of objects far outside nothing can be said.
        weight_BT = known_BT * (shift_BT < 2 * _BORDER)
        weight_BT = weight_BT * torch.where(batch.visible_BT[:, 1:], 1.0, _HIDDEN_WEIGHT)
        low = targets_BT4.new_tensor([-1, -1, LOG_SIZE[0], LOG_SIZE[0]])
        error_BT4 = (output.found[..., :4] - targets_BT4.maximum(low).clamp(max=1)).abs()
        true_BT4 = torch.where(known_BT.unsqueeze(-1), batch.boxes_BT4[:, 1:], output.boxes)
        miss_BT = 1 - overlaps(output.boxes, true_BT4)
        box = weighted_mean(error_BT4.mean(-1) + _OVERLAP_WEIGHT * miss_BT, weight_BT)
        place_BT = place_entropy(output.scores, targets_BT4[..., :2])
        place = weighted_mean(place_BT, (known_BT & seen_BT).float())
        logits_BT = output.found[..., 4]
        seen = F.binary_cross_entropy_with_logits(logits_BT, seen_BT.float(), reduction="none")
        visibility = weighted_mean(seen, valid_BT.float())
        return box + _PLACE_WEIGHT * place + _VISIBILITY_WEIGHT * visibility

    def new_metrics(self) -> Metric:
        """Return success, precision, and what follows an occlusion."""
        return TrackMetrics()

    def update_metrics(self, metrics: Any, output: TrackOutput, batch: TrackBatch) -> None:
        """Add one batch."""
        rows = zip(
            output.boxes.cpu().numpy(),
            (output.found[..., 4] >= 0).cpu().numpy(),
            batch.boxes_BT4[:, 1:].cpu().numpy(),
            batch.visible_BT[:, 1:].cpu().numpy(),
            (batch.lengths_B - 1).tolist(),
            strict=True,
        )
        for found_T4, said_T, true_T4, visible_T, length in rows:
            metrics.update(found_T4[:length], true_T4[:length], visible_T[:length], said_T[:length])

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Plot the success curve beside that of a box that stays, and frames of some tracks."""
        curves: dict[str, list[NDArray[np.float64]]] = {self.model.backbone.cell: [], "stays": []}
        examples: list[Example] = []
        for batch in loader:
            with torch.inference_mode():
                boxes_BT4 = self.model(batch).boxes.cpu().numpy()
            for row, length in enumerate((batch.lengths_B - 1).tolist()):
                true_T4 = batch.boxes_BT4[row, 1 : length + 1].numpy()
                visible_T = batch.visible_BT[row, 1 : length + 1].numpy()
                known_T = visible_T & np.isfinite(true_T4).all(1)
                found_T4 = boxes_BT4[row, :length]
                stays_T4 = np.repeat(batch.boxes_BT4[row, :1].numpy(), length, 0)
                if known_T.any():
                    for name, each in zip(curves, (found_T4, stays_T4), strict=True):
                        curves[name].append(success_curve(overlap(each, true_T4)[known_T]))
                if len(examples) < _EXAMPLES:
                    frames = batch.frames[row, 1 : length + 1].numpy()
                    examples.append(Example(frames, found_T4, true_T4, visible_T))
        means = {name: np.mean(each, 0) for name, each in curves.items() if each}
        return [
            plot_success(folder / "success.png", means),
            plot_examples(folder / "tracks.png", examples),
        ]
