"""ROUGE of a text against references (Lin 2004, https://aclanthology.org/W04-1013).

By the package ``rouge-score`` with its Porter stemmer, the one of the published figures.

Shapes: R references, M metrics: F1 of ROUGE-1, ROUGE-2 and ROUGE-L.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

METRICS = ("rouge1", "rouge2", "rougeL")
INSTALL = 'ROUGE needs the package rouge-score: pip install "gru-suite[text]"'

# Texts whose stems are kept: those of a data set of some 100,000 sentences.
_CACHED_TEXTS = 200_000


class _CachedTokenizer:
    """Stems of a text, computed once: each sentence meets several references, and they it."""

    def __init__(self) -> None:
        from rouge_score.tokenizers import DefaultTokenizer  # type: ignore[import-untyped]

        self.tokenize = lru_cache(_CACHED_TEXTS)(DefaultTokenizer(use_stemmer=True).tokenize)


def rouge_scores(text: str, references: Sequence[str]) -> NDArray[np.float64]:
    """Return the F1 of a text against each reference, shape (R, M), 0 to 1."""
    scorer = _scorer(METRICS)
    rows = [scorer.score(reference, text) for reference in references]
    return np.array([[row[name].fmeasure for name in METRICS] for row in rows])


def unigram_score(text: str, references: Sequence[str]) -> float:
    """Return the F1 of ROUGE-1 of a text against the best reference, 0 to 1."""
    scorer = _scorer(METRICS[:1])
    scores = (scorer.score(reference, text)["rouge1"].fmeasure for reference in references)
    return max(float(score) for score in scores)


def best_reference(scores_RM: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores against the reference with the highest ROUGE-1, as SciTLDR is scored."""
    best: NDArray[np.float64] = scores_RM[int(scores_RM[:, 0].argmax())]
    return best


@lru_cache(2)
def _scorer(names: tuple[str, ...]) -> "RougeScorer":
    try:
        from rouge_score.rouge_scorer import RougeScorer

        _leave_stderr_open()
    except ImportError as error:
        raise UserError(f"{INSTALL} ({error.name} is missing)") from None
    tokenizer: Any = _tokenizer()
    return RougeScorer(list(names), tokenizer=tokenizer)


@lru_cache(1)
def _tokenizer() -> _CachedTokenizer:
    return _CachedTokenizer()


def _leave_stderr_open() -> None:
    """Keep the log handler of absl, which rouge-score imports, from closing ``sys.stderr``.

    It does when logging is configured anew, as Hydra does, unless its stream is the process's own.
    """
    absl = sys.modules.get("absl.logging")
    if absl is not None:
        absl.get_absl_handler().python_handler.stream = sys.__stderr__
