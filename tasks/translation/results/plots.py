"""Plots of attention, and of the score by the length of sources.

Shapes: T target tokens, S source tokens.
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gru_suite.plots.figure import BLUE, GREY, figure

# (source tokens, target tokens, weights of shape (T, S)).
AttentionExample = tuple[Sequence[str], Sequence[str], NDArray[Any]]

_CELL_INCHES = 0.21
_LETTER_INCHES = 0.075
_BAR_INCHES = 0.75
_TITLE_INCHES = 0.4
_TITLE = "Attention: output tokens (rows), source tokens (columns)"
_MAX_LETTERS = 18
_MAX_TOKENS = 60
_MIN_BIN_PAIRS = 5


def plot_attention(
    path: str | os.PathLike[str], examples: Sequence[AttentionExample]
) -> Path | None:
    """Plot attention as heat maps, one below the other, on one scale from 0 to 1.

    Args:
        path: the PNG to write.
        examples: source tokens, target tokens, and the weight of each source token for each target
            token, shape (T, S), whose rows add up to 1. Of longer texts the first 60 tokens are
            shown.

    Returns:
        The PNG, or None where no example has tokens on both sides; nothing is written then.
    """
    cut = [
        ([*sources][:_MAX_TOKENS], [*targets][:_MAX_TOKENS], np.asarray(weights_TS, dtype=float))
        for sources, targets, weights_TS in examples
        if len(sources) and len(targets)
    ]
    if not cut:
        return None
    left = max(_label_inches(targets) for _, targets, _ in cut)
    tops = [_label_inches(sources) for sources, _, _ in cut]
    columns = max(len(sources) for sources, _, _ in cut)
    width = max(left + _CELL_INCHES * columns + _BAR_INCHES, 4.6)
    heights = [
        top + _CELL_INCHES * len(each[1]) + 0.15 for top, each in zip(tops, cut, strict=True)
    ]
    height = max(sum(heights), 1.6) + _TITLE_INCHES
    # Every cell has one size, which no layout of matplotlib gives: so places are in inches.
    with warnings.catch_warnings(), figure(path, width, height) as drawing:
        # The font has no Chinese, say; boxes stand for those characters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        drawing.set_layout_engine("none")
        drawing.text(0.1 / width, 1 - 0.12 / height, _TITLE, va="top", fontsize=10)
        end = height - _TITLE_INCHES
        for (sources, targets, weights_TS), top in zip(cut, tops, strict=True):
            end -= top + _CELL_INCHES * len(targets)
            place = (left, end, _CELL_INCHES * len(sources), _CELL_INCHES * len(targets))
            axes = drawing.add_axes(_of_figure(place, width, height))
            image = _draw_weights(axes, sources, targets, weights_TS)
            end -= 0.15
        bar = (width - _BAR_INCHES + 0.2, height - _TITLE_INCHES - 1.4, 0.12, 1.3)
        bar_axes = drawing.add_axes(_of_figure(bar, width, height))
        drawing.colorbar(image, cax=bar_axes, ticks=[0, 0.5, 1])
    return Path(path)


def _draw_weights(
    axes: Any, sources: Sequence[str], targets: Sequence[str], weights_TS: NDArray[Any]
) -> Any:
    axes.grid(False)
    image = axes.imshow(
        weights_TS[: len(targets), : len(sources)], cmap="Blues", vmin=0, vmax=1, aspect="auto"
    )
    axes.set_xticks(range(len(sources)), [_label(each) for each in sources], rotation=90)
    axes.set_yticks(range(len(targets)), [_label(each) for each in targets])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8)
    # Thin lines between cells, to follow a row to its words.
    axes.set_xticks(np.arange(len(sources) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(targets) + 1) - 0.5, minor=True)
    axes.grid(True, which="minor", color="#E6E6E6", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def plot_score_by_length(
    path: str | os.PathLike[str],
    lengths: Sequence[int],
    hypotheses: Sequence[str],
    references: Sequence[str],
    num_bins: int = 8,
) -> Path:
    """Plot chrF by the length of the sources, in bins of as many pairs each as ties allow.

    Args:
        path: the PNG to write.
        lengths: tokens of each source.
        hypotheses: the translation of each.
        references: what it is compared with.
        num_bins: most bins.
    """
    from sacrebleu.metrics.chrf import CHRF

    lengths_N = np.asarray(lengths)
    bins = _length_bins(lengths_N, num_bins)
    metric = CHRF()
    scores = [
        metric.corpus_score(
            [hypotheses[row] for row in rows], [[references[row] for row in rows]]
        ).score
        for rows in bins
    ]
    names = [f"{_range(lengths_N[rows])}\n{len(rows):,} texts" for rows in bins]
    overall = metric.corpus_score(list(hypotheses), [list(references)]).score
    with figure(path, 6.5, 3.4) as drawing:
        axes = drawing.subplots()
        axes.grid(False, axis="x")
        axes.bar(range(len(bins)), scores, color=BLUE, width=0.72)
        axes.axhline(overall, color=GREY, linewidth=1, linestyle="--", zorder=3)
        axes.text(
            len(bins) - 0.55, overall, f"all: {overall:.1f}", ha="right", va="bottom", color=GREY
        )
        for index, score in enumerate(scores):
            axes.text(index, 1, f"{score:.1f}", ha="center", color="white")
        axes.set_xticks(range(len(bins)), names)
        axes.set_ylim(0, max(5.0, *scores, overall) * 1.1)
        axes.set(title="Score by length", xlabel="tokens of the source", ylabel="chrF")
    return Path(path)


def _label_inches(tokens: Sequence[str]) -> float:
    return _LETTER_INCHES * max(len(_label(each)) for each in tokens) + 0.12


def _of_figure(
    place: tuple[float, float, float, float], width: float, height: float
) -> tuple[float, float, float, float]:
    """Return left, bottom, width and height in inches as shares of the figure."""
    return place[0] / width, place[1] / height, place[2] / width, place[3] / height


def _label(token: str) -> str:
    shown = token.strip() or "␣"
    if len(shown) > _MAX_LETTERS:
        shown = shown[: _MAX_LETTERS - 1] + "…"
    # A dollar sign would start a formula of matplotlib.
    return shown.replace("$", r"\$")


def _length_bins(lengths_N: NDArray[Any], num_bins: int) -> list[NDArray[np.int64]]:
    """Return the rows of each bin; equal lengths are in one, and small bins in the one before."""
    shares = np.linspace(0, 1, num_bins + 1)[1:-1]
    edges = np.unique(np.quantile(lengths_N, shares, method="closest_observation"))
    numbers_N = np.searchsorted(edges, lengths_N, side="left")
    bins: list[NDArray[np.int64]] = []
    for number in np.unique(numbers_N):
        rows = np.flatnonzero(numbers_N == number)
        if bins and len(rows) < _MIN_BIN_PAIRS:
            rows = np.concatenate([bins.pop(), rows])
        bins.append(rows)
    return bins


def _range(lengths: NDArray[Any]) -> str:
    least, most = int(lengths.min()), int(lengths.max())
    return str(least) if least == most else f"{least}\N{EN DASH}{most}"
