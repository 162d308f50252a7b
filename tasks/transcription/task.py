"""Training of the transcription model.

Shapes: B batch, T time steps, V tokens, U tokens of a transcript.
"""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.audio.noise import valid_mask
from gru_suite.options import check_share
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.stages import in_fit

from .batches.ctc_tokens import BLANK
from .batches.transcript_dataset import TranscriptBatch
from .model import TranscriptionModel
from .training.metrics import TranscriptionMetrics


class TranscriptionTask(SequenceTask):
    """A :class:`TranscriptionModel` in training, by connectionist temporal classification."""

    model_class = TranscriptionModel
    model: TranscriptionModel
    better: ClassVar[dict[str, str]] = {"wer": "min", "cer": "min", "exact_match": "max"}

    def __init__(self, *args: Any, label_smoothing: float = 0.1, **options: Any) -> None:
        """Build the model and the loss.

        Args:
            *args: see :class:`SequenceTask`.
            label_smoothing: in training, weight of the cross-entropy between the uniform
                distribution over tokens and that of a time step, beside 1 less this of the CTC loss
                (Kim et al. 2018, https://arxiv.org/abs/1711.02212); 0 to below 1.
            **options: options of :class:`SequenceTask` and :class:`TranscriptionModel`.

        Raises:
            UserError: an option is out of its range.
        """
        check_share("task.label_smoothing", label_smoothing)
        super().__init__(*args, **options)
        self.label_smoothing = label_smoothing

    def loss(self, output: tuple[Tensor, Tensor], batch: TranscriptBatch) -> Tensor:
        """Return the CTC loss a token (Graves et al. 2006, https://doi.org/10.1145/1143844.1143891).

        The mean over the batch of ``-log p(transcript) / number of tokens``. A recording too short
        for its transcript has a loss of 0.
        """
        log_BTV, steps_B = output
        loss = F.ctc_loss(
            log_BTV.transpose(0, 1),
            batch.target_BU,
            steps_B,
            batch.target_lengths_B,
            BLANK,
            zero_infinity=True,
        )
        if not self.training or not self.label_smoothing:
            return loss
        valid_BT = valid_mask(steps_B, log_BTV.size(1))
        uniform = -log_BTV.mean(2)[valid_BT].mean()
        return (1 - self.label_smoothing) * loss + self.label_smoothing * uniform

    def new_metrics(self) -> Metric:
        """Return word and character error rate."""
        return TranscriptionMetrics()

    def update_metrics(
        self, metrics: Any, output: tuple[Tensor, Tensor], batch: TranscriptBatch
    ) -> None:
        """Add one batch: in a fit by greedy decoding, else as the model decodes."""
        log_BTV, steps_B = output
        beam_size = 1 if in_fit(self) else None
        hypotheses = [
            self.model.decode("", log_TV[:steps].float().cpu().numpy(), 0, beam_size).text
            for log_TV, steps in zip(log_BTV, steps_B.tolist(), strict=True)
        ]
        metrics.update(hypotheses, batch.texts)

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Plot examples of the part, and list all its transcripts."""
        from .results.example_transcripts import write_examples

        with torch.inference_mode():
            return write_examples(self.model, loader, folder)
