"""Tables and corpora of recordings with transcripts."""

from pathlib import Path

import pytest
from transcription_fixtures import write_sound

from gru_suite.errors import UserError
from gru_suite.tasks.transcription.reading.corpora import read_corpus
from gru_suite.tasks.transcription.reading.normalization import normalize
from gru_suite.tasks.transcription.reading.transcript_tables import read_transcript_table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("Don\u2019t  stop\u2014now", "don't stop now"),
        ("'quoted' rock 'n' roll", "quoted rock n roll"),
        ("Gr\u00fc\u00dfe: 3,5 %", "gr\u00fc\u00dfe 3 5"),
        ("\u0434\u0430, \u043d\u0435\u0442", "\u0434\u0430 \u043d\u0435\u0442"),
        ("?!", ""),
    ],
)
def test_normalized_transcripts(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_a_table_with_speakers(tmp_path: Path) -> None:
    write_sound(tmp_path / "a" / "1.wav")
    table = tmp_path / "table.csv"
    table.write_text("File,Sentence,who\na/1.wav,One two,anna\na/2.wav,Three,ben\n")
    found = read_transcript_table(table, group_column="who")
    assert found.texts == ["One two", "Three"]
    assert found.paths == [tmp_path / "a/1.wav", tmp_path / "a/2.wav"]
    assert found.groups == ["anna", "ben"]
    assert read_transcript_table(table, group_regex=r"^(\w+)/").groups == ["a", "a"]


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    write_sound(tmp_path / "1.wav")
    table = tmp_path / "table.csv"
    table.write_text("sound,words\n1.wav,one\n")
    with pytest.raises(UserError, match=r"none of its columns \(sound, words\).*data\.path_column"):
        read_transcript_table(table)
    with pytest.raises(UserError, match="did you mean 'words'"):
        read_transcript_table(table, path_column="sound", text_column="word")
    table.write_text("path,text\n2.wav,one\n")
    with pytest.raises(UserError, match=r"row 1: no such file: .*2\.wav; .*data\.audio_dir"):
        read_transcript_table(table)
    with pytest.raises(UserError, match="no such file"):
        read_transcript_table(tmp_path / "no.csv")


def test_librispeech(tmp_path: Path) -> None:
    for part, speaker in (("train-clean-100", 84), ("dev-clean", 85), ("test-other", 86)):
        folder = tmp_path / part / str(speaker) / "121"
        write_sound(folder / f"{speaker}-121-0000.flac")
        (folder / f"{speaker}-121.trans.txt").write_text(f"{speaker}-121-0000 GO DO YOU HEAR\n")
    parts = read_corpus(tmp_path, "utf-8")
    assert set(parts) == {"train", "val", "test"}
    assert parts["test"].texts == ["GO DO YOU HEAR"]
    assert parts["val"].groups == ["85"]
    assert parts["train"].paths[0].is_file()


def test_common_voice(tmp_path: Path) -> None:
    write_sound(tmp_path / "clips" / "c_1.wav")
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").write_text(
            f'client_id\tpath\tsentence\tup_votes\n{name}\tc_1.wav\tA "{name}".\t2\n'
        )
    parts = read_corpus(tmp_path, "utf-8")
    assert {part: found.texts for part, found in parts.items()} == {
        "train": ['A "train".'],
        "val": ['A "dev".'],
        "test": ['A "test".'],
    }
    assert parts["val"].groups == ["dev"]
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").rename(tmp_path / "validated.tsv")
    assert list(read_corpus(tmp_path, "utf-8")) == ["train"]


def test_an4(tmp_path: Path) -> None:
    write_sound(tmp_path / "wav" / "an4_clstk" / "fash" / "an251-fash-b.wav")
    write_sound(tmp_path / "wav" / "an4test_clstk" / "fcaw" / "an406-fcaw-b.wav")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/an4_train.transcription").write_text("<s> YES </s> (an251-fash-b)\n")
    (tmp_path / "etc/an4_test.transcription").write_text("RUBOUT G M E (an406-fcaw-b)\n")
    parts = read_corpus(tmp_path, "utf-8")
    assert parts["train"].texts == ["YES"]
    assert parts["test"].texts == ["RUBOUT G M E"]
    assert parts["test"].groups == ["fcaw"]
    assert parts["test"].paths[0].is_file()
    (tmp_path / "etc/an4_test.transcription").write_text("no name\n")
    with pytest.raises(UserError, match="line 1: found 'no name'"):
        read_corpus(tmp_path, "utf-8")


def test_another_folder(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"found a\.wav; needs a table .*LibriSpeech"):
        read_corpus(tmp_path, "utf-8")
    with pytest.raises(UserError, match="no such folder"):
        read_corpus(tmp_path / "no", "utf-8")
