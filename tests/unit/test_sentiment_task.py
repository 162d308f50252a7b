from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sentiment_fixtures import text_schema

import gru_suite
from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch, collate
from gru_suite.tasks.sentiment import model as model_module
from gru_suite.tasks.sentiment.inference.attribution_page import html_line, write_page
from gru_suite.tasks.sentiment.inference.token_attributions import integrated_gradients, margin
from gru_suite.tasks.sentiment.model import SentimentModel
from gru_suite.tasks.sentiment.task import SentimentTask
from gru_suite.text.tokenizer import unknown_like

TEXTS = ["a good film", "a bad , dull film", "great", "not good at all"]


def schema(**changes: Any) -> dict[str, Any]:
    return text_schema(TEXTS, **changes)


def make_task(**options: Any) -> SentimentTask:
    backbone = {"hidden_size": 6, "bidirectional": True} | options.pop("backbone", {})
    content = options.pop("schema", None) or schema()
    return SentimentTask(backbone, content, embedding_size=5, **options).eval()


def make_model(**options: Any) -> SentimentModel:
    return make_task(**options).model


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_text_in_label_out(cell: str) -> None:
    found = make_model(backbone={"cell": cell}).predict("a good film")
    assert found.names == ["a good film"]
    assert found.label[0] in ("neg", "pos")
    assert found.probability_NK.sum() == pytest.approx(1)


def test_every_kind_of_input_gives_the_same(tmp_path: Path) -> None:
    model = make_model()
    frame = pd.DataFrame({"id": range(4), "text": TEXTS})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.txt").write_text("\n".join(TEXTS) + "\n")
    expected = model.predict(TEXTS).probability_NK
    for raw in (frame, *sorted(tmp_path.iterdir())):
        np.testing.assert_array_equal(model.predict(raw).probability_NK, expected)
    one_by_one = [model.predict(text).probability_NK[0] for text in TEXTS]
    np.testing.assert_allclose(expected, one_by_one, rtol=1e-5)


def test_columns_by_number_are_of_tables_without_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("pos,a good film\nneg,dull\n")
    model = make_model(schema=schema(text_column=1))
    assert model.predict(path).names == ["a good film", "dull"]


def test_empty_text_has_no_label() -> None:
    found = make_model().predict(["good", " ", "bad"])
    assert found.label[1] == ""
    assert np.isnan(found.probability_NK[1]).all()
    assert not np.isnan(found.probability_NK[[0, 2]]).any()


@pytest.mark.parametrize("raw", ["", [], ["", " "]])
def test_nothing_to_predict(raw: Any) -> None:
    with pytest.raises(UserError, match="found no text"):
        make_model().predict(raw)


def test_wrong_input_is_named() -> None:
    with pytest.raises(UserError, match="text 1 is float"):
        make_model().predict(["good", 1.5])  # type: ignore[list-item]
    with pytest.raises(UserError, match="needs column 'text'"):
        make_model().predict(pd.DataFrame({"a": ["x"], "b": ["y"]}))
    with pytest.raises(UserError, match="no such file"):
        make_model().predict(Path("nowhere.txt"))


def test_predict_file_writes_table_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("a good <b> & film\n\nbad\ndull\n")
    monkeypatch.setattr(model_module, "MAX_EXPLAINED", 2)
    written = make_model().predict_file(source, tmp_path / "out.csv")
    assert [path.name for path in written] == ["out.csv", "out.html"]
    table = pd.read_csv(written[0])
    assert list(table) == ["text", "label", "probability_neg", "probability_pos"]
    assert len(table) == 4
    page = written[1].read_text()
    assert page.count("<p>") == 2
    assert "The first 2 of 3 texts." in page
    assert "<b> &" not in page


def batches(model: SentimentModel) -> list[SequenceBatch]:
    return [collate(list(zip(model.tokenizer.encode(TEXTS), [1, 0, 1, 0], strict=True)))]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("ngrams", [None, [3, 6]])
def test_contributions_add_up_to_the_lead(cell: str, ngrams: list[int] | None) -> None:
    torch.manual_seed(3)
    task = make_task(
        backbone={"cell": cell, "hidden_size": 16},
        pooling="attention+max",
        schema=schema(char_ngrams=ngrams),
    )
    model = task.model
    task.warm_start(batches(model), [])
    text = "not a good film at all"
    found = integrated_gradients(model, text, num_steps=200)
    unknown = collate([(unknown_like(model.tokenizer.encode([text])[0]), 0)])
    answer = model.labels.index(found.label)
    start = float(margin(model(unknown), answer).detach())
    assert found.margin > 0
    assert sum(found.attributions) == pytest.approx(found.margin - start, abs=2e-3)
    assert [text[a:b] for a, b in found.offsets] == text.split()


def test_explaining_changes_nothing() -> None:
    model = make_model().train()
    before = [parameter.clone() for parameter in model.parameters()]
    found = model.explain("a good film")
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(map(torch.equal, before, model.parameters()))
    assert model.explain("a good film") == found
    with pytest.raises(UserError, match="text is empty"):
        model.explain(" ")


def test_line_colours_by_sign_and_strength(tmp_path: Path) -> None:
    found = make_model().explain('isn\'t "good" <i>')
    line = html_line(found)
    assert "&lt;" in line
    assert "<i>" not in line
    assert line.count("<span") == len(found.offsets)
    assert ",0.75)" in line
    assert write_page(tmp_path / "page.html", [found]).read_text().startswith("<!DOCTYPE html>")


def test_linear_path_has_its_share_of_the_answer() -> None:
    task = make_task(wide_share=0.25, head_dropout=0.0, embedding_dropout=0.0, token_dropout=0.0)
    model = task.model
    (batch,) = batches(model)
    # The linear path says nothing yet, so this is three quarters of the recurrent one.
    recurrent_BK = model(batch)
    assert model.wide is not None
    task.warm_start([batch], [])
    wide_BK = model.wide(batch.x)
    assert wide_BK.argmax(1).equal(batch.labels_B)
    torch.testing.assert_close(model(batch), recurrent_BK + 0.25 * wide_BK)
    # In training the recurrent path learns as if it were alone.
    torch.testing.assert_close(model.train()(batch), recurrent_BK / 0.75)


def test_task_without_linear_path() -> None:
    task = make_task(wide_share=0.0)
    model = task.model
    assert model.wide is None
    task.warm_start(batches(model), [])
    assert len(model.explain("a good film").attributions) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wide_share": 1.0}, r"task\.wide_share=1\.0"),
        ({"wide_inverse_penalty": 0.0}, r"task\.wide_inverse_penalty=0\.0"),
        ({"token_dropout": 1.0}, r"task\.token_dropout=1\.0"),
        ({"embedding_dropout": -0.1}, r"task\.embedding_dropout=-0\.1"),
        ({"head_dropout": 2}, r"task\.head_dropout=2"),
        ({"pooling": "sum"}, r"task\.pooling=sum"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_task(**options)
    with pytest.raises(UserError, match=r"task\.embedding_size=0"):
        SentimentTask({}, schema(), embedding_size=0)


def test_vectors_are_read_when_training_starts_and_not_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("good 1 0 0 0 0\nbad -1 0 0 0 0\n")
    task = make_task(vectors=str(path))
    model = task.model
    before = model.encoder.embedding.weight.detach().clone()
    task.setup("test")
    assert torch.equal(model.encoder.embedding.weight, before)
    task.setup("fit")
    rows = model.tokenizer.encode(["good bad"])[0]
    good, bad = model.encoder.embedding.weight[rows].detach()
    torch.testing.assert_close(good, -bad)
    assert "vectors.txt: vectors of 2 of 12 tokens (16.7%)" in capsys.readouterr().out
    path.unlink()
    again = SentimentTask(**task.hparams)
    again.setup("test")


@pytest.mark.parametrize("ngrams", [None, [3, 6]])
def test_checkpoint_predicts_anywhere(tmp_path: Path, ngrams: list[int] | None) -> None:
    import pytorch_lightning as pl

    task = make_task(schema=schema(char_ngrams=ngrams))
    model = task.model
    task.warm_start(batches(model), [])
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    found = gru_suite.load(tmp_path / "a.ckpt").predict(TEXTS)
    np.testing.assert_array_equal(found.probability_NK, model.predict(TEXTS).probability_NK)
    assert found.labels == ["neg", "pos"]
