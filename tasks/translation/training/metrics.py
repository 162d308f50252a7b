"""BLEU, chrF and exact match of translations."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gru_suite.errors import UserError, nearest

INSTALL = 'pip install "gru-suite[text]"'


class TranslationMetrics(Metric):
    """BLEU, chrF and exact match of hypotheses, each with one reference.

    - ``bleu``: corpus BLEU (Papineni et al. 2002), 0 to 100, by sacreBLEU (Post 2018, arXiv
      1804.08771), cased.
    - ``chrf``: corpus chrF (Popović 2015), 0 to 100, by sacreBLEU.
    - ``exact_match``: share of hypotheses equal to their reference but for outer spaces.

    The states are sums of counts, so that several processes give the figures of one. They are
    those of ``sacrebleu.corpus_bleu`` and ``sacrebleu.corpus_chrf``.

    Attributes:
        bleu_counts: lengths of hypotheses and references, then matched and all n-grams of the
            hypotheses, of 1 to 4 words each.
        chrf_counts: n-grams of the hypotheses, of the references, and matched; of 1 to 6 letters
            each.
        num_exact: hypotheses equal to their reference.
        num_pairs: all hypotheses.
    """

    full_state_update = False

    bleu_counts: Tensor
    chrf_counts: Tensor
    num_exact: Tensor
    num_pairs: Tensor

    def __init__(self, tokenize: str = "13a") -> None:
        """Set all counts to 0.

        Args:
            tokenize: sacreBLEU's tokenizer for BLEU: ``13a``, ``intl``, ``char`` (for languages
                without spaces), ``none``, ...

        Raises:
            UserError: the package sacrebleu is missing, or has no such tokenizer.
        """
        super().__init__()
        self._bleu, self._chrf = _sacrebleu_metrics(tokenize)
        for name, size in (("bleu_counts", 10), ("chrf_counts", 18)):
            self.add_state(name, torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")
        for name in ("num_exact", "num_pairs"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """Add hypotheses and their references, in the same order."""
        pairs = list(zip(hypotheses, references, strict=True))
        if not pairs:
            return
        for counts, metric in ((self.bleu_counts, self._bleu), (self.chrf_counts, self._chrf)):
            # The sums that sacreBLEU itself computes its scores from. They have no public name.
            rows = metric._extract_corpus_statistics(list(hypotheses), [list(references)])
            counts += torch.tensor(rows, dtype=torch.int64).sum(0).to(counts.device)
        self.num_exact += sum(ours.strip() == theirs.strip() for ours, theirs in pairs)
        self.num_pairs += len(pairs)

    def compute(self) -> dict[str, Tensor]:
        """Return the three metrics by name; NaN before the first pair."""
        if not int(self.num_pairs):
            return {name: torch.tensor(float("nan")) for name in ("bleu", "chrf", "exact_match")}
        scores = {
            name: metric._aggregate_and_compute([counts.tolist()]).score
            for name, metric, counts in (
                ("bleu", self._bleu, self.bleu_counts),
                ("chrf", self._chrf, self.chrf_counts),
            )
        }
        scores["exact_match"] = int(self.num_exact) / int(self.num_pairs)
        options: dict[str, Any] = {"dtype": torch.float64, "device": self.num_pairs.device}
        return {name: torch.tensor(value, **options) for name, value in scores.items()}

    def signatures(self) -> dict[str, str]:
        """Return sacreBLEU's signatures of BLEU and chrF, which say how they were computed."""
        return {
            "bleu": str(self._bleu.get_signature()),
            "chrf": str(self._chrf.get_signature()),
        }


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a"
) -> dict[str, float]:
    """Return BLEU, chrF and exact match of a whole part, as :class:`TranslationMetrics` does."""
    metrics = TranslationMetrics(tokenize)
    metrics.update(hypotheses, references)
    return {name: float(value) for name, value in metrics.compute().items()}


def _sacrebleu_metrics(tokenize: str) -> tuple[Any, Any]:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise UserError(
            f"BLEU and chrF need the package sacrebleu, which is not installed:\n{INSTALL}"
        ) from None
    if tokenize not in BLEU.TOKENIZERS:
        hint = nearest(str(tokenize), BLEU.TOKENIZERS)
        raise UserError(f"data.bleu_tokenizer={tokenize}: sacreBLEU has no such tokenizer{hint}")
    try:
        # By force there is no warning of texts that are tokenized already, as some data is.
        metrics = BLEU(tokenize=tokenize, force=True), CHRF()
        for metric in metrics:
            # The signature has the number of references only after a first score.
            metric.corpus_score(["a"], [["a"]])
    except (ImportError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"data.bleu_tokenizer={tokenize}: needs another package ({reason})"
        ) from None
    return metrics
