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

    def loss(self, output: tuple[Tensor, Tensor], batch: TranscriptBatch) -> Tensor:
        """Return the CTC loss a token (Graves et al. 2006, https://doi.org/10.1145/1143844.1143891).

        The mean over the batch of ``-log p(transcript) / number of tokens``. A recording too short
        for its transcript has a loss of 0.
        """
        log_BTV, steps_B = output
        return F.ctc_loss(
            log_BTV.transpose(0, 1),
            batch.target_BU,
            steps_B,
            batch.target_lengths_B,
            BLANK,
            zero_infinity=True,
        )

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
