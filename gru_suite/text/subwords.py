"""Reversible tokenizer for text that is generated: subwords, words or characters.

Shapes: T tokens of a text.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from gru_suite.options import check_choice, check_count

from .tokenizer import PADDING, UNKNOWN

__all__ = ["BEGIN", "END", "PADDING", "UNKNOWN", "SubwordTokenizer", "train_subwords"]

BEGIN, END = 2, 3
"""Ids of the tokens before the first and after the last token of a generated text."""

KINDS = ("bpe", "word", "char")
_SPECIAL = ["[PAD]", "[UNK]", "[BOS]", "[EOS]"]
# Stands for the space before a word, as in SentencePiece (Kudo and Richardson 2018).
_SPACE = "\u2581"
_BATCH = 1_000


def train_subwords(
    texts: Iterable[str],
    kind: str = "bpe",
    vocabulary_size: int = 8_000,
    min_count: int = 2,
    lowercase: bool = False,
) -> str:
    """Train a tokenizer whose tokens give the text back.

    Punctuation is kept; runs of white space become one space. Punctuation marks and digits are
    tokens of their own.

    Args:
        texts: the training texts.
        kind: ``bpe`` (subwords by byte-pair encoding, Sennrich et al. 2016, arXiv 1508.07909),
            ``word`` (words and punctuation marks; others are unknown) or ``char``.
        vocabulary_size: most tokens in the vocabulary, the four special ones included.
        min_count: least frequency of a word, or of a pair of subwords that are joined.
        lowercase: ignore case; texts come back in lower case.

    Returns:
        The tokenizer as JSON, for :class:`SubwordTokenizer`.

    Raises:
        UserError: an option is out of its range or set.
    """
    check_choice("data.tokenizer", kind, KINDS)
    check_count("data.vocabulary_size", vocabulary_size, len(_SPECIAL) + 1)
    check_count("data.min_count", min_count, 1)
    model: Any = models.WordLevel if kind == "word" else models.BPE
    tokenizer = Tokenizer(model(unk_token=_SPECIAL[UNKNOWN]))
    steps: list[Any] = [normalizers.NFC(), normalizers.Replace("\t", " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(
        [*steps, *([normalizers.Lowercase()] if lowercase else [])]
    )
    words: list[Any] = [
        pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.Metaspace(_SPACE, "always"),
        pre_tokenizers.Punctuation("isolated"),
        # Digits alone, so that numbers of the training texts say something of all others.
        pre_tokenizers.Digits(individual_digits=True),
    ]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words)
    tokenizer.decoder = decoders.Metaspace(_SPACE, "always")
    options: dict[str, Any] = {"special_tokens": _SPECIAL, "show_progress": False}
    if kind == "word":
        options |= {"vocab_size": vocabulary_size, "min_frequency": min_count}
        trainer: Any = trainers.WordLevelTrainer(**options)
    else:
        # A vocabulary as small as the alphabet has no joined pairs.
        size = vocabulary_size if kind == "bpe" else len(_SPECIAL)
        options |= {"vocab_size": size, "min_frequency": min_count}
        trainer = trainers.BpeTrainer(limit_alphabet=vocabulary_size - len(_SPECIAL), **options)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str()


class SubwordTokenizer:
    """Texts to token ids and back.

    Attributes:
        size: tokens in the vocabulary.
    """

    def __init__(self, text: str) -> None:
        """Restore a tokenizer from the JSON of :func:`train_subwords`."""
        self._backend = Tokenizer.from_str(text)
        self.size: int = self._backend.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, without begin and end; empty for an empty text."""
        found: list[list[int]] = []
        # In batches, since the library's encodings take much more memory than the ids.
        for start in range(0, len(texts), _BATCH):
            batch = self._backend.encode_batch_fast(list(texts[start : start + _BATCH]))
            found += [encoding.ids for encoding in batch]
        return found

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of ids; a space before a word is part of its first token."""
        names = (str(self._backend.id_to_token(each)) for each in ids)
        # An unknown word has lost the space before it.
        return [
            f" {name}" if name == _SPECIAL[UNKNOWN] else name.replace(_SPACE, " ") for name in names
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids; special tokens but the unknown one are left out."""
        return join_tokens(self.tokens(each for each in ids if each not in (PADDING, BEGIN, END)))

    def vocabulary(self) -> dict[str, int]:
        """Return the id of each token, as the tokenizer spells it."""
        return dict(self._backend.get_vocab())


def join_tokens(tokens: Iterable[str]) -> str:
    """Return the text of tokens, each with the space before it."""
    return "".join(tokens).strip()


def starts_of_words(tokens: Sequence[str]) -> list[int]:
    """Return the indices of the tokens that begin a word; the first one always does."""
    return [place for place, token in enumerate(tokens) if not place or token.startswith(" ")]
