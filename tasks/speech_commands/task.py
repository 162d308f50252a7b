"""Training of the speech commands model, for words or any other labels of recordings.

Shapes: B batch, S samples (right-padded), K classes, L noise levels.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from gru_suite.audio.noise import mix_at_snr
from gru_suite.training.classification_task import ClassificationTask

from .model import SpeechCommandsModel
from .training.metrics import SpeechMetrics


class SpeechCommandsTask(ClassificationTask):
    """A :class:`SpeechCommandsModel` in training, scored also by speaker and in noise."""

    model_class: ClassVar[type[SpeechCommandsModel]] = SpeechCommandsModel
    model: SpeechCommandsModel
    better: ClassVar[dict[str, str]] = {
        **ClassificationTask.better,
        "speaker_std": "min",
        "speaker_worst": "max",
    }

    def __init__(self, *args: Any, label_smoothing: float = 0.1, **options: Any) -> None:
        """Build the model and the loss; see :class:`ClassificationTask`."""
        super().__init__(*args, label_smoothing=label_smoothing, **options)

    def new_metrics(self) -> SpeechMetrics:
        """Return :class:`SpeechMetrics` for this task's classes."""
        return SpeechMetrics(len(self.model.labels))

    def update_metrics(self, metrics: Metric, output: Tensor, batch: Any) -> None:
        """Add one batch."""
        metrics.update(output, batch.labels_B, batch.speakers_B)

    def _score(self, stage: str, metrics: Metric, batch: Any) -> None:
        """Score the batch without noise, and at each signal-to-noise ratio of the data module."""
        super()._score(stage, metrics, batch)
        levels = {snr_db: f"accuracy_snr_{snr_db:g}" for snr_db in batch.snr_db_L.tolist()}
        # A column of the results table for each of this run's ratios.
        self.better = {**type(self).better, **dict.fromkeys(levels.values(), "max")}  # type: ignore[misc]
        for snr_db, name in levels.items():
            snr_db_B = torch.full_like(batch.x[:, 0], snr_db)
            noisy_BS = mix_at_snr(batch.x, batch.lengths_B, batch.noise_BS, snr_db_B)
            right_B = self(batch._replace(x=noisy_BS)).argmax(1) == batch.labels_B
            self.log(
                f"{stage}/{name}",
                right_B.float().mean(),
                on_epoch=True,
                batch_size=len(right_B),
                sync_dist=True,
            )
