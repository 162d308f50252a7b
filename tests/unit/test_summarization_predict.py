import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from service_models import save_checkpoint
from summarization_fixtures import SENTENCES, documents, small_dataset, small_model, small_task

import gru_suite
from gru_suite.errors import UserError
from gru_suite.tasks.summarization.inference.summaries import Summary
from gru_suite.tasks.summarization.inference.summary_page import html_article, write_page
from gru_suite.tasks.summarization.model import SummarizationModel
from gru_suite.tasks.summarization.reading.prediction_inputs import read_documents
from gru_suite.tasks.summarization.service import SummaryService
from gru_suite.testing.contract import not_plain

TEXTS = [" ".join(sentences) for sentences in SENTENCES]


def test_text_in_summary_out() -> None:
    (found,) = small_model().predict(TEXTS[0])
    assert found.sentences == SENTENCES[0]
    assert found.summary == SENTENCES[0][found.chosen[0]]
    assert found.scores[found.chosen[0]] == max(found.scores)
    assert sum(found.scores) == pytest.approx(1)


def test_batches_and_single_documents_agree() -> None:
    model = small_model()
    together = model.predict([*TEXTS, SENTENCES[1]])
    assert len(together) == 4
    for text, each in zip(TEXTS, together, strict=False):
        alone = model.predict(text)[0]
        assert alone.chosen == each.chosen
        assert alone.scores == pytest.approx(each.scores, abs=1e-6)
    assert together[3].scores == pytest.approx(together[1].scores)
    columns = together.to_dict()
    assert list(columns) == list(together.to_frame().columns)
    assert list(columns) == ["document", "summary", "chosen", "scores"]
    assert not list(not_plain(columns))


def test_documents_of_one_sentence_and_of_none() -> None:
    model = small_model()
    found = model.predict(["One sentence only.", "", " \n", "?"])
    assert [each.summary for each in found] == ["One sentence only.", "", "", "?"]
    assert [each.chosen for each in found] == [[0], [], [], [0]]
    assert found[0].scores == [1.0]
    for empty in ("", [" "], []):
        with pytest.raises(UserError, match="found no text to summarise"):
            model.predict(empty)


def test_ten_thousand_words() -> None:
    text = " ".join(
        f"We show that number {number} keeps snow off the track." for number in range(1_000)
    )
    (found,) = small_model(num_sentences=3).predict(text)
    assert (len(found.sentences), len(found.chosen), len(found.scores)) == (1000, 3, 1000)
    assert sum(found.scores) == pytest.approx(1)
    # Without a single mark: one sentence, whole in the summary.
    words = "word " * 10_000
    assert small_model().predict(words)[0].summary == words.strip()


def test_only_unknown_words() -> None:
    (found,) = small_model().predict("Zzzz qqqq xxxx. Wwww vvvv.")
    assert len(found.chosen) == 1
    assert all(0 <= score <= 1 for score in found.scores)


def test_length_of_a_summary() -> None:
    model = small_model(num_sentences=2, max_words=9)
    for each in model.predict(TEXTS):
        assert len(each.chosen) <= 2
        assert each.chosen == sorted(each.chosen)
    assert small_model().num_sentences == 1
    shorter = small_model(num_sentences=3, max_words=4).predict(TEXTS[1])[0]
    assert len(shorter.summary.split()) <= 4


def test_files_and_tables(tmp_path: Path) -> None:
    model = small_model()
    (tmp_path / "a.txt").write_text("It rained.\nA lot. We left.\n\nThe end.", encoding="utf-8")
    assert model.predict(tmp_path / "a.txt")[0].sentences == [
        "It rained.", "A lot.", "We left.", "The end.",
    ]  # fmt: skip
    (tmp_path / "b.txt").write_bytes("Caf\u00e9 closed. We left.".encode("latin-1"))
    assert model.predict(tmp_path / "b.txt")[0].sentences[0] == "Caf\u00e9 closed."
    frame = pd.DataFrame({"document": TEXTS, "other": 1})
    frame.to_csv(tmp_path / "c.csv", index=False)
    expected = [each.chosen for each in model.predict(TEXTS)]
    for raw in (
        frame,
        tmp_path / "c.csv",
        pd.Series(TEXTS),
        frame[["document"]].rename(columns=str.upper),
    ):
        assert [each.chosen for each in model.predict(raw)] == expected
    with pytest.raises(UserError, match="the model needs column 'document'"):
        model.predict(frame.rename(columns={"document": "documents"}))
    with pytest.raises(UserError, match="no such file"):
        model.predict(tmp_path / "no.txt")
    with pytest.raises(UserError, match="document 1 is int"):
        model.predict(["It rained.", 3])
    with pytest.raises(UserError, match="input of type bytes"):
        model.predict(b"It rained.")


def test_a_name_of_a_file_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("It rained. We left.")
    with pytest.warns(UserWarning, match="was read as a text itself"):
        assert read_documents(str(path), "document", "utf-8") == [[str(path)]]


def test_predict_file_writes_a_table_and_a_page(tmp_path: Path) -> None:
    model = small_model()
    pd.DataFrame({"document": [*TEXTS, "A <b> & c. We left."]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    paths = model.predict_file(tmp_path / "a.csv", tmp_path / "out" / "b.csv")
    assert [path.name for path in paths] == ["b.csv", "b.html"]
    table = pd.read_csv(paths[0])
    assert list(table["summary"]) == [each.summary for each in model.predict(tmp_path / "a.csv")]
    assert [len(json.loads(each)) for each in table["scores"]] == [3, 4, 1, 2]
    page = paths[1].read_text(encoding="utf-8")
    assert page.count("<article>") == 4
    assert page.count("<mark ") == 4
    assert "A &lt;b&gt; &amp; c." in page


def test_the_page_shades_by_score(tmp_path: Path) -> None:
    article = html_article(Summary(["A.", "B."], [1], [0.25, 0.75]))
    assert (
        '<mark style="background:rgba(0,114,178,0.55)" title="sentence 2: 0.750">B.</mark>'
        in article
    )
    assert (
        '<span style="background:rgba(0,114,178,0.18)" title="sentence 1: 0.250">A.</span>'
        in article
    )
    assert "empty document" in html_article(Summary([], [], []))
    assert "A note." in write_page(tmp_path / "a.html", [], "A note.").read_text()


def test_there_is_no_stream() -> None:
    with pytest.raises(UserError, match=r"cannot stream: .* whole document"):
        small_model().stream()


def test_service() -> None:
    service = small_model().service()
    assert isinstance(service, SummaryService)
    text = service.read(TEXTS[0])
    (found,) = service.predict([text])
    assert [each["text"] for each in found["sentences"]] == SENTENCES[0]
    assert sum(each["chosen"] for each in found["sentences"]) == 1
    assert found["summary"] in SENTENCES[0]
    assert not list(not_plain(found))
    service.warm_up()
    gates = service.gates(text)
    assert gates["num_steps"] == 3
    for value, message in ((1, "type number"), (" ", "no text"), ("a" * 100_001, "100,001")):
        with pytest.raises(UserError, match=message):
            service.read(value)
    with pytest.raises(UserError, match="cannot stream"):
        service.streams()


def test_service_reads_files(tmp_path: Path) -> None:
    service = small_model().service()
    assert service.read_content(b"It rained.", "a.txt") == "It rained."
    with pytest.raises(UserError, match=r"a\.txt: is not UTF-8"):
        service.read_content("Caf\u00e9".encode("latin-1"), "a.txt")


def test_a_checkpoint_loads_and_summarises(tmp_path: Path) -> None:
    task = small_task(max_words=7)
    path = save_checkpoint(task.model, tmp_path / "a.ckpt")
    model = gru_suite.load(path)
    assert isinstance(model, SummarizationModel)
    assert model.max_words == 7
    assert model.predict(TEXTS).to_dict() == task.predict(TEXTS).to_dict()
    for line in model.usage():
        compile(line, "usage", "exec")


def test_limits_name_the_length_and_the_language() -> None:
    text = " ".join(small_model(num_sentences=2, max_words=30).limits())
    assert "at most 2 sentences and 30 words" in text
    assert "12 tokens" in text


def test_plots_and_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gru_suite.tasks.summarization.batches.encoding import document_loader

    task = small_task()
    dataset = small_dataset(task.model)
    loader = document_loader(dataset, 2, shuffle=False)
    assert [path.name for path in task.write_plots(loader, tmp_path)] == [
        "positions.png", "rouge_by_rank.png",
    ]  # fmt: skip
    dataset.choices = {"first": {0: [0], 1: [0], 2: [0]}}
    paths = task.write_plots(loader, tmp_path)
    assert [path.name for path in paths][2:] == ["documents.csv", "over_baselines.csv"]
    assert "rouge1 over first: " in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "documents.csv")
    with torch.inference_mode():
        expected = [
            100 * each.scores(one.chosen)[0, 0]
            for each, one in zip(dataset.documents, task.predict(SENTENCES), strict=True)
        ]
    assert list(table["model_rouge1"]) == pytest.approx(expected, abs=1e-3)
    assert len(documents()) == len(table)
    over = pd.read_csv(tmp_path / "over_baselines.csv")
    mean = (table["model_rouge1"] - table["first_rouge1"]).mean()
    assert over["mean"][0] == pytest.approx(mean, abs=1e-3)
