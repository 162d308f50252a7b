"""Data set and batches of pairs of token sequences.

Shapes: B batch, S source tokens (right-padded), T target tokens (right-padded).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gru_suite.data.batch_dataset import BatchDataset
from gru_suite.text.subwords import BEGIN, END, PADDING, UNKNOWN

from ..reading.text_pairs import TextPairs


class PairBatch(NamedTuple):
    """Sources with their targets.

    Attributes:
        source_BS: token ids of the sources.
        source_lengths_B: their tokens, 1..S.
        target_BT: token ids of the targets, from ``BEGIN`` to ``END``.
        target_lengths_B: their tokens, ``BEGIN`` and ``END`` included, 2..T.
        sources: the texts.
        references: the texts of the targets.
    """

    source_BS: Tensor
    source_lengths_B: Tensor
    target_BT: Tensor
    target_lengths_B: Tensor
    sources: list[str]
    references: list[str]


def pad(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return token ids, right-padded, and the lengths; an empty one becomes one unknown token."""
    tensors = [torch.tensor(list(each) or [UNKNOWN]) for each in sequences]
    padded_BS = pad_sequence(tensors, batch_first=True, padding_value=PADDING)
    return padded_BS, torch.tensor([len(each) for each in tensors])


class PairDataset(BatchDataset[PairBatch]):
    """Pairs of token sequences; a list of rows gives a batch.

    Attributes:
        pairs: the texts.
        source_ids: token ids of the sources.
        target_ids: token ids of the targets, without ``BEGIN`` and ``END``.
    """

    def __init__(
        self,
        pairs: TextPairs,
        source_ids: Sequence[Sequence[int]],
        target_ids: Sequence[Sequence[int]],
    ) -> None:
        """Store texts and token ids."""
        self.pairs, self.source_ids, self.target_ids = pairs, source_ids, target_ids
        # Both sides count: sources of one length have targets of many.
        self.lengths = [
            len(source) + len(target) for source, target in zip(source_ids, target_ids, strict=True)
        ]
        self.labels, self.names = [], pairs.sources

    def __getitems__(self, indices: Sequence[int]) -> PairBatch:
        """Return a batch of rows."""
        source_BS, source_lengths_B = pad([self.source_ids[row] for row in indices])
        target_BT, target_lengths_B = pad([[BEGIN, *self.target_ids[row], END] for row in indices])
        return PairBatch(
            source_BS,
            source_lengths_B,
            target_BT,
            target_lengths_B,
            [self.pairs.sources[row] for row in indices],
            [self.pairs.targets[row] for row in indices],
        )
