"""Word vectors from a text file as GloVe and fastText have it: a word and its numbers a line."""

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.errors import UserError


def copy_vectors(path: Path, vocabulary: Mapping[str, int], table_VF: Tensor) -> int:
    """Copy the vectors of the vocabulary's words into the table; other rows stay as they are.

    The file is read line by line, so it may be larger than the memory. The copied rows are scaled
    to the mean length of those that they replace, so that known and unknown words weigh alike.

    Args:
        path: text file, packed by gzip or not; fastText's first line (counts) is skipped.
        vocabulary: word to row of the table.
        table_VF: changed in place.

    Returns:
        How many words were found.

    Raises:
        UserError: no such file, another number of values than the table has, or no word found.
    """
    found: dict[int, NDArray[np.float32]] = {}
    size: int | None = None
    for number, word, numbers in _lines(path):
        if size is None:
            size = _check_size(path, number, len(numbers.split()), table_VF.size(1))
        row = vocabulary.get(word)
        if row is None or row in found:
            continue
        values = numbers.split()
        # Some published files hold words with spaces in them, such as ". . .".
        if len(values) > size:
            continue
        if len(values) < size:
            raise UserError(f"{path}: line {number} has {len(values)} values, the others {size}")
        try:
            found[row] = np.array(values, np.float32)
        except ValueError:
            raise UserError(f"{path}: line {number} holds something that is no number") from None
    if not found:
        raise UserError(
            f"{path}: none of its words is among the {len(vocabulary):,} of the vocabulary; needs "
            "lines of a word and its numbers, as GloVe and fastText have them"
        )
    vectors_NF = torch.from_numpy(np.stack([*found.values()])).to(table_VF)
    if not torch.isfinite(vectors_NF).all():
        raise UserError(f"{path}: holds numbers that are not finite")
    scale = table_VF.norm(dim=1).mean() / vectors_NF.norm(dim=1).mean().clamp(min=1e-12)
    table_VF[[*found]] = vectors_NF * scale
    return len(found)


def _check_size(path: Path, number: int, size: int, needed: int) -> int:
    if size != needed:
        advice = f"; set task.embedding_size={size}" if size > 1 else ""
        raise UserError(
            f"{path}: line {number} has {size} values after its word, the embedding has "
            f"{needed}{advice}"
        )
    return size


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, word and the rest."""
    if not path.is_file():
        raise UserError(f"task.vectors={path}: no such file")
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    with opened as lines:
        for number, raw in enumerate(lines, 1):
            word, _, numbers = raw.decode("utf-8", errors="replace").rstrip().partition(" ")
            if number == 1 and word.isdecimal() and numbers.strip().isdecimal():
                continue
            yield number, word, numbers
