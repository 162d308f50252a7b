import pytest
import torch

from gru_suite.errors import UserError
from gru_suite.text.char_ngrams import MAX_NGRAMS, CharNgrams, check_ngrams
from gru_suite.text.token_encoder import NGRAM_BUCKETS, TokenEncoder
from gru_suite.text.tokenizer import (
    PADDING,
    UNKNOWN,
    TextTokenizer,
    train_tokenizer,
    unknown_like,
    unknown_rate,
)


def text_tokenizer(max_tokens: int = 50) -> TextTokenizer:
    tokenizer = train_tokenizer(["a good film", "The film isn't bad"], min_count=1)
    return TextTokenizer(
        {
            "tokenizer": tokenizer.to_str(),
            "max_tokens": max_tokens,
            "truncation": "both",
            "char_ngrams": [3, 4],
        }
    )


def test_ngrams_are_those_of_the_marked_word() -> None:
    # <ab> has <ab, ab> and <ab>.
    ngrams = CharNgrams(3, 6)
    assert len(ngrams.ids("ab")) == 3
    assert set(ngrams.ids("ab")) & set(ngrams.ids("abc")) == {ngrams.ids("ab")[0]}
    # The same in every process: it stands in checkpoints.
    assert CharNgrams(3, 3).ids("a") == [1_874_297_516]
    assert len(ngrams.ids("a" * 100)) == MAX_NGRAMS
    assert min(ngrams.ids("naïve")) >= 1


def test_text_with_ngrams_has_the_same_tokens() -> None:
    found = text_tokenizer()
    texts = ["The film is n't good", "FILM\u2019s badly", "<br />"]
    plain = TextTokenizer(
        {"tokenizer": found.backend.to_str(), "max_tokens": 50, "truncation": "both"}
    )
    sequences = found.encode(texts)
    assert len(sequences) == 3
    assert len(sequences[1:]) == 2
    for text, pieces, tokens in zip(texts, sequences, plain.encode(texts), strict=True):
        assert pieces.shape == (len(tokens), 1 + MAX_NGRAMS)
        assert pieces[:, 0].equal(tokens)
        assert len(found.offsets(text)) == len(pieces)
    assert unknown_rate(sequences) == unknown_rate(plain.encode(texts))


def test_unknown_words_differ_by_their_ngrams() -> None:
    ((goodness, badness),) = text_tokenizer().encode(["goodness badness"])
    assert goodness[0] == badness[0] == UNKNOWN
    assert not goodness.equal(badness)
    nothing = unknown_like(torch.stack([goodness, badness]))
    assert nothing[:, 0].eq(UNKNOWN).all()
    assert nothing[:, 1:].eq(PADDING).all()


def test_long_texts_are_cut() -> None:
    (pieces,) = text_tokenizer(max_tokens=2).encode(["a good film"])
    (whole,) = text_tokenizer().encode(["a good film"])
    assert pieces.equal(whole[[0, 2]])


def test_token_is_its_vector_and_the_mean_of_its_ngrams() -> None:
    encoder = TokenEncoder(10, 4, token_dropout=0.0, dropout=0.0, char_ngrams=True).eval()
    assert encoder.ngrams is not None
    tokens = torch.tensor([[[2, 1, NGRAM_BUCKETS + 3, PADDING], [3, 0, 0, 0], [PADDING] * 4]])
    x_BTF = encoder(tokens)
    # A number's remainder is the place of its vector after that of the padding.
    expected = encoder.embedding.weight[2] + encoder.ngrams.weight[[2, 4]].mean(0)
    torch.testing.assert_close(x_BTF[0, 0], expected)
    torch.testing.assert_close(x_BTF[0, 1], encoder.embedding.weight[3])
    assert x_BTF[0, 2].eq(0).all()


def test_dropped_tokens_have_no_ngrams() -> None:
    encoder = TokenEncoder(10, 4, token_dropout=0.999, dropout=0.0, char_ngrams=True)
    x_BTF = encoder.train()(torch.tensor([[[2, 1, 8], [PADDING] * 3]]))
    torch.testing.assert_close(x_BTF[0, 0], encoder.embedding.weight[UNKNOWN])
    assert x_BTF[0, 1].eq(0).all()


@pytest.mark.parametrize("sizes", [3, [3], [4, 3], [0, 2], [3, 4.0], ["a", "b"]])
def test_impossible_sizes(sizes: object) -> None:
    with pytest.raises(UserError, match=r"data\.char_ngrams=.*as \[3,6\]"):
        check_ngrams(sizes)


def test_possible_sizes() -> None:
    check_ngrams(None)
    check_ngrams([1, 1])
