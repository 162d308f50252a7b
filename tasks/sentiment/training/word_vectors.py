"""Pretrained word vectors in the text format of GloVe and fastText: a word and its values a line.

Shapes: V vocabulary, N words found, F embedding size.
"""

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.errors import UserError


def copy_vectors(path: Path, vocabulary: Mapping[str, int], embedding_VF: Tensor) -> int:
    """Copy the vectors of the vocabulary's words into an embedding; other rows stay unchanged.

    The file is read line by line, so it may be larger than the memory. The copied rows are scaled
    to the mean norm of the embedding, so that words with and without a vector weigh alike.

    Args:
        path: text file, gzipped or not; the first line of fastText (counts) is skipped.
        vocabulary: word to row of the embedding.
        embedding_VF: changed in place.

    Returns:
        The number of words found.

    Raises:
        UserError: there is no such file, its vectors have another size than the embedding or bad
            values, or none of its words is in the vocabulary.
    """
    vectors: dict[int, NDArray[np.float32]] = {}
    size: int | None = None
    for number, word, numbers in _lines(path):
        if size is None:
            size = _check_size(path, number, len(numbers.split()), embedding_VF.size(1))
        row = vocabulary.get(word)
        if row is None or row in vectors:
            continue
        values = numbers.split()
        # Some published files have words with spaces, such as ". . .".
        if len(values) > size:
            continue
        if len(values) < size:
            raise UserError(f"{path}: line {number} has {len(values)} values, the others {size}")
        try:
            vectors[row] = np.array(values, np.float32)
        except ValueError:
            raise UserError(f"{path}: line {number} has a value that is not a number") from None
    if not vectors:
        raise UserError(
            f"{path}: none of its words is among the {len(vocabulary):,} of the vocabulary; needs "
            "lines of a word and its numbers, as GloVe and fastText have them"
        )
    vectors_NF = torch.from_numpy(np.stack([*vectors.values()])).to(embedding_VF)
    if not torch.isfinite(vectors_NF).all():
        raise UserError(f"{path}: has values that are not finite")
    scale = embedding_VF.norm(dim=1).mean() / vectors_NF.norm(dim=1).mean().clamp(min=1e-12)
    embedding_VF[[*vectors]] = vectors_NF * scale
    return len(vectors)


def _check_size(path: Path, number: int, size: int, needed: int) -> int:
    if size != needed:
        advice = f"; set task.embedding_size={size}" if size > 1 else ""
        raise UserError(
            f"{path}: line {number} has {size} values after its word, the embedding has "
            f"{needed}{advice}"
        )
    return size


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, word and the rest of the line."""
    if not path.is_file():
        raise UserError(f"task.vectors={path}: no such file")
    file = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    with file as lines:
        for number, line in enumerate(lines, 1):
            word, _, numbers = line.decode("utf-8", errors="replace").rstrip().partition(" ")
            if number == 1 and word.isdecimal() and numbers.strip().isdecimal():
                continue
            yield number, word, numbers
