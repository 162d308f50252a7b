"""Plots of chosen sentences: their positions, and their ROUGE by rank."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gru_suite.plots.figure import BLUE, GREY, ORANGE, figure

from ..batches.rouge import METRICS
from ..batches.scored_document import ScoredDocument

_PLACES = 12
_RANKS = 8


def plot_positions(
    documents: Sequence[ScoredDocument], choices: Sequence[Sequence[int]], path: Path
) -> Path:
    """Plot how often each position is chosen, by the model and by the oracle, as a PNG."""
    limit = max((len(each) for each in choices), default=1)
    oracle = [document.oracle(limit) for document in documents]
    with figure(path, 6.5, 3.2) as drawing:
        axes = drawing.subplots()
        places = np.arange(_PLACES)
        for shift, (name, chosen, color) in enumerate(
            [("model", choices, BLUE), ("oracle", oracle, GREY)]
        ):
            flat = np.array([min(place, _PLACES - 1) for each in chosen for place in each], int)
            share = np.bincount(flat, minlength=_PLACES) / max(len(flat), 1)
            axes.bar(places + 0.4 * shift - 0.2, share, 0.4, color=color, label=name)
        labels = [str(place + 1) for place in places]
        labels[-1] += "+"
        axes.set_xticks(places, labels)
        axes.set(
            title="Positions of the chosen sentences",
            xlabel="position in the document",
            ylabel="share of the chosen",
        )
        axes.legend()
    return path


def plot_ranks(
    documents: Sequence[ScoredDocument], scores: Sequence[Sequence[float]], path: Path
) -> Path:
    """Plot the mean ROUGE of single sentences by their rank in the model's scores, as a PNG."""
    by_rank: list[list[np.ndarray]] = [[] for _ in range(_RANKS)]
    for document, row in zip(documents, scores, strict=True):
        order = np.argsort(-np.asarray(row[: len(document)]), kind="stable")
        for rank, place in enumerate(order[:_RANKS]):
            by_rank[rank].append(100 * document.scores([int(place)])[0])
    means = np.array([np.mean(each, 0) for each in by_rank if each])
    with figure(path, 6.5, 3.2) as drawing:
        axes = drawing.subplots()
        for column, (name, color) in enumerate(zip(METRICS, (BLUE, ORANGE, GREY), strict=True)):
            axes.plot(np.arange(1, len(means) + 1), means[:, column], ".-", color=color, label=name)
        axes.set(
            title="ROUGE of a sentence by its rank",
            xlabel="rank by the score of the model",
            ylabel="mean F1, percent",
        )
        axes.legend()
    return path
