"""Documents as tensors: token ids of their sentences, padded in two dimensions.

Shapes: B documents, S sentences (right-padded), W words of a sentence (right-padded), P ids of a
    word: its own, then those of its character n-grams.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gru_suite.model.batches import LengthBucketSampler
from gru_suite.text.tokenizer import PADDING, TextTokenizer

from .scored_document import ScoredDocument


class DocumentBatch(NamedTuple):
    """Documents, padded on the right in sentences and words.

    Attributes:
        lengths_B: sentences of each document, at least 1, int64.
        tokens: ids, shape (B, S, W), or with n-grams (B, S, W, P).
        words_BS: words of each sentence, int64; 0 at padding.
        gains_BS: value of each sentence as a summary of its own, 0 to 1; 0 at padding.
        targets_BS: 1 for sentences to keep, 0 for others and at padding.
        documents: what the summaries are scored with; none in a prediction.
    """

    lengths_B: Tensor
    tokens: Tensor
    words_BS: Tensor
    gains_BS: Tensor
    targets_BS: Tensor
    documents: tuple[ScoredDocument, ...] = ()


class DocumentDataset(Dataset[int]):
    """Encoded documents; an item is the number of one.

    The ids are looked up batch by batch: those of every n-gram of a data set would fill the memory.

    Attributes:
        documents: with their ROUGE scores; none in a prediction.
        lengths: sentences of each document.
        choices: the sentences that each baseline chooses, by the number of the document.
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[str]],
        tokenizer: TextTokenizer,
        documents: Sequence[ScoredDocument] = (),
        num_sentences: int | None = None,
    ) -> None:
        """Encode the documents.

        Args:
            sentences: of each document, at least one.
            tokenizer: encodes a sentence.
            documents: the same ones, to be scored; none for a prediction.
            num_sentences: most sentences of an oracle; None has no limit.
        """
        self.lengths = [len(each) for each in sentences]
        self.documents = list(documents)
        self.choices: dict[str, dict[int, list[int]]] = {}
        self._num_sentences = num_sentences
        # All at once, so that a word that occurs often is looked up once.
        self._sequences = tokenizer.encode([one for document in sentences for one in document])
        self._starts = [0]
        for length in self.lengths:
            self._starts.append(self._starts[-1] + length)

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> int:
        """Return the number itself, for :meth:`collate`."""
        return index

    @property
    def sequences(self) -> Sequence[Tensor]:
        """The encoded sentences of all documents, shape (W,) or (W, P) each."""
        return self._sequences

    def collate(self, rows: Sequence[int]) -> DocumentBatch:
        """Return a batch of the documents with these numbers."""
        encoded = [self._sentences(row) for row in rows]
        shape = (
            len(rows),
            max(map(len, encoded)),
            max(len(one) for each in encoded for one in each),
        )
        tokens = torch.full((*shape, *encoded[0][0].shape[1:]), PADDING)
        words_BS = torch.zeros(shape[:2], dtype=torch.int64)
        gains_BS, targets_BS = torch.zeros(shape[:2]), torch.zeros(shape[:2])
        for number, sentences in enumerate(encoded):
            for place, ids in enumerate(sentences):
                tokens[number, place, : len(ids)] = ids
                words_BS[number, place] = len(ids)
        documents = tuple(self.documents[row] for row in rows) if self.documents else ()
        for number, document in enumerate(documents):
            gains_BS[number, : len(document)] = torch.from_numpy(document.sentence_gains())
            targets_BS[number, : len(document)] = torch.from_numpy(
                document.targets(self._num_sentences)
            )
        lengths_B = torch.tensor([len(each) for each in encoded])
        return DocumentBatch(lengths_B, tokens, words_BS, gains_BS, targets_BS, documents)

    def _sentences(self, row: int) -> list[Tensor]:
        return [self._sequences[place] for place in range(*self._starts[row : row + 2])]


def document_loader(
    dataset: DocumentDataset, batch_size: int, shuffle: bool, seed: int = 0, num_workers: int = 0
) -> DataLoader[Any]:
    """Return batches of documents with similar numbers of sentences.

    Args:
        dataset: the documents.
        batch_size: documents in a batch.
        shuffle: in an order that changes with the epoch, for training.
        seed: of the order.
        num_workers: worker processes; 0 loads in this process.
    """
    return DataLoader(
        dataset,
        batch_size,
        sampler=LengthBucketSampler(dataset.lengths, batch_size, shuffle, seed),
        num_workers=num_workers,
        collate_fn=dataset.collate,
    )
