"""Tokenizer: texts to token ids, and tokens to their character offsets."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from gru_suite.errors import UserError, nearest
from gru_suite.text.char_ngrams import PADDING, CharNgrams, ids_table, ngram_sequences

__all__ = ["PADDING", "UNKNOWN", "TextTokenizer", "train_tokenizer", "unknown_rate"]

UNKNOWN = 1
"""Id of the unknown token."""

SPECIAL_TOKENS = ["[PAD]", "[UNK]"]
KINDS = ("word", "bpe")
TRUNCATIONS = ("head", "tail", "both")

# Words with English contractions split as in the Penn Treebank (do n't, movie 's), so that raw and
# tokenized texts give the same tokens; every other character is a token.
WORD_PATTERN = r"\w+(?=n't\b)|n't\b|'\w{1,2}\b|\w+|[^\w\s]"
_LINE_BREAK = r"<br\s*/?>"
# Spellings of one character, those of the Penn Treebank included, and the one they become. Some
# published data sets have lost the hyphens of -lrb- (left round bracket) and between words.
_SPELLINGS = {
    "[\u2018\u2019\u02bc]": "'",
    "``|''(?!\\w)|[\u201c\u201d]": '"',
    r"(?i)-?\blrb\b-?": "(",
    r"(?i)-?\brrb\b-?": ")",
    r"(?<=\w)[-\u2010\u2011](?=\w)": " ",
}
_BATCH = 1_000


def train_tokenizer(
    texts: Iterable[str],
    kind: str = "word",
    vocabulary_size: int = 20_000,
    min_count: int = 2,
    lowercase: bool = True,
) -> Tokenizer:
    """Train a tokenizer.

    Args:
        texts: the training texts.
        kind: ``word`` (a token is a word; others are unknown) or ``bpe`` (subwords by byte-pair
            encoding; only unseen characters are unknown).
        vocabulary_size: most tokens in the vocabulary, the two special ones included.
        min_count: least frequency of a word (of bpe: a pair) in the vocabulary.
        lowercase: ignore case.

    Raises:
        UserError: no such ``kind``.
    """
    if kind not in KINDS:
        raise UserError(f"data.tokenizer={kind}: no such kind{nearest(str(kind), KINDS)}")
    model: Any = models.WordLevel if kind == "word" else models.BPE
    trainer: Any = trainers.WordLevelTrainer if kind == "word" else trainers.BpeTrainer
    tokenizer = Tokenizer(model(unk_token=SPECIAL_TOKENS[UNKNOWN]))
    steps = [
        normalizers.NFKC(),
        normalizers.Replace(Regex(_LINE_BREAK), " "),
        *(normalizers.Replace(Regex(pattern), one) for pattern, one in _SPELLINGS.items()),
        *([normalizers.Lowercase()] if lowercase else []),
    ]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), "removed", invert=True)
    options = {"continuing_subword_prefix": "##"} if kind == "bpe" else {}
    tokenizer.train_from_iterator(
        texts,
        trainer(
            vocab_size=vocabulary_size,
            min_frequency=min_count,
            special_tokens=SPECIAL_TOKENS,
            show_progress=False,
            **options,
        ),
    )
    return tokenizer


class TextTokenizer:
    """The trained tokenizer of a schema, with truncation and character n-grams.

    Attributes:
        backend: tokenizer of the library ``tokenizers``.
        ngrams: character n-grams; None where tokens have none.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        """Restore the tokenizer.

        Args:
            schema: with ``tokenizer`` (its JSON), ``max_tokens`` and ``truncation``;
                ``char_ngrams`` where tokens have them.
        """
        self.backend = Tokenizer.from_str(schema["tokenizer"])
        self.max_tokens: int = schema["max_tokens"]
        self.truncation: str = schema["truncation"]
        sizes = schema.get("char_ngrams")
        self.ngrams = CharNgrams(*sizes) if sizes else None
        # get_vocab() copies the vocabulary: much slower than the tokenization of a text.
        self._vocabulary = self.backend.get_vocab() if sizes else {}

    def encode(self, texts: Sequence[str]) -> Sequence[Tensor]:
        """Return the token ids of each text, int64; a text without tokens is one unknown token.

        Returns:
            Shape (T,) each; with n-grams (T, P), the token's own id first.
        """
        if self.ngrams is not None:
            words = [
                self._truncate(self._words(text)) or SPECIAL_TOKENS[UNKNOWN:] for text in texts
            ]
            return ngram_sequences(words, self._vocabulary, UNKNOWN, self.ngrams)
        sequences: list[Tensor] = []
        # In batches, since the library's encodings take much more memory than the ids.
        for start in range(0, len(texts), _BATCH):
            for encoding in self.backend.encode_batch_fast(texts[start : start + _BATCH]):
                sequences.append(torch.tensor(self._truncate(encoding.ids) or [UNKNOWN]))
        return sequences

    def encode_chunk(self, text: str) -> Tensor:
        """Return the token ids of a part of a text, which is not truncated and may have none.

        Returns:
            Shape (T,) or (T, P), as :meth:`encode`.
        """
        if self.ngrams is None:
            return torch.tensor(self.backend.encode(text).ids, dtype=torch.int64)
        return ids_table(self._words(text), self._vocabulary, UNKNOWN, self.ngrams)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return start and end in the text of each token of :meth:`encode`."""
        return self._truncate(self.backend.encode(text).offsets) or [(0, len(text))]

    def ids_of(self, tokens: Iterable[str]) -> set[int]:
        """Return the ids of those tokens that are in the vocabulary."""
        ids = (self.backend.token_to_id(token) for token in tokens)
        return {each for each in ids if each is not None}

    def _words(self, text: str) -> list[str]:
        normalized = self.backend.normalizer.normalize_str(text)
        return [word for word, _ in self.backend.pre_tokenizer.pre_tokenize_str(normalized)]

    def _truncate(self, tokens: list[Any]) -> list[Any]:
        if len(tokens) <= self.max_tokens:
            return tokens
        if self.truncation == "head":
            return tokens[: self.max_tokens]
        if self.truncation == "tail":
            return tokens[-self.max_tokens :]
        tail = self.max_tokens // 2
        return tokens[: self.max_tokens - tail] + tokens[len(tokens) - tail :]


def unknown_rate(encoded: Sequence[Tensor]) -> float:
    """Return the share of tokens that are not in the vocabulary."""
    ids = torch.cat([token_ids(each) for each in encoded])
    return float((ids == UNKNOWN).double().mean())


def token_ids(tokens: Tensor) -> Tensor:
    """Return the tokens' own ids, shape (T,), of an encoded text of shape (T,) or (T, P)."""
    return tokens if tokens.dim() == 1 else tokens[:, 0]


def unknown_like(tokens: Tensor) -> Tensor:
    """Return as many unknown tokens without n-grams, in the same shape."""
    unknown = torch.full_like(tokens, PADDING)
    token_ids(unknown).fill_(UNKNOWN)
    return unknown
