"""Training of the translation model."""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.options import check_count, check_share
from gru_suite.training.sequence_task import SequenceTask
from gru_suite.training.stages import in_fit

from .batches.pair_dataset import PairBatch, PairDataset
from .model import TranslationModel
from .network.translator import target_ids
from .training.example_plots import plot_examples
from .training.generation_metrics import GenerationMetrics


class TranslationTask(SequenceTask):
    """A :class:`TranslationModel` in training, by teacher forcing."""

    model_class = TranslationModel
    model: TranslationModel
    better: ClassVar[dict[str, str]] = {
        "bleu": "max",
        "chrf": "max",
        "exact_match": "max",
        "perplexity": "min",
    }

    def __init__(
        self, *args: Any, label_smoothing: float = 0.1, val_decoded: int = 1_000, **options: Any
    ) -> None:
        """Build the model and the loss.

        Args:
            *args: see :class:`SequenceTask`.
            label_smoothing: share of the expected distribution that is spread over the vocabulary,
                0 to below 1; in training only.
            val_decoded: validation pairs that are decoded, greedily, after each epoch of a fit for
                its metrics; where there are more, batches are left out evenly. The test part is
                decoded whole, by beam search.
            **options: options of :class:`SequenceTask` and :class:`TranslationModel`.

        Raises:
            UserError: an option is out of its range.
        """
        check_share("task.label_smoothing", label_smoothing)
        check_count("task.val_decoded", val_decoded, 1)
        super().__init__(*args, **options)
        self.label_smoothing, self.val_decoded = label_smoothing, val_decoded
        self._seen_batches = 0

    def loss(self, output: Tensor, batch: PairBatch) -> Tensor:
        """Return the mean cross-entropy of the target tokens.

        In training with label smoothing (Szegedy et al. 2016, arXiv 1512.00567).
        """
        smoothing = self.label_smoothing if self.training else 0.0
        return F.cross_entropy(output, target_ids(batch), label_smoothing=smoothing)

    def new_metrics(self) -> Metric:
        """Return BLEU, chrF, exact match and perplexity."""
        return GenerationMetrics(self.model.schema["bleu_tokenizer"])

    def on_validation_epoch_start(self) -> None:
        """Start the metrics."""
        super().on_validation_epoch_start()
        self._seen_batches = 0

    def update_metrics(self, metrics: Any, output: Tensor, batch: PairBatch) -> None:
        """Add one batch: its perplexity, and the decoded texts."""
        ids_N = target_ids(batch)
        loss = F.cross_entropy(output, ids_N, reduction="sum")
        metrics.update_tokens(loss.double(), len(ids_N))
        beam_size = 1 if in_fit(self) else self.model.beam_size
        if in_fit(self):
            self._seen_batches += 1
            if (self._seen_batches - 1) % self._decoding_stride():
                return
        hypotheses = self.model.translate_batch(batch, beam_size)
        metrics.update(hypotheses, batch.references)

    def _decoding_stride(self) -> int:
        """Return of how many validation batches one is decoded."""
        loader: Any = self.trainer.val_dataloaders
        return max(1, -(-len(loader.dataset) // self.val_decoded))

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Plot the attention of examples, and the metrics by length of the source."""
        dataset = loader.dataset
        assert isinstance(dataset, PairDataset)
        with torch.inference_mode():
            return plot_examples(self.model, dataset.pairs, folder)
