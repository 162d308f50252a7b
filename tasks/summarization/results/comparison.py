"""Comparison with the baselines document by document, with a paired bootstrap.

Shapes: N documents.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.files import atomic_path

from ..batches.rouge import METRICS
from ..batches.scored_document import ScoredDocument

if TYPE_CHECKING:
    from ..batches.encoding import DocumentDataset

NUM_SAMPLES = 10_000


class Difference(NamedTuple):
    """Mean difference of paired scores and its interval.

    Attributes:
        mean: of the differences.
        low: lower end of the interval of 95 %.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def paired_bootstrap(difference_N: NDArray[np.float64], seed: int = 0) -> Difference:
    """Return the mean of paired differences with its 95 % interval.

    By the percentiles of the means of 10,000 samples of the documents with replacement (Koehn 2004,
    https://aclanthology.org/W04-3250).
    """
    generator = np.random.default_rng(seed)
    count = len(difference_N)
    means = [
        difference_N[generator.integers(0, count, (100, count))].mean(1)
        for _ in range(NUM_SAMPLES // 100)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Difference(float(difference_N.mean()), float(low), float(high))


def compare_with_baselines(
    dataset: "DocumentDataset",
    documents: Sequence[ScoredDocument],
    choices: Sequence[Sequence[int]],
    folder: Path,
) -> tuple[list[Path], list[str]]:
    """Write the scores of each document, and the differences to each baseline.

    Args:
        dataset: the documents; its ``choices`` are those of the baselines.
        documents: those that the model has summarised.
        choices: its sentences.
        folder: of the tables ``documents.csv`` and ``over_baselines.csv``.

    Returns:
        The files written, and lines to print; none without baselines.
    """
    import pandas as pd

    if not dataset.choices:
        return [], []
    own = {id(document): chosen for document, chosen in zip(documents, choices, strict=True)}
    rows = [
        row
        for row, document in enumerate(dataset.documents)
        if id(document) in own and all(row in each for each in dataset.choices.values())
    ]
    scored = [dataset.documents[row] for row in rows]
    by_name = {"model": [own[id(document)] for document in scored]}
    by_name |= {name: [each[row] for row in rows] for name, each in dataset.choices.items()}
    scores = {
        name: np.array(
            [100 * each.scores(one)[0] for each, one in zip(scored, chosen, strict=True)]
        )
        for name, chosen in by_name.items()
    }
    columns: dict[str, Any] = {"document": [each.sentences[0][:80] for each in scored]}
    for name, chosen in by_name.items():
        columns[f"{name}_sentences"] = [" ".join(map(str, each)) for each in chosen]
        columns |= {f"{name}_{one}": scores[name][:, at] for at, one in enumerate(METRICS)}
    differences = [
        {"baseline": name, "metric": metric, **_difference(scores, name, at)}
        for name in dataset.choices
        for at, metric in enumerate(METRICS)
    ]
    tables = {
        "documents.csv": pd.DataFrame(columns),
        "over_baselines.csv": pd.DataFrame(differences),
    }
    for name, table in tables.items():
        with atomic_path(folder / name) as temporary:
            table.to_csv(temporary, index=False, float_format="%.4f")
    return [folder / name for name in tables], _lines(differences, len(rows))


def _difference(
    scores: dict[str, NDArray[np.float64]], baseline: str, column: int
) -> dict[str, float]:
    return paired_bootstrap(scores["model"][:, column] - scores[baseline][:, column])._asdict()


def _lines(differences: Sequence[dict[str, Any]], num_documents: int) -> list[str]:
    return [
        f"rouge1 over {each['baseline']}: {each['mean']:+.2f} ({each['low']:+.2f} to "
        f"{each['high']:+.2f}, paired bootstrap of {num_documents} documents, 95 %)"
        for each in differences
        if each["metric"] == "rouge1"
    ]
