import tarfile
from pathlib import Path

import pytest

from gru_suite.errors import UserError
from gru_suite.tasks.sentiment.reading.layouts import (
    read_folders,
    read_sst2,
    read_sst5,
    read_trec,
    read_tweeteval,
)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


FOLDERS = {
    "aclImdb/train/pos/0_9.txt": "fine",
    "aclImdb/train/neg/0_1.txt": "bad",
    "aclImdb/train/unsup/0_0.txt": "?",
    "aclImdb/train/urls_pos.txt": "http://",
    "aclImdb/test/pos/1_9.txt": "good",
}


@pytest.mark.parametrize("start", ["", "aclImdb", "packed", "packed/a.tar.gz"])
def test_folders_and_archives(tmp_path: Path, start: str) -> None:
    root = write(tmp_path / "plain", FOLDERS)
    (tmp_path / "plain" / "packed").mkdir()
    where = root
    if start.startswith("packed"):
        (tmp_path / "packed").mkdir()
        with tarfile.open(tmp_path / "packed" / "a.tar.gz", "w:gz") as archive:
            archive.add(root / "aclImdb", "aclImdb")
        where = tmp_path
    else:
        (tmp_path / "plain" / "packed").rmdir()
    parts = read_folders(where / start, "utf-8", ["neg", "pos"])
    assert set(parts) == {"train", "test"}
    train = sorted(zip(parts["train"].texts, parts["train"].labels, strict=True))
    assert train == [("bad", "neg"), ("fine", "pos")]
    assert parts["test"].texts == ["good"]
    assert parts["test"].locations[0].endswith("test/pos/1_9.txt")


def test_folders_without_parts(tmp_path: Path) -> None:
    root = write(tmp_path, {"a/1.txt": "one", "b/2.txt": "two", "b/3.md": "no text"})
    parts = read_folders(root, "utf-8", None)
    assert set(parts) == {"train"}
    assert parts["train"].labels == ["a", "b"]


def test_folders_note_the_fallback(tmp_path: Path) -> None:
    root = write(tmp_path, {"a/1.txt": "one", "b/2.txt": "two"})
    (root / "a" / "1.txt").write_bytes(b"caf\xe9")
    parts = read_folders(root, "utf-8", None)
    assert parts["train"].texts[0] == "café"
    assert parts["train"].notes == ["1 files not in utf-8, read as latin-1"]


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder or archive"):
        read_folders(tmp_path / "nowhere", "utf-8", None)
    write(tmp_path, {"only.txt": "x"})
    with pytest.raises(UserError, match="no training texts; needs train/<label>"):
        read_folders(tmp_path, "utf-8", None)
    with pytest.raises(UserError, match=r"needs a folder, or an archive ending in \.tar\.gz"):
        read_folders(tmp_path / "only.txt", "utf-8", None)
    (tmp_path / "broken.tar.gz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="not a complete tar archive"):
        read_folders(tmp_path / "broken.tar.gz", "utf-8", None)


def test_sst2_without_test_scores_dev(tmp_path: Path) -> None:
    write(tmp_path, {"train.tsv": "fine\t1\nbad\t0\n", "dev.tsv": 'a 8" film\t1\n'})
    parts = read_sst2(tmp_path, "utf-8")
    assert set(parts) == {"train", "test"}
    assert parts["test"].texts == ['a 8" film']
    assert "official dev part is scored as test" in parts["test"].notes[0]


def test_sst2_with_test_keeps_dev(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(("train.tsv", "dev.tsv", "test.tsv"), "fine\t1\n"))
    assert set(read_sst2(tmp_path, "utf-8")) == {"train", "val", "test"}


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder; needs one with train\.tsv"):
        read_sst2(tmp_path / "nowhere", "utf-8")
    write(tmp_path, {"other.txt": "x"})
    with pytest.raises(UserError, match=r"has no train_5500\.label; found other\.txt"):
        read_trec(tmp_path, "utf-8", None)


def test_trec_levels(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "train_5500.label": "NUM:dist How far ?\nHUM:ind Who ?\n",
            "TREC_10.label": "NUM:date When\n",
        },
    )
    coarse, fine = (read_trec(tmp_path, "utf-8", level)["train"] for level in (None, "fine"))
    assert coarse.labels == ["NUM", "HUM"]
    assert fine.labels == ["NUM:dist", "HUM:ind"]
    assert fine.texts == ["How far ?", "Who ?"]
    with pytest.raises(UserError, match=r"data\.subset=corse.*'coarse'"):
        read_trec(tmp_path, "utf-8", "corse")


def test_tweeteval(tmp_path: Path) -> None:
    write(
        tmp_path / "irony",
        {
            "train_text.txt": "one\ntwo\n",
            "train_labels.txt": "0\n1\n",
            "val_text.txt": "three\n",
            "val_labels.txt": "1\n",
            "mapping.txt": "0\tnon irony\n1\tirony\n",
        },
    )
    for path, task in ((tmp_path / "irony", None), (tmp_path, "irony")):
        parts = read_tweeteval(path, "utf-8", task)
        assert parts["train"].labels == ["non irony", "irony"]
        assert parts["test"].texts == ["three"]
    with pytest.raises(UserError, match=r"choose data\.subset=irony"):
        read_tweeteval(tmp_path, "utf-8", None)
    (tmp_path / "irony" / "train_labels.txt").write_text("0\n")
    with pytest.raises(UserError, match=r"has 2 lines and train_labels\.txt 1"):
        read_tweeteval(tmp_path / "irony", "utf-8", None)


def test_published_counts(shared_data: Path) -> None:
    sst2 = read_sst2(shared_data / "sst2", "utf-8")
    assert [len(part) for part in sst2.values()] == [6920, 872]
    assert sst2["train"].labels.count("0") == 3310
    sst5 = read_sst5(shared_data / "sst5", "utf-8")
    assert [len(part) for part in sst5.values()] == [8544, 1101]
    assert set(sst5["train"].labels) == set("01234")
    trec = read_trec(shared_data / "trec", "utf-8", "coarse")
    assert [len(part) for part in trec.values()] == [5452, 500]
    assert len(set(trec["train"].labels)) == 6
    emotion = read_tweeteval(shared_data / "tweeteval", "utf-8", "emotion")
    assert [len(part) for part in emotion.values()] == [3257, 374]
    assert len(set(emotion["train"].labels)) == 4


@pytest.mark.slow
def test_published_counts_of_imdb(shared_data: Path) -> None:
    train = read_folders(shared_data / "imdb", "utf-8", ["neg", "pos"])["train"]
    assert len(train) == 25_000
    assert train.labels.count("pos") == 12_500
