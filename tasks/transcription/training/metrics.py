"""Word and character error rates."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gru_suite.errors import UserError

INSTALL = 'word error rates need the package jiwer: pip install "gru-suite[text]"'


class TranscriptionMetrics(Metric):
    """Error rates of transcripts, over all recordings together.

    - ``wer``: word error rate: substituted, deleted and inserted words as a share of the words of
      the references.
    - ``cer``: character error rate, likewise, spaces included.
    - ``exact_match``: share of transcripts without an error.
    """

    full_state_update = False
    counts: Tensor

    def __init__(self) -> None:
        """Build empty counts.

        Raises:
            UserError: jiwer is not installed.
        """
        super().__init__()
        try:
            import jiwer
        except ImportError:
            raise UserError(INSTALL) from None
        self._jiwer: Any = jiwer
        # Word errors, words, character errors, characters, exact transcripts, transcripts.
        self.add_state("counts", torch.zeros(6, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """Add transcripts and their references."""
        kept = [row for row, text in enumerate(references) if text.strip()]
        if kept:
            pairs = [references[row] for row in kept], [hypotheses[row] for row in kept]
            words, letters = (
                self._jiwer.process_words(*pairs),
                self._jiwer.process_characters(*pairs),
            )
            found = [_errors(words), _length(words), _errors(letters), _length(letters)]
            found += [sum(a == b for a, b in zip(*pairs, strict=True)), len(kept)]
            self.counts += torch.tensor(found, dtype=torch.float64, device=self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name."""
        word_errors, words, letter_errors, letters, exact, texts = self.counts
        return {
            "wer": word_errors / words,
            "cer": letter_errors / letters,
            "exact_match": exact / texts,
        }


def _errors(output: Any) -> int:
    return int(output.substitutions + output.deletions + output.insertions)


def _length(output: Any) -> int:
    return int(output.hits + output.substitutions + output.deletions)
