"""From text to token numbers and back to places in the text."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from gru_suite.errors import UserError, nearest

from .char_ngrams import MAX_NGRAMS, PADDING, CharNgrams, piece_sequences

__all__ = ["PADDING", "UNKNOWN", "TextCodec", "train_tokenizer", "unknown_share"]

UNKNOWN = 1
SPECIAL_TOKENS = ["[PAD]", "[UNK]"]
KINDS = ("word", "bpe")
TRUNCATIONS = ("head", "tail", "both")

# Words, with English endings apart as the Penn Treebank has them (do n't, movie 's), so that raw
# and tokenized texts give the same tokens; any other sign by itself.
WORD_PATTERN = r"\w+(?=n't\b)|n't\b|'\w{1,2}\b|\w+|[^\w\s]"
_LINE_BREAK = r"<br\s*/?>"
# Signs that texts write in several ways, the Penn Treebank's among them, and the one that counts.
# Some published data sets have lost the hyphens of -lrb- (a left round bracket) and between words.
_SIGNS = {
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
    """Learn a vocabulary.

    Args:
        texts: the training texts.
        kind: ``word`` (a token a word, all others unknown) or ``bpe`` (pieces of words, learned by
            byte-pair encoding; only letters never seen are unknown).
        vocabulary_size: tokens at most, the two special ones included.
        min_count: a token (of bpe: a pair) that occurs less often is not taken up.
        lowercase: take small and capital letters as the same.

    Raises:
        UserError: an option has an impossible value.
    """
    if kind not in KINDS:
        raise UserError(f"data.tokenizer={kind}: no such kind{nearest(str(kind), KINDS)}")
    model: Any = models.WordLevel if kind == "word" else models.BPE
    trainer: Any = trainers.WordLevelTrainer if kind == "word" else trainers.BpeTrainer
    tokenizer = Tokenizer(model(unk_token=SPECIAL_TOKENS[UNKNOWN]))
    steps = [
        normalizers.NFKC(),
        normalizers.Replace(Regex(_LINE_BREAK), " "),
        *(normalizers.Replace(Regex(sign), one) for sign, one in _SIGNS.items()),
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


class TextCodec:
    """Encodes texts by what a schema says: vocabulary, and where long texts are cut."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Restore the tokenizer.

        Args:
            schema: with ``tokenizer`` (its JSON), ``max_tokens`` and ``truncation``;
                ``char_ngrams`` where tokens have some.
        """
        self.tokenizer = Tokenizer.from_str(schema["tokenizer"])
        self.max_tokens: int = schema["max_tokens"]
        self.truncation: str = schema["truncation"]
        sizes = schema.get("char_ngrams")
        self.ngrams = CharNgrams(*sizes) if sizes else None
        # Asked for at every text it would take longer than all the rest.
        self._vocabulary = self.tokenizer.get_vocab() if sizes else {}

    def encode(self, texts: Sequence[str]) -> Sequence[Tensor]:
        """Return the token numbers of each text, int64; a text without any is one unknown token.

        Returns:
            Shape (T,) each; where tokens have n-grams (T, P), their numbers after the token's own.
        """
        if self.ngrams is not None:
            words = [self._cut(self._words(text)) or SPECIAL_TOKENS[UNKNOWN:] for text in texts]
            return piece_sequences(words, self._vocabulary, UNKNOWN, self.ngrams)
        found: list[Tensor] = []
        lines = iter(texts)
        while batch := list(islice(lines, _BATCH)):
            for encoding in self.tokenizer.encode_batch_fast(batch):
                found.append(torch.tensor(self._cut(encoding.ids) or [UNKNOWN]))
        return found

    def numbers(self, text: str) -> Tensor:
        """Return the token numbers of a piece of text, which is not cut and may have none.

        Returns:
            Shape (T,) or (T, P), as of :meth:`encode`.
        """
        if self.ngrams is None:
            return torch.tensor(self.tokenizer.encode(text).ids, dtype=torch.int64)
        words = self._words(text)
        found = torch.full((len(words), 1 + MAX_NGRAMS), PADDING)
        for row, word in zip(found, words, strict=True):
            number = self.tokenizer.token_to_id(word)
            pieces = [UNKNOWN if number is None else number, *self.ngrams.numbers(word)]
            row[: len(pieces)] = torch.tensor(pieces)
        return found

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each token that :meth:`encode` gives begins and ends in the text."""
        return self._cut(self.tokenizer.encode(text).offsets) or [(0, len(text))]

    def known(self, tokens: Iterable[str]) -> set[int]:
        """Return the numbers of those tokens that the vocabulary has."""
        numbers = (self.tokenizer.token_to_id(token) for token in tokens)
        return {number for number in numbers if number is not None}

    def _words(self, text: str) -> list[str]:
        normal = self.tokenizer.normalizer.normalize_str(text)
        return [word for word, _ in self.tokenizer.pre_tokenizer.pre_tokenize_str(normal)]

    def _cut(self, tokens: list[Any]) -> list[Any]:
        if len(tokens) <= self.max_tokens:
            return tokens
        if self.truncation == "head":
            return tokens[: self.max_tokens]
        if self.truncation == "tail":
            return tokens[-self.max_tokens :]
        tail = self.max_tokens // 2
        return tokens[: self.max_tokens - tail] + tokens[len(tokens) - tail :]


def unknown_share(encoded: Sequence[Tensor]) -> float:
    """Return the share of tokens that are not in the vocabulary."""
    tokens = torch.cat([own_numbers(each) for each in encoded])
    return float((tokens == UNKNOWN).double().mean())


def own_numbers(tokens: Tensor) -> Tensor:
    """Return the tokens' own numbers, shape (T,), of what :meth:`TextCodec.encode` gives."""
    return tokens if tokens.dim() == 1 else tokens[:, 0]


def unknown_tokens(tokens: Tensor) -> Tensor:
    """Return as many unknown tokens without n-grams, in the same shape."""
    nothing = torch.full_like(tokens, PADDING)
    own_numbers(nothing).fill_(UNKNOWN)
    return nothing
