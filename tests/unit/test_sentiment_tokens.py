from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from gru_suite.errors import UserError
from gru_suite.tasks.sentiment.training.word_vectors import copy_vectors
from gru_suite.text.token_encoder import TokenEncoder
from gru_suite.text.tokenizer import (
    PADDING,
    SPECIAL_TOKENS,
    UNKNOWN,
    TextTokenizer,
    train_tokenizer,
    unknown_rate,
)

TEXTS = ["The film is n't good .", "I can\u2019t say the film isn't GOOD.<br /><br />Good !"] * 2


def text_tokenizer(
    max_tokens: int = 100, truncation: str = "head", **options: Any
) -> TextTokenizer:
    tokenizer = train_tokenizer(TEXTS, **({"min_count": 1} | options))
    content = {"tokenizer": tokenizer.to_str(), "max_tokens": max_tokens}
    return TextTokenizer(content | {"truncation": truncation})


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    found: list[str] = tokenizer.encode(text).tokens
    return found


def test_raw_and_tokenized_texts_give_the_same_tokens() -> None:
    tokenizer = train_tokenizer(TEXTS, min_count=1)
    assert words(tokenizer, "The film isn\u2019t good.") == [
        "the",
        "film",
        "is",
        "n't",
        "good",
        ".",
    ]
    assert words(tokenizer, "the film is n't good .") == words(
        tokenizer, "The film isn\u2019t good."
    )
    assert words(tokenizer, "good<br />film") == ["good", "film"]
    signs = train_tokenizer(['a well made " film ( good )'], min_count=1)
    raw = "\u201ca well-made\u201d (film)"
    for treebank in ("`` a well made '' -LRB- film -RRB-", "`` a well made '' lrb film rrb"):
        assert words(signs, treebank) == words(signs, raw) == words(signs, '"a well made" (film)')
    assert "[UNK]" not in words(signs, raw)
    assert words(tokenizer, "can't") == ["ca", "n't"]
    assert words(tokenizer, "awful !") == ["[UNK]", "!"]


def test_special_tokens_and_limits() -> None:
    tokenizer = train_tokenizer(TEXTS, vocabulary_size=5)
    assert [tokenizer.id_to_token(row) for row in (PADDING, UNKNOWN)] == SPECIAL_TOKENS
    assert tokenizer.get_vocab_size() == 5
    assert "say" not in train_tokenizer([*TEXTS, "once"], min_count=3).get_vocab()
    assert words(train_tokenizer(TEXTS, min_count=1, lowercase=False), "GOOD Good") == [
        *("GOOD", "Good")
    ]


def test_pieces_of_words() -> None:
    tokenizer = train_tokenizer(["lower lowest newer newest"] * 5, "bpe", vocabulary_size=40)
    assert "[UNK]" not in words(tokenizer, "lowest newer")
    assert len(words(tokenizer, "lowerest")) < 8


def test_unknown_kind() -> None:
    with pytest.raises(UserError, match=r"data\.tokenizer=words.*'word'"):
        train_tokenizer(TEXTS, "words")


@pytest.mark.parametrize(
    ("truncation", "expected"), [("head", "abc"), ("tail", "cde"), ("both", "abe")]
)
def test_truncation(truncation: str, expected: str) -> None:
    tokenizer = train_tokenizer(["a b c d e"], min_count=1)
    content = {"tokenizer": tokenizer.to_str(), "max_tokens": 3, "truncation": truncation}
    found = TextTokenizer(content)
    (tokens,) = found.encode(["a b c d e"])
    assert "".join(tokenizer.id_to_token(int(token)) for token in tokens) == expected
    text = "A b  c d e"
    assert "".join(text[start:end] for start, end in found.offsets(text)).lower() == expected


def test_text_without_tokens_is_one_unknown_token() -> None:
    assert text_tokenizer().encode(["<br />"])[0].tolist() == [UNKNOWN]
    assert text_tokenizer().offsets("<br />") == [(0, 6)]


def test_many_texts_keep_their_order() -> None:
    found = text_tokenizer().encode(["good film"] * 1001 + ["film"])
    assert len(found) == 1002
    assert [len(each) for each in (found[0], found[-1])] == [2, 1]


def test_unknown_share() -> None:
    assert unknown_rate([torch.tensor([UNKNOWN, 5]), torch.tensor([7, 8])]) == 0.25


def test_encoder_drops_in_training_only() -> None:
    encoder = TokenEncoder(10, 64, token_dropout=0.5, dropout=0.5)
    tokens_BT = torch.tensor([[2, 3, 4, 5], [6, 7, PADDING, PADDING]])
    x_BTF = encoder.eval()(tokens_BT)
    torch.testing.assert_close(x_BTF, encoder.embedding(tokens_BT))
    assert x_BTF[1, 2:].eq(0).all()
    torch.manual_seed(1)
    dropped_BTF = encoder.train()(tokens_BT)
    assert dropped_BTF[1, 2:].eq(0).all()
    # The same features at every token of a text.
    gone_BTF = dropped_BTF[:, :2].eq(0)
    assert gone_BTF[:, 0].equal(gone_BTF[:, 1])
    assert 10 < gone_BTF[0, 0].sum() < 54
    assert not gone_BTF[0, 0].equal(gone_BTF[1, 0])


def test_dropped_tokens_are_the_unknown_one() -> None:
    encoder = TokenEncoder(10, 4, token_dropout=0.999, dropout=0.0)
    x_BTF = encoder.train()(torch.tensor([[2, 3, 4, PADDING]]))
    torch.testing.assert_close(x_BTF[0, :3], encoder.embedding.weight[[UNKNOWN] * 3])


VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "film": 2, "good": 3, "odd": 4}


@pytest.mark.parametrize("first", ["", "3 2\n"])
def test_vectors(tmp_path: Path, first: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(f"{first}the 1 2\nfilm 3 4\n. . . 1 2\ngood -6 8 \nfilm 9 9\n")
    table_VF = torch.ones(5, 2)
    assert copy_vectors(path, VOCABULARY, table_VF) == 2
    assert table_VF[[0, 1, 4]].eq(1).all()
    # Directions as in the file, lengths as those of the table on average.
    torch.testing.assert_close(table_VF[2] / table_VF[2].norm(), torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(table_VF[3], torch.tensor([-2.0, 8 / 3]) * table_VF[2, 0])
    assert table_VF[2:4].norm(dim=1).mean() == pytest.approx(2**0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("film 1 2 3\n", r"line 1 has 3 values.*embedding has 2; set task\.embedding_size=3"),
        ("the 1 2\nfilm 1\n", "line 2 has 1 values, the others 2"),
        ("film 1 x\n", "line 1 has a value that is not a number"),
        ("film 1 nan\n", "not finite"),
        ("der 1 2\n", "none of its words is among the 5"),
        ("", "none of its words"),
    ],
)
def test_bad_vectors(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        copy_vectors(path, VOCABULARY, torch.ones(5, 2))


def test_missing_vectors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"task\.vectors=.*no such file"):
        copy_vectors(tmp_path / "none.txt", VOCABULARY, torch.ones(5, 2))
