import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError
from gru_suite.tasks.translation.reading.aligned_files import read_aligned_files
from gru_suite.tasks.translation.reading.cleaning import (
    count_overlap,
    drop_unusable,
    hold_out_missing,
)
from gru_suite.tasks.translation.reading.layouts import read_multi30k
from gru_suite.tasks.translation.reading.pair_tables import read_pair_table
from gru_suite.tasks.translation.reading.prediction_inputs import read_sources
from gru_suite.tasks.translation.reading.text_pairs import TextPairs

SOURCES = ["A dog runs.", "Two cats"]
TARGETS = ["Ein Hund rennt.", "Zwei Katzen, „müde“"]


def pairs_of(sources: list[str], targets: list[str] | None = None) -> TextPairs:
    places = [f"x.tsv: row {row}" for row in range(1, len(sources) + 1)]
    return TextPairs(list(sources), list(targets or sources), places)


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    data = content.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "tsv.gz", "jsonl", "parquet", "xlsx"])
def test_tables_of_every_format(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id": [1, 2], "target": TARGETS, "source": SOURCES})
    path = tmp_path / f"pairs.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "xlsx":
        frame.to_excel(path, index=False)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        write(path, "\n".join("\t".join(map(str, row)) for row in [frame.columns, *frame.values]))
    pairs = read_pair_table(path)
    assert (pairs.sources, pairs.targets) == (SOURCES, TARGETS)
    assert pairs.places == [f"{path.name}: row 1", f"{path.name}: row 2"]


def test_columns_by_number_have_no_header(tmp_path: Path) -> None:
    lines = zip(SOURCES, TARGETS, strict=True)
    path = write(tmp_path / "pairs.tsv", "\n".join(f"{s}\t{t}" for s, t in lines))
    assert read_pair_table(path, 0, 1).sources == SOURCES
    assert read_pair_table(path, 1, 0).sources == TARGETS
    assert read_pair_table(path, 0, 1, header=True).sources == SOURCES[1:]


def test_wrong_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.csv", "sources,target\na,b\n")
    with pytest.raises(UserError, match=r"data\.source needs column 'source'.*'sources'"):
        read_pair_table(path)
    with pytest.raises(UserError, match="column 7, and there are 2 columns"):
        read_pair_table(path, "sources", 7)
    with pytest.raises(UserError, match="both 'target'"):
        read_pair_table(path, "target", "target")
    with pytest.raises(UserError, match="found no rows"):
        read_pair_table(write(tmp_path / "none.csv", "source,target\n"))


@pytest.mark.parametrize(("value", "kind"), [({"en": "a"}, "an object"), (["a", "b"], "a list")])
def test_cells_that_are_no_texts(tmp_path: Path, value: object, kind: str) -> None:
    rows = [{"source": "a", "target": "b"}, {"source": value, "target": "c"}]
    path = write(tmp_path / "pairs.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match=f"row 2 of column 'source' is {kind}; a text is needed"):
        read_pair_table(path)


def test_lists_in_parquet_are_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    pd.DataFrame({"source": [["a"], ["b"]], "target": ["c", "d"]}).to_parquet(path)
    with pytest.raises(UserError, match="row 1 of column 'source' is a list"):
        read_pair_table(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_aligned_files(tmp_path: Path, suffix: str) -> None:
    # U+2028 and a carriage return within a line do not end it.
    sources = ["one\u2028and", "two ", "three"]
    source = write(tmp_path / f"a.en{suffix}", "\r\n".join(sources) + "\r\n")
    target = write(tmp_path / f"a.de{suffix}", "eins\nzwei\ndrei\n\n")
    pairs = read_aligned_files(source, target)
    assert pairs.sources == ["one\u2028and", "two", "three"]
    assert pairs.targets == ["eins", "zwei", "drei"]
    assert pairs.places[2] == f"a.en{suffix}: line 3"
    assert pairs.notes == [f"a.de{suffix}: 1 blank lines at its end were left out"]


def test_other_encodings(tmp_path: Path) -> None:
    source = write(tmp_path / "a.en", "café", "latin-1")
    target = write(tmp_path / "a.de", "Käse", "utf-16")
    pairs = read_aligned_files(source, target)
    assert (pairs.sources, pairs.targets) == (["café"], ["Käse"])
    assert pairs.notes == ["a.en: not in utf-8, read as latin-1"]
    with pytest.raises(UserError, match=r"data\.encoding=utf-9: no such encoding"):
        read_aligned_files(source, target, "utf-9")


@pytest.mark.parametrize("gap", [0, 7, 29])
def test_different_numbers_of_lines(tmp_path: Path, gap: int) -> None:
    sources = [f"{'x' * (1 + 5 * (row * row % 11))}" for row in range(30)]
    targets = [line + line for line in sources]
    del targets[gap]
    source = write(tmp_path / "a.en", "\n".join(sources))
    target = write(tmp_path / "a.de", "\n".join(targets))
    message = rf"a\.en has 30 lines and .*a\.de has 29.* line {gap + 1} of a\.en"
    with pytest.raises(UserError, match=message):
        read_aligned_files(source, target)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    source = write(tmp_path / "a.en", "one")
    with pytest.raises(UserError, match=r"no such file; did you mean 'a\.en'"):
        read_aligned_files(source, tmp_path / "a.den")
    with pytest.raises(UserError, match="the file is empty"):
        read_aligned_files(source, write(tmp_path / "a.de", "\n\n"))


def multi30k(folder: Path, suffix: str = ".gz") -> Path:
    folder.mkdir(parents=True)
    for language in ("en", "de", "fr"):
        for name, count in (("train", 4), ("val", 2), ("test_2016_flickr", 3)):
            lines = "".join(f"{language} {name} {row}\n" for row in range(count))
            write(folder / f"{name}.{language}{suffix}", lines)
    return folder


@pytest.mark.parametrize("below", ["", "data/task1/raw"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_multi30k(tmp_path: Path, below: str, suffix: str) -> None:
    multi30k(tmp_path / "m" / below, suffix)
    parts = read_multi30k(tmp_path / "m", "en", "fr")
    assert [len(parts[part]) for part in PARTS] == [4, 2, 3]
    assert parts["test"].sources[1] == "en test_2016_flickr 1"
    assert parts["test"].targets[1] == "fr test_2016_flickr 1"


def test_multi30k_errors(tmp_path: Path) -> None:
    folder = multi30k(tmp_path / "m")
    with pytest.raises(UserError, match=r"data\.target=cs: .* its languages are de, en, fr"):
        read_multi30k(folder, "en", "cs")
    with pytest.raises(UserError, match="both 'en'"):
        read_multi30k(folder, "en", "en")
    with pytest.raises(UserError, match="no such folder"):
        read_multi30k(tmp_path / "n", "en", "de")
    with pytest.raises(UserError, match=r"found no train\.<language>"):
        read_multi30k(tmp_path, "en", "de")
    (folder / "val.de.gz").unlink()
    with pytest.raises(UserError, match=r"val\.de: no such file, nor with \.gz; did you mean"):
        read_multi30k(folder, "en", "de")


def test_pairs_with_an_empty_side_are_dropped() -> None:
    pairs = pairs_of(["a", " ", "c", "d"], ["1", "2", "3", "  "])
    kept = drop_unusable(pairs, 0.5)
    assert (kept.sources, kept.targets) == (["a", "c"], ["1", "3"])
    assert kept.notes == [
        "left out, an empty source: 1 of 4 pairs: x.tsv: row 2",
        "left out, an empty target: 1 of 4 pairs: x.tsv: row 4",
    ]
    with pytest.raises(
        UserError, match=r"x.tsv: row 2: found an empty source \(2 of 4 pairs cannot"
    ):
        drop_unusable(pairs, 0.4)
    assert drop_unusable(kept, 0) is kept


def test_copies_of_a_source_stay_in_one_part() -> None:
    sources = [f"{'Text' if row % 2 else 'text  '} {row // 4}" for row in range(400)]
    parts = hold_out_missing({"train": pairs_of(sources)}, [0.8, 0.1, 0.1], 3)
    assert [len(parts[part]) for part in PARTS] == [320, 40, 40]
    assert sum(parts[part].sources.count("Text 7") for part in PARTS) == 2
    for part in ("val", "test"):
        assert count_overlap(parts[part], parts["train"]) == 0
    again = hold_out_missing({"train": pairs_of(sources)}, [0.8, 0.1, 0.1], 3)
    assert again["val"].places == parts["val"].places
    other = hold_out_missing({"train": pairs_of(sources)}, [0.8, 0.1, 0.1], 4)
    assert other["val"].places != parts["val"].places


def test_given_parts_stay_as_they_are() -> None:
    train, test = pairs_of([str(row) for row in range(90)]), pairs_of(["1", "x"])
    parts = hold_out_missing({"train": train, "test": test}, [0.8, 0.1, 0.1], 0)
    assert [len(parts[part]) for part in PARTS] == [80, 10, 2]
    assert parts["test"] is test
    assert count_overlap(test, train) == 1
    with pytest.raises(UserError, match=r"data\.split=\[0\.5, 0\.1\]"):
        hold_out_missing({"train": train}, [0.5, 0.1], 0)


def test_sources_to_predict(tmp_path: Path) -> None:
    assert read_sources("one text", "source", "utf-8") == ["one text"]
    assert read_sources(SOURCES, "source", "utf-8") == SOURCES
    frame = pd.DataFrame({"target": TARGETS, "source": SOURCES})
    assert read_sources(frame, "source", "utf-8") == SOURCES
    assert read_sources(frame[["target"]], "source", "utf-8") == TARGETS
    lines = write(tmp_path / "new.txt.gz", "\n".join(SOURCES) + "\n")
    assert read_sources(lines, "source", "utf-8") == SOURCES
    table = write(tmp_path / "new.tsv", "id\tsource\n" + "\n".join(f"1\t{s}" for s in SOURCES))
    assert read_sources(table, "source", "utf-8") == SOURCES
    with pytest.raises(UserError, match="needs column 'source'"):
        read_sources(frame.rename(columns={"source": "sorce"}), "source", "utf-8")
    with pytest.raises(UserError, match="text 1 is int"):
        read_sources(["a", 1], "source", "utf-8")
    with pytest.raises(UserError, match="input of type int"):
        read_sources(1, "source", "utf-8")


def test_the_name_of_a_file_as_a_text_is_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path / "new.txt", "x")
    with pytest.warns(UserWarning, match="was read as a text itself"):
        assert read_sources(str(path), "source", "utf-8") == [str(path)]
