"""Chunks of long training texts, each with the label of its text.

Shapes: T tokens, P ids of a token.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.options import check_count
from gru_suite.text.char_ngrams import NgramSequences
from gru_suite.text.tokenizer import token_ids

SENTENCE_ENDS = (".", "!", "?", "\u3002")
"""Tokens that end a sentence."""


def check_chunks(piece_tokens: int | None, piece_sentences: bool) -> None:
    """Check ``data.piece_tokens`` and ``data.piece_sentences``.

    Raises:
        UserError: chunks of less than one token, or of sentences without a least size.
    """
    if piece_tokens is not None:
        check_count("data.piece_tokens", piece_tokens, 1)
    elif piece_sentences:
        raise UserError("data.piece_sentences needs data.piece_tokens, the fewest in a chunk")


def split_into_chunks(
    sequences: Sequence[Tensor],
    labels: Sequence[int],
    names: Sequence[str],
    num_tokens: int,
    ends: Collection[int] | None = None,
) -> tuple[Sequence[Tensor], list[int], list[str]]:
    """Split encoded texts into chunks of equal length, or of complete sentences.

    Args:
        sequences: encoded texts, shape (T,) or (T, P) each.
        labels: class indices of the texts.
        names: the texts as the user knows them.
        num_tokens: length of a chunk. A last chunk of less than half of it is left out, unless it
            is the only one.
        ends: token ids that end a sentence; a chunk then ends with the first sentence end at or
            after ``num_tokens``. None splits at ``num_tokens``.

    Returns:
        Chunks, their class indices and the names of their texts, in the order of the texts.
    """
    # Indices of words are split before their n-grams are looked up, which would fill the memory.
    table = sequences.table_VP if isinstance(sequences, NgramSequences) else None
    texts = sequences.indices if isinstance(sequences, NgramSequences) else sequences
    end_ids = None if ends is None else torch.tensor(sorted(ends), dtype=torch.int64)
    chunks: list[Tensor] = []
    rows: list[int] = []
    for row, text in enumerate(texts):
        if end_ids is None:
            first, *others = text.split(num_tokens)
        else:
            ids_T = token_ids(text if table is None else table[text])
            first, *others = text.tensor_split(_chunk_ends(ids_T, end_ids, num_tokens))
        kept = [first, *(chunk for chunk in others if 2 * len(chunk) >= num_tokens)]
        chunks += kept
        rows += [row] * len(kept)
    encoded = chunks if table is None else NgramSequences(chunks, table)
    return encoded, [labels[row] for row in rows], [names[row] for row in rows]


def _chunk_ends(ids_T: Tensor, end_ids: Tensor, num_tokens: int) -> list[int]:
    """Return the indices at which a text is split."""
    ends: list[int] = []
    start = 0
    for end in (torch.isin(ids_T, end_ids).nonzero().flatten() + 1).tolist():
        if end - start >= num_tokens and end < len(ids_T):
            ends.append(end)
            start = end
    return ends
