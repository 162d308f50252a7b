"""What inference needs of the training documents: tokenizer, document frequencies, lengths."""

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gru_suite.errors import UserError
from gru_suite.text.tokenizer import SPECIAL_TOKENS, TextTokenizer, train_tokenizer

from ..reading.documents import Document, Documents
from ..reading.sentences import split_sentences

# As in scikit-learn, words of one letter and punctuation say nothing about the subject.
_WORD = re.compile(r"\w\w+")


def fit_schema(
    train: Documents, vocabulary: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Fit vocabulary, inverse document frequencies and the usual length of a summary.

    Args:
        train: the training documents.
        vocabulary: arguments of :func:`train_tokenizer`.
        facts: further entries: truncation and n-grams of the tokenizer among them.

    Returns:
        Plain data: ``tokenizer``, ``vocabulary_size``, ``idf`` (of each token, 0 for those that are
        no words), ``num_sentences`` (of a summary), ``labelled``, and ``facts``.

    Raises:
        UserError: there are no documents, or some have labels and others do not.
    """
    if not len(train):
        raise UserError("found no training documents with a summary")
    labelled = {document.labels is not None for document in train.items}
    if len(labelled) > 1:
        first = next(each for each in train.items if each.labels is None)
        raise UserError(f"{first.location}: has no labels, and other documents have some")
    sentences = [sentence for document in train.items for sentence in document.sentences]
    backend = train_tokenizer(sentences, **vocabulary)
    schema = {
        **facts,
        "tokenizer": backend.to_str(),
        "vocabulary_size": backend.get_vocab_size(),
        "num_sentences": _usual_length(train.items),
        "labelled": labelled.pop(),
    }
    return {**schema, "idf": _document_frequencies(sentences, TextTokenizer(schema))}


def _usual_length(documents: Sequence[Document]) -> int:
    """Return the median number of sentences of the summaries, or of those that labels keep."""
    lengths = [
        sum(document.labels)
        if document.labels is not None
        else statistics.median(len(split_sentences(text)) for text in document.references)
        for document in documents
    ]
    return max(1, round(statistics.median(lengths)))


def _document_frequencies(sentences: Sequence[str], tokenizer: TextTokenizer) -> list[float]:
    """Return the smoothed inverse document frequency of each token; a sentence is a document."""
    counts: Counter[int] = Counter()
    for encoding in tokenizer.backend.encode_batch_fast(list(sentences)):
        counts.update(set(encoding.ids))
    words = tokenizer.backend.get_vocab()
    idf = [0.0] * len(words)
    for word, index in words.items():
        if index >= len(SPECIAL_TOKENS) and _WORD.search(word):
            idf[index] = round(math.log((1 + len(sentences)) / (1 + counts[index])) + 1, 5)
    return idf
