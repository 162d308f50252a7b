import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gru_suite.data.tables.text_files import check_encoding, read_lines, read_text
from gru_suite.data.tables.text_tables import cell_text, column_texts, read_table
from gru_suite.errors import UserError
from gru_suite.tasks.sentiment.reading.tables import read_labelled_table

ROWS = [("good, very good", "pos"), ('a "bad" film', "neg"), ("naïve", "pos")]


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def pairs(path: Path, **options: Any) -> list[tuple[str, str]]:
    found = read_labelled_table(path, **options)
    return list(zip(found.texts, found.labels, strict=True))


def test_every_kind_of_table_gives_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["text", "label"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "semicolon.csv", index=False, sep=";")
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    lines = [json.dumps(dict(zip(frame, row, strict=True))) for row in ROWS]
    write(tmp_path / "a.jsonl", "\n".join(lines) + "\n\n")
    write(tmp_path / "a.tsv", "text\tlabel\n" + "\n".join("\t".join(row) for row in ROWS))
    for path in sorted(tmp_path.iterdir()):
        assert pairs(path) == ROWS, path.name


def test_single_quote_in_tsv_swallows_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'an 8" disc\t0\nfine\t1\nfine\t0\n')
    found = pairs(path, text_column=0, label_column=1)
    assert found == [('an 8" disc', "0"), ("fine", "1"), ("fine", "0")]


@pytest.mark.parametrize(("header", "expected"), [(None, 2), (True, 2), (False, 3)])
def test_header_of_numbered_columns(tmp_path: Path, header: bool | None, expected: int) -> None:
    path = write(tmp_path / "a.csv", "body,mark\nfine,1\nbad,0\n")
    assert len(pairs(path, text_column=0, label_column=1, header=header)) == expected


def test_header_is_missed_where_its_label_occurs_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "fine,1\nbad,0\nok,1\n")
    found = read_labelled_table(path, text_column=0, label_column=-1)
    assert len(found) == 3
    assert found.notes == []
    assert found.locations[0] == "a.csv: row 1"


@pytest.mark.parametrize(
    ("value", "expected"), [(1.0, "1"), (1, "1"), (None, ""), (float("nan"), ""), (" x ", "x")]
)
def test_cells_as_text(value: Any, expected: str) -> None:
    assert cell_text(value) == expected


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", "txt,label\nx,1\n", {}, "data.text_column needs column 'text'.*mean 'txt'"),
        ("a.csv", "text,mark\nx,1\n", {}, "data.label_column needs column 'label'"),
        ("a.csv", "x,1\n", {"text_column": 2, "label_column": 1}, "is column 2.*2 columns"),
        ("a.csv", "x,1\n", {"header": False}, "data.header=false give its number"),
        ("a.csv", "text,label\n", {}, "no rows"),
        ("a.csv", "", {}, "empty"),
        ("a.csv", "text,text,label\na,b,1\n", {"text_column": "text.1x"}, "mean 'text.1'"),
        ("a.csv", "text,label\na,b\nc,d,e\n", {}, "line 3, saw 3"),
        ("a.jsonl", '{"text": "a"}\n{"text"\n', {}, "line 2 is not JSON"),
        ("a.jsonl", '["a"]\n', {}, "line 1 is list"),
        ("a.parquet", "no parquet", {}, "not readable as a Parquet table"),
        ("a.csv", b"text,label\n\0\0,1\n", {}, "not a text file"),
        ("a.csv.gz", "text,label\nx,1\n", {}, "cannot be read"),
        ("a.docx", "x", {}, "unknown format of a table.*csv"),
        ("a.csv", "text,label\nx,1\n", {"encoding": "utf-9"}, "no such encoding.*'utf-8'"),
    ],
)
def test_bad_tables(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=message):
        read_labelled_table(path, **options)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "text,label\n")
    with pytest.raises(UserError, match=r"no such file; did you mean 'train.csv'"):
        read_labelled_table(tmp_path / "trian.csv")
    with pytest.raises(UserError, match="is a folder"):
        read_text(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_of_encodings_are_obeyed(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.txt", "naïve\r\nfilm\n", encoding)
    assert read_lines(path) == (["naïve", "film"], [])


def test_fallback_is_named_and_cuts_no_line(tmp_path: Path) -> None:
    # Byte 0x85 ends a line for str.splitlines; in the old data sets it is an ellipsis.
    path = write(tmp_path / "a.txt", b"na\xefve \x85 film\n\nlast")
    lines, notes = read_lines(path)
    assert lines == ["naïve \x85 film", "", "last"]
    assert notes == ["a.txt: not in utf-8, read as latin-1"]


def test_packed_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt.gz", gzip.compress(b"one\ntwo\n"))
    assert read_lines(path)[0] == ["one", "two"]


def test_encodings() -> None:
    check_encoding("latin-1")
    with pytest.raises(UserError, match=r"data.encoding=utf8x"):
        check_encoding("utf8x")


def test_table_to_predict(tmp_path: Path) -> None:
    frame, _ = read_table(write(tmp_path / "a.csv", "review\nfine\n"))
    assert column_texts(frame, "text", "a.csv") == ["fine"]
    wide = pd.DataFrame({"id": [1], "text": ["fine"]})
    assert column_texts(wide, "text", "it") == ["fine"]
    assert column_texts(wide, 1, "it") == ["fine"]
    with pytest.raises(UserError, match="the model needs column 'body'"):
        column_texts(wide, "body", "it")


def test_a_workbook_is_a_table_of_texts_too(tmp_path: Path) -> None:
    frame = pd.DataFrame([*ROWS, ("1.50", "pos"), ("NA", "neg")], columns=["text", "label"])
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    expected = [*ROWS, ("1.50", "pos"), ("NA", "neg")]
    assert pairs(tmp_path / "a.xlsx", text_column="text", label_column="label") == expected
    frame.to_excel(tmp_path / "b.xlsx", index=False, header=False)
    assert pairs(tmp_path / "b.xlsx", text_column=0, label_column=1, header=False) == expected
    (tmp_path / "c.xlsx").write_bytes(b"no workbook")
    with pytest.raises(UserError, match=r"c\.xlsx: not readable as an Excel workbook"):
        read_table(tmp_path / "c.xlsx")


def test_a_missing_file_is_not_a_folder_beside_it(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    with pytest.raises(UserError, match=r"nowhere\.csv: no such file$"):
        read_text(tmp_path / "nowhere.csv")
