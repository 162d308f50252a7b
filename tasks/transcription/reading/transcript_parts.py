"""The parts of a data set of recordings with transcripts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gru_suite.data.held_out import leave_out
from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError

from .corpora import read_corpus
from .normalization import normalize
from .transcript_tables import read_transcript_table
from .utterances import Parts, Utterances


def read_parts(
    paths: Mapping[str, Path],
    audio_dir: Path | None,
    columns: Mapping[str, Any],
    part_column: str | None = None,
) -> Parts:
    """Read the table of each part, or a corpus that has its own parts.

    Args:
        paths: of train, and of other parts that have files of their own.
        audio_dir: folder that paths in tables are relative to; None is that of the table.
        columns: options of :func:`read_transcript_table`.
        part_column: of the training table: the part of each row; None where it has none.

    Raises:
        UserError: the data cannot be read.
    """
    train = paths["train"]
    if train.is_dir():
        if len(paths) > 1:
            raise UserError(f"data.path={train} is a folder, which has its parts itself")
        return read_corpus(train, columns.get("encoding", "utf-8"))
    if part_column is None:
        return {part: read_transcript_table(p, audio_dir, **columns) for part, p in paths.items()}
    whole = read_transcript_table(train, audio_dir, **columns, part_column=part_column)
    rows = range(len(whole))
    return {part: whole.select([n for n in rows if whole.parts[n] == part]) for part in PARTS}


def usable(found: Utterances, normalized: bool, max_bad_fraction: float) -> Utterances:
    """Return recordings with a transcript; others are left out, with a note.

    Args:
        found: the recordings.
        normalized: whether transcripts are in lower case without punctuation.
        max_bad_fraction: largest share of empty transcripts.

    Raises:
        UserError: there are more of them.
    """
    if normalized:
        found.texts = [normalize(text) for text in found.texts]
    empty = (row for row, text in enumerate(found.texts) if not text.strip())
    bad = dict.fromkeys(empty, "an empty transcript")
    return leave_out(found, bad, found.places, "recordings", max_bad_fraction)
