"""Plots of a run: attention of examples, metrics by length."""

from pathlib import Path

import numpy as np

from gru_suite.model.batches import spread_by_length

from ..model import TranslationModel
from ..reading.text_pairs import TextPairs
from ..results.plots import plot_attention, plot_score_by_length

_EXAMPLES, _SCORED = 4, 1_000


def plot_examples(model: TranslationModel, pairs: TextPairs, folder: Path) -> list[Path]:
    """Translate pairs of a part and plot attention and metrics.

    Args:
        model: the model.
        pairs: with references.
        folder: of the run.

    Returns:
        The files written.
    """
    lengths = [len(source.split()) for source in pairs.sources]
    usual = spread_by_length(lengths, 2 * _EXAMPLES + 1)[1::2]
    aligned = model.predict([pairs.sources[row] for row in usual], align=True)
    examples = [
        (each.source_words, each.target_words, np.asarray(each.attention)) for each in aligned
    ]
    attention = plot_attention(folder / "attention.png", examples)

    rows = spread_by_length(lengths, _SCORED)
    found = model.predict([pairs.sources[row] for row in rows], beam_size=1)
    by_length = plot_score_by_length(
        folder / "score_by_length.png",
        [lengths[row] for row in rows],
        found.texts,
        [pairs.targets[row] for row in rows],
    )
    return [by_length] if attention is None else [attention, by_length]
