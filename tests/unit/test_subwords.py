"""Tokenizers that give the text back."""

import pytest

from gru_suite.errors import UserError
from gru_suite.text.subwords import (
    BEGIN,
    END,
    PADDING,
    UNKNOWN,
    SubwordTokenizer,
    join_tokens,
    starts_of_words,
    train_subwords,
)

TEXTS = [
    "Two dogs are running on the beach.",
    "Ein Mädchen klettert in ein Spielhaus (aus Holz).",
    'He said: "No, thanks!" -- and left.',
    "Trois hommes d'âge mûr; l'un d'eux sourit…",
    "дети играют в парке",
]


@pytest.mark.parametrize("kind", ["bpe", "word", "char"])
def test_training_texts_come_back(kind: str) -> None:
    tokenizer = SubwordTokenizer(train_subwords(TEXTS, kind, min_count=1))
    for text, ids in zip(TEXTS, tokenizer.encode(TEXTS), strict=True):
        assert tokenizer.decode([BEGIN, *ids, END, PADDING]) == text
        assert join_tokens(tokenizer.tokens(ids)) == text


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_new_words_of_known_letters_come_back(kind: str) -> None:
    tokenizer = SubwordTokenizer(train_subwords(TEXTS, kind, min_count=1))
    (ids,) = tokenizer.encode(["horses in  the sand.\t No!"])
    assert tokenizer.decode(ids) == "horses in the sand. No!"
    assert UNKNOWN not in ids


@pytest.mark.parametrize("kind", ["bpe", "word", "char"])
def test_case_is_ignored_on_demand(kind: str) -> None:
    tokenizer = SubwordTokenizer(train_subwords(TEXTS, kind, min_count=1, lowercase=True))
    upper, lower = tokenizer.encode(["DIE DOGS ON THE BEACH", "die dogs on the beach"])
    assert upper == lower
    assert tokenizer.decode(tokenizer.encode(["Two DOGS"])[0]) == "two dogs"


def test_unknown_words_and_letters() -> None:
    words = SubwordTokenizer(train_subwords(TEXTS, "word", min_count=1))
    (ids,) = words.encode(["Two zebras running"])
    assert words.tokens(ids) == [" Two", " [UNK]", " running"]
    letters = SubwordTokenizer(train_subwords(TEXTS, "bpe", min_count=1))
    assert UNKNOWN in letters.encode(["漢字"])[0]


def test_empty_texts_have_no_tokens() -> None:
    tokenizer = SubwordTokenizer(train_subwords(TEXTS, min_count=1))
    assert tokenizer.encode(["", "  "]) == [[], []]
    assert tokenizer.decode([]) == ""


def test_words_of_tokens() -> None:
    tokens = [" Bü", "sche", " sind", " grün", "."]
    assert starts_of_words(tokens) == [0, 2, 3]
    assert starts_of_words(["a", "b", " c"]) == [0, 2]
    assert starts_of_words([]) == []


def test_the_vocabulary_is_bounded() -> None:
    assert SubwordTokenizer(train_subwords(TEXTS, "bpe", 60, 1)).size <= 60
    assert SubwordTokenizer(train_subwords(TEXTS, "word", 10, 1)).size == 10
    assert SubwordTokenizer(train_subwords(TEXTS, "char", 20, 1)).size <= 20


def test_impossible_options() -> None:
    with pytest.raises(UserError, match=r"data\.tokenizer=bep: no such choice; did you mean 'bpe'"):
        train_subwords(TEXTS, "bep")
    with pytest.raises(UserError, match=r"data\.vocabulary_size=3"):
        train_subwords(TEXTS, "bpe", 3)
