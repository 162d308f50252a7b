"""Word-by-word translation by IBM model 1 (Brown et al. 1993, "The Mathematics of SMT").

Shapes: N co-occurrences of a source and a target word in a pair of texts, M distinct ones, P target
words of all texts.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..reading.text_pairs import TextPairs

# Characters of scripts without spaces between words (Thai, Lao, Japanese, Chinese) are words.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
_MAX_WORDS = 100
# Some 50 bytes of memory each at the peak.
_MAX_COOCCURRENCES = 8_000_000
_NULL = ""

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class WordTranslator:
    """Dictionary of the most probable target word of each source word, applied in source order.

    Words are compared in lower case. An unknown word stays as it is, and so do the spaces.
    """

    def __init__(self, train: TextPairs, iterations: int = 10) -> None:
        """Fit the dictionary by expectation maximization.

        Args:
            train: the pairs. Only the first 100 words of a text are used, and the first pairs with
                8 million co-occurrences.
            iterations: of the expectation maximization.
        """
        source_words: dict[str, int] = {_NULL: 0}
        target_words: dict[str, int] = {}
        sources, targets = [], []
        num_cooccurrences = 0
        cases: dict[str, Counter[str]] = defaultdict(Counter)
        for source, target in zip(train.sources, train.targets, strict=True):
            words = _WORD.findall(target)[:_MAX_WORDS]
            sources.append(_ids(_WORD.findall(source)[:_MAX_WORDS], source_words))
            targets.append(_ids(words, target_words))
            for position, word in enumerate(words):
                # The case of a first word says little.
                cases[word.lower()][word] += 100 if position else 1
            num_cooccurrences += (len(sources[-1]) + 1) * len(words)
            if num_cooccurrences > _MAX_COOCCURRENCES:
                break
        self._best: dict[str, str] = {}
        if num_cooccurrences:
            best = _best_targets(
                sources, targets, list(source_words), list(target_words), iterations
            )
            self._best = {word: cases[other].most_common(1)[0][0] for word, other in best.items()}

    def translate(self, source: str) -> str:
        """Return the translation of each word in the order of the source."""
        text, end = "", 0
        for found in _WORD.finditer(source):
            word = self._best.get(found[0].lower(), found[0])
            space = source[end : found.start()]
            if text[-1:].isalnum() and word[:1].isalnum():
                space = space or " "
            text += space + word
            end = found.end()
        return text[:1].upper() + text[1:] if source[:1].isupper() else text


def _ids(words: Sequence[str], vocabulary: dict[str, int]) -> Ids:
    """Return the words' numbers in a vocabulary, to which new words are added."""
    numbers = [vocabulary.setdefault(word.lower(), len(vocabulary)) for word in words]
    return np.array(numbers, dtype=np.int64)


def _best_targets(
    sources: list[Ids],
    targets: list[Ids],
    source_words: list[str],
    target_words: list[str],
    iterations: int,
) -> dict[str, str]:
    source_M, target_M, probability_M = fit_model_1(sources, targets, iterations)
    # A word never becomes a sign.
    source_is_word = np.array([word[:1].isalnum() for word in source_words])
    target_is_word = np.array([word[:1].isalnum() for word in target_words])
    allowed_M = target_is_word[target_M] | ~source_is_word[source_M]
    rows = np.flatnonzero(allowed_M & (source_M != 0))
    rows = rows[np.lexsort((-probability_M[rows], source_M[rows]))]
    best = rows[np.unique(source_M[rows], return_index=True)[1]]
    return {source_words[source_M[row]]: target_words[target_M[row]] for row in best}


def fit_model_1(sources: list[Ids], targets: list[Ids], iterations: int) -> tuple[Ids, Ids, Floats]:
    """Estimate the probability of each target word given a source word, by IBM model 1.

    Args:
        sources: numbers of the words of each source; 0 is the null word, which is added here.
        targets: numbers of the words of each target.
        iterations: of the expectation maximization.

    Returns:
        Source word, target word and probability, shape (M,) each.
    """
    with_null = [np.append(source, 0) for source in sources]
    source_N = np.concatenate(
        [np.tile(source, len(target)) for source, target in zip(with_null, targets, strict=True)]
    )
    target_P = np.concatenate(targets)
    # Source words, with the null word, that each target word may come from.
    choices_P = np.repeat([len(each) for each in with_null], [len(each) for each in targets])
    position_N = np.repeat(np.arange(len(target_P)), choices_P)
    num_targets = int(target_P.max()) + 1
    pair_M, index_N = np.unique(source_N * num_targets + target_P[position_N], return_inverse=True)
    source_M, target_M = np.divmod(pair_M, num_targets)
    probability_M = np.ones(len(pair_M))
    for _ in range(iterations):
        posterior_N = probability_M[index_N]
        posterior_N /= np.bincount(position_N, posterior_N)[position_N]
        count_M = np.bincount(index_N, posterior_N, len(pair_M))
        probability_M = count_M / np.bincount(source_M, count_M)[source_M]
    return source_M, target_M, probability_M
