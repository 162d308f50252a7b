"""Training of the summariser."""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from gru_suite.options import check_positive
from gru_suite.training.sequence_task import SequenceTask

from .batches.encoding import DocumentBatch
from .model import SummarizationModel
from .results.comparison import compare_with_baselines
from .results.summary_plots import plot_positions, plot_ranks
from .training.losses import resolve_loss, sentence_loss
from .training.metrics import RougeMetrics


class SummarizationTask(SequenceTask):
    """A :class:`SummarizationModel` in training."""

    model_class: ClassVar[type[SummarizationModel]] = SummarizationModel
    better: ClassVar[dict[str, str]] = {
        "rouge1": "max",
        "rouge2": "max",
        "rougeL": "max",
        "rouge1_mean": "max",
        "rouge2_mean": "max",
        "rougeL_mean": "max",
    }
    model: SummarizationModel

    def __init__(
        self, *args: Any, loss: str = "auto", temperature: float = 0.05, **options: Any
    ) -> None:
        """Build the model and the loss.

        Args:
            *args: see :class:`SequenceTask`.
            loss: ``expected``, ``listwise`` or ``binary``, see :func:`sentence_loss`; ``auto`` is
                expected for summaries of one sentence and binary for longer ones and for labels
                from a file.
            temperature: of the losses of summaries of one sentence, above 0: at their best,
                sentences whose ROUGE differs by so much differ by a factor of e in their share.
            **options: options of :class:`SequenceTask` and :class:`SummarizationModel`.

        Raises:
            UserError: an option is out of its range or set.
        """
        check_positive("task.temperature", temperature)
        super().__init__(*args, **options)
        schema = self.model.schema
        self.loss_kind = resolve_loss(loss, self.model.num_sentences, schema["labelled"])
        self.temperature = temperature
        self.scoring = {
            "num_sentences": self.model.num_sentences,
            "max_words": self.model.max_words,
        }

    def loss(self, output: Tensor, batch: DocumentBatch) -> Tensor:
        """Return the loss of the scores."""
        return sentence_loss(
            self.loss_kind,
            self.temperature,
            output,
            batch.gains_BS,
            batch.targets_BS,
            batch.lengths_B,
        )

    def new_metrics(self) -> RougeMetrics:
        """Return ROUGE against the best reference, and the mean over references."""
        return RougeMetrics()

    def update_metrics(self, metrics: Any, output: Tensor, batch: DocumentBatch) -> None:
        """Add the summaries of one batch."""
        metrics.update(batch.documents, self._choices(output, batch))

    def _choices(self, output: Tensor, batch: DocumentBatch) -> list[list[int]]:
        scores = output.float().cpu().tolist()
        return [
            self.model.choose(row[: len(document)], document.sentences)
            for row, document in zip(scores, batch.documents, strict=True)
        ]

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Plot chosen positions and ROUGE by rank; compare with the baselines document by document.

        Prints the difference to each baseline with its interval.
        """
        self.eval()
        documents, choices, scores = [], [], []
        with torch.inference_mode():
            for batch in loader:
                batch = self.transfer_batch_to_device(batch, self.device, 0)
                output = self(batch)
                documents += batch.documents
                choices += self._choices(output, batch)
                scores += output.float().cpu().tolist()
        paths = [
            plot_positions(documents, choices, folder / "positions.png"),
            plot_ranks(documents, scores, folder / "rouge_by_rank.png"),
        ]
        table, lines = compare_with_baselines(loader.dataset, documents, choices, folder)  # type: ignore[arg-type]
        print("\n".join(lines), flush=True)
        return [*paths, *table]
