"""Baselines of translation: the source itself, the nearest training source, word by word."""

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

from ..reading.text_pairs import TextPairs
from .metrics import translation_scores
from .word_alignment import WordTranslator

# Longer n-grams gave no better targets on the validation parts of Multi30k and of the written
# dates, and n-grams of letters, alone or with those of words, worse ones.
_NGRAMS = (1, 4)
_TOKEN_PATTERN = r"\w+|[^\w\s]"
# Their memory is some 10 kB a source.
_MAX_SOURCES = 100_000
# The similarities of a block with all training sources are in memory at once, 4 bytes each.
_BLOCK_CELLS = 8_000_000


def baseline_scores(
    train: TextPairs, scored: TextPairs, tokenize: str = "13a"
) -> dict[str, dict[str, float]]:
    """Fit the baselines on the training pairs and score them on others.

    - ``copy``: the source as it is.
    - ``nearest``: the target of the training source with the most similar TF-IDF vector of 1 to 4
      words.
    - ``word_by_word``: each word by its most probable target word of IBM model 1.

    Args:
        train: the training pairs. Without any, as when other data is scored, there is only
            ``copy``.
        scored: the pairs to score.
        tokenize: sacreBLEU's tokenizer.
    """
    hypotheses = {"copy": scored.sources}
    if len(train):
        translator = WordTranslator(train)
        hypotheses["nearest"] = nearest_targets(train, scored.sources)
        hypotheses["word_by_word"] = [translator.translate(source) for source in scored.sources]
    return {
        name: translation_scores(texts, scored.targets, tokenize)
        for name, texts in hypotheses.items()
    }


def nearest_targets(train: TextPairs, sources: list[str]) -> list[str]:
    """Return the target of the most similar training source of each source.

    The first training target is that of a source that shares no word with any. Only the first
    100,000 training pairs are searched.
    """
    vectorizer = TfidfVectorizer(
        ngram_range=_NGRAMS, sublinear_tf=True, token_pattern=_TOKEN_PATTERN, dtype=np.float32
    )
    try:
        train_features: Any = vectorizer.fit_transform(train.sources[:_MAX_SOURCES]).T.tocsr()
    except ValueError:
        # scikit-learn, if no source has a token.
        return [train.targets[0]] * len(sources)
    features: Any = vectorizer.transform(sources)
    size = max(1, _BLOCK_CELLS // train_features.shape[1])
    nearest: list[int] = []
    for start in range(0, len(sources), size):
        similarity = (features[start : start + size] @ train_features).toarray()
        nearest.extend(similarity.argmax(1).tolist())
    return [train.targets[row] for row in nearest]
