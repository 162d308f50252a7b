import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gru_suite.errors import UserError
from gru_suite.tasks.summarization.data import DocumentDataModule
from gru_suite.tasks.summarization.reading.documents import Document, Documents
from gru_suite.tasks.summarization.reading.folders import read_document_folder
from gru_suite.tasks.summarization.reading.layouts import read_scitldr
from gru_suite.tasks.summarization.reading.splits import (
    cut_documents,
    drop_unusable,
    hold_out_missing,
)
from gru_suite.tasks.summarization.reading.tables import read_document_table


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "document": f"Item {number} is here. We show that number {number} works. It rained.",
            "summary": f"Number {number} works.",
            "paper": f"p{number // 2}",
        }
        for number in range(count)
    ]


def module(path: Path, **options: Any) -> DocumentDataModule:
    data = DocumentDataModule(path=str(path), **options)
    data.setup()
    return data


def test_a_cell_is_a_text_or_a_list_of_sentences(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "a.jsonl",
        [
            {"document": "It rained. We left.", "summary": "We left."},
            {"document": ["It rained. Much.", " ", "We\nleft."], "summary": ["Rain.", "", "Gone."]},
        ],
    )
    first, second = read_document_table(path).items
    assert first.sentences == ["It rained.", "We left."]
    assert first.references == ["We left."]
    assert second.sentences == ["It rained. Much.", "We left."]
    assert second.references == ["Rain.", "Gone."]
    assert second.location == "a.jsonl: row 2"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet", ".jsonl"])
def test_formats_give_the_same_documents(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(rows(3))
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        frame["document"] = [text.split(". ") for text in frame["document"]]
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        write_lines(path, rows(3))
    else:
        text = frame.to_csv(index=False, sep="\t" if suffix == ".tsv" else ",")
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    found = read_document_table(path, group_column="paper").items
    assert [len(each.sentences) for each in found] == [3, 3, 3]
    assert found[1].references == ["Number 1 works."]
    assert [each.group for each in found] == ["p0", "p0", "p1"]


def test_columns_by_number_have_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("It rained. We left.\tWe left.\n")
    (found,) = read_document_table(path, 0, 1).items
    assert (found.sentences, found.references) == (["It rained.", "We left."], ["We left."])


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        "document,summary\nCaf\u00e9 closed. We left.,Caf\u00e9 closed\n".encode("latin-1")
    )
    found = read_document_table(path)
    assert found.items[0].sentences[0] == "Caf\u00e9 closed."
    assert found.notes == ["a.csv: not in utf-8, read as latin-1"]
    path.write_bytes(path.read_bytes().decode("latin-1").encode("utf-16"))
    assert read_document_table(path).items[0].sentences[0] == "Caf\u00e9 closed."


@pytest.mark.parametrize("labels", ["0 1", "[0, 1]", "0,1", [0, 1], [False, True]])
def test_labels_of_the_file(labels: Any, tmp_path: Path) -> None:
    row = {"document": ["It rained.", "We left."], "labels": labels}
    path = write_lines(tmp_path / "a.jsonl", [row])
    (found,) = read_document_table(path, summary_column=None, labels_column="labels").items
    assert (found.labels, found.references) == ([False, True], [])


@pytest.mark.parametrize("labels", ["0", "0 1 1", [0, 2], "yes no", "[0, 1"])
def test_labels_that_do_not_fit(labels: Any, tmp_path: Path) -> None:
    row = {"document": ["It rained.", "We left."], "labels": labels}
    path = write_lines(tmp_path / "a.jsonl", [row])
    with pytest.raises(UserError, match=r"row 1: found \d labels .* for 2 sentences"):
        read_document_table(path, summary_column=None, labels_column="labels")


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"documents": "It rained.", "summary": "Rain."}])
    with pytest.raises(UserError, match=r"data.document_column .*did you mean 'documents'"):
        read_document_table(path)
    with pytest.raises(UserError, match="row 1: the document is a list with int in it"):
        read_document_table(write_lines(path, [{"document": [1], "summary": "Rain."}]))
    path.write_text("")
    with pytest.raises(UserError, match="empty"):
        read_document_table(path)


def test_folder_of_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("It rained. We left.")
    (tmp_path / "a.summary.txt").write_text("We\nleft.")
    (tmp_path / "a.summary.2.txt").write_text("Rain.")
    (tmp_path / "b.txt").write_bytes("Caf\u00e9.".encode("latin-1"))
    (tmp_path / "c.summary.txt").write_text("Nobody's.")
    found = read_document_folder(tmp_path, "utf-8")["train"]
    assert [sorted(each.references) for each in found.items] == [["Rain.", "We left."], []]
    assert found.notes == [
        "1 documents not in utf-8, read as latin-1",
        "left out, no document: 1 summaries, as c.summary.txt",
    ]


def test_two_folders_in_parts(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        for kind, text in (("documents", "It rained. We left."), ("summaries", "We left.")):
            (tmp_path / part / kind).mkdir(parents=True)
            (tmp_path / part / kind / "a.txt").write_text(text)
        (tmp_path / part / "summaries" / "a.2.txt").write_text("Gone.")
    found = read_document_folder(tmp_path, "utf-8")
    assert set(found) == {"train", "val", "test"}
    assert sorted(found["val"].items[0].references) == ["Gone.", "We left."]


def test_folder_without_documents(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found no documents; needs x.txt beside x.summary.txt"):
        read_document_folder(tmp_path, "utf-8")
    with pytest.raises(UserError, match="no such folder"):
        read_document_folder(tmp_path / "no", "utf-8")
    (tmp_path / "a.txt").write_bytes(b"a\0b")
    with pytest.raises(UserError, match="not a text file"):
        read_document_folder(tmp_path, "utf-8")


def test_missing_summaries_are_counted_and_bounded() -> None:
    good = Document(["It rained."], ["Rain."], location="a: row 1")
    bad = [
        Document([], ["Rain."], location="a: row 2"),
        Document(["It rained."], location="a: row 3"),
        Document(["It rained."], labels=[False], location="a: row 4"),
    ]
    kept = drop_unusable(Documents([good, *bad]), 0.8)
    assert kept.items == [good]
    assert [note.partition(":")[0] for note in kept.notes] == [
        "left out, an empty document",
        "left out, no summary",
        "left out, no summary, and labels that keep no sentence",
    ]
    with pytest.raises(UserError, match=r"a: row 2: found an empty document \(3 of 4 documents"):
        drop_unusable(Documents([good, *bad]), 0.5)


def test_groups_and_equal_texts_stay_together() -> None:
    items = [
        Document([f"Text {number % 40}."], ["A."], group=f"g{number // 4}") for number in range(60)
    ]
    parts = hold_out_missing({"train": Documents(items)}, (0.6, 0.2, 0.2), 0)
    assert sum(map(len, parts.values())) == 60
    assert all(len(part) for part in parts.values())
    by_part = [{each.text for each in part.items} for part in parts.values()]
    assert not by_part[0] & by_part[1] | by_part[0] & by_part[2] | by_part[1] & by_part[2]
    other = hold_out_missing({"train": Documents(items)}, (0.6, 0.2, 0.2), 1)
    assert other["test"].items != parts["test"].items
    with pytest.raises(UserError, match=r"data.split=\[0.5, 0.6\]"):
        hold_out_missing({"train": Documents(items)}, (0.5, 0.6), 0)


def test_long_training_documents_are_cut() -> None:
    long = Document(["A."] * 5, ["A."], labels=[True] * 5)
    cut = cut_documents(Documents([long]), 3)
    assert (len(cut.items[0].sentences), cut.items[0].labels) == (3, [True] * 3)
    assert cut.notes == ["cut after 3 sentences (data.max_sentences): 1 training documents"]


def scitldr_rows(count: int, prefix: str) -> list[dict[str, Any]]:
    return [
        {
            "source": [f"{prefix} {row}.", "We do it."],
            "target": ["It is done."],
            "paper_id": f"{row}",
        }
        for row in range(count)
    ]


def test_the_dev_part_of_scitldr_is_scored_where_there_is_no_test_part(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", scitldr_rows(20, "Train"))
    write_lines(tmp_path / "dev.jsonl", scitldr_rows(4, "Dev"))
    data = module(tmp_path, source="scitldr", split=(0.9, 0.1, 0.0), min_count=1)
    assert [len(data.datasets[part]) for part in ("train", "val", "test")] == [18, 2, 4]
    assert all(each.text.startswith("Dev") for each in data.parts["test"].items)
    assert any("dev part is scored as test" in line for line in data.summary())
    write_lines(tmp_path / "test.jsonl", scitldr_rows(3, "Test"))
    parts = read_scitldr(tmp_path, "utf-8")
    assert {part: len(each) for part, each in parts.items()} == {"train": 20, "val": 4, "test": 3}
    with pytest.raises(UserError, match=r"has no train.jsonl; found .*nothing"):
        read_scitldr(tmp_path / "no", "utf-8")


def test_data_module_of_a_table(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "notes.jsonl", rows(40))
    data = module(path, group_column="paper", min_count=1)
    assert data.name == "notes"
    assert data.schema()["num_sentences"] == 1
    groups = [{each.group for each in part.items} for part in data.parts.values()]
    assert not groups[0] & groups[2]
    # Other data by the schema of a checkpoint: only a test part is needed.
    again = DocumentDataModule(test_path=str(path), schema=data.schema())
    again.setup("test")
    assert len(again.datasets["test"]) == 40
    assert len(again.datasets["train"]) == 0
    assert set(again.baselines("test")) == {"first", "longest", "oracle"}


def test_data_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.path is not set"):
        DocumentDataModule().setup()
    with pytest.raises(UserError, match=r"data.source=tabel.*did you mean 'table'"):
        DocumentDataModule(source="tabel")
    with pytest.raises(UserError, match=r"data.batch_size=0"):
        DocumentDataModule(batch_size=0)
    path = write_lines(tmp_path / "a.jsonl", [{"document": "It rained.", "summary": ""}] * 3)
    with pytest.raises(UserError, match=r"a.jsonl: row 1: found no summary \(3 of 3"):
        module(path)
    with pytest.raises(UserError, match=r"both set"):
        module(path, train_path=str(path))
    mixed = [
        {"document": ["It rained."], "summary": "Rain.", "labels": labels} for labels in ([1], None)
    ]
    with pytest.raises(UserError, match=r"row 2: has no labels, and other documents have some"):
        module(write_lines(path, mixed), labels_column="labels", split=(1.0, 0.0, 0.0))


def test_summaries_of_several_sentences_set_the_number(tmp_path: Path) -> None:
    several = [{**row, "summary": "It rained. Number 1 works."} for row in rows(20)]
    data = module(write_lines(tmp_path / "a.jsonl", several), min_count=1)
    assert data.schema()["num_sentences"] == 2
    labelled = [
        {"document": ["A.", "B.", "C.", f"D{row}."], "labels": [1, 0, 1, 1]} for row in range(20)
    ]
    path = write_lines(tmp_path / "b.jsonl", labelled)
    data = module(path, summary_column=None, labels_column="labels", min_count=1)
    assert data.schema()["num_sentences"] == 3
    batch = next(iter(data.loader("test")))
    assert batch.targets_BS[0].tolist() == [1, 0, 1, 1]
    # The labelled sentences are the reference.
    assert data.baselines("test")["oracle"]["rouge1"] == pytest.approx(100)
