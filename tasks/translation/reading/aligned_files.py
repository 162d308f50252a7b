"""Pairs of texts from two files, line by line."""

from pathlib import Path

import numpy as np

from gru_suite.data.tables.text_files import read_lines
from gru_suite.errors import UserError

from .text_pairs import TextPairs


def read_aligned_files(source_path: Path, target_path: Path, encoding: str = "utf-8") -> TextPairs:
    """Read two text files of which line N of one is the translation of line N of the other.

    Blank lines at the end of the longer file are dropped, with a note.

    Args:
        source_path: the sources, gzipped or not.
        target_path: the targets, gzipped or not.
        encoding: of both.

    Raises:
        UserError: a file is not readable, or they have different numbers of lines; the message
            says where the lengths of the lines stop to agree.
    """
    sources, notes = read_lines(source_path, encoding)
    targets, target_notes = read_lines(target_path, encoding)
    notes = [*notes, *target_notes]
    for path, lines, others in (
        (source_path, sources, targets),
        (target_path, targets, sources),
    ):
        count = 0
        while len(lines) > len(others) and not lines[-1].strip():
            lines.pop()
            count += 1
        if count:
            notes.append(f"{path.name}: {count} blank lines at its end were left out")
    if len(sources) != len(targets):
        raise UserError(
            f"{source_path} has {len(sources):,} lines and {target_path} has {len(targets):,}; "
            "line N of one must belong to line N of the other. "
            + _place_of_gap(source_path, sources, target_path, targets)
        )
    places = [f"{source_path.name}: line {number}" for number in range(1, len(sources) + 1)]
    return TextPairs(
        [line.strip() for line in sources], [line.strip() for line in targets], places, notes
    )


def _place_of_gap(
    source_path: Path, sources: list[str], target_path: Path, targets: list[str]
) -> str:
    """Say which lines of the longer file have no partner, as far as lengths tell.

    The gap is put where the lengths of the pairs before it, and of those behind it with the
    difference in lines skipped, are in the most constant ratio.
    """
    longer_path, longer, shorter = (
        (source_path, sources, targets)
        if len(sources) > len(targets)
        else (target_path, targets, sources)
    )
    gap = len(longer) - len(shorter)
    longer_N, shorter_N = (
        np.log1p([len(line.strip()) for line in lines]) for lines in (longer, shorter)
    )
    ratio = np.median(longer_N) - np.median(shorter_N)
    aligned_N = np.abs(longer_N[: len(shorter)] - shorter_N - ratio)
    shifted_N = np.abs(longer_N[gap:] - shorter_N - ratio)
    before_N = np.concatenate([[0.0], aligned_N.cumsum()])
    behind_N = shifted_N.sum() - np.concatenate([[0.0], shifted_N.cumsum()])
    start = int((before_N + behind_N).argmin()) + 1
    lines = f"line {start}" if gap == 1 else f"lines {start} to {start + gap - 1}"
    return f"By the lengths of the lines, look first near {lines} of {longer_path.name}"
