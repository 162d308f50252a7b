import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gru_suite.audio.reading.corpus import list_speech_commands
from gru_suite.audio.synthesis.espeak import Utterance, installed, short_path, synthesize
from gru_suite.errors import UserError
from gru_suite.tasks.speech_commands.data import AudioDataModule
from gru_suite.tasks.speech_commands.samples import spoken_words as samples
from gru_suite.tasks.speech_commands.samples.spoken_words import (
    ACCENTS,
    OTHER_WORDS,
    TAKES,
    VOICES,
    part_of_voice,
    record,
    spoken_words,
    utterances_of,
)

needs_espeak = pytest.mark.skipif(
    not installed(), reason='needs espeakng-loader: pip install "gru-suite[samples]"'
)
WORDS = [Utterance(word, "en-us", "f2", 160, 50, 50) for word in ("yes", "no", "yes")]


def test_every_voice_has_one_part_and_says_every_word() -> None:
    parts = part_of_voice()
    assert sorted(parts) == sorted(VOICES)
    assert [list(parts.values()).count(part) for part in ("train", "val", "test")] == [49, 10, 10]
    utterances = utterances_of("f2")
    assert utterances == utterances_of("f2")
    assert utterances != utterances_of("f3")
    assert len(utterances) == 10 * TAKES + 6
    assert len(OTHER_WORDS) == 25
    assert {each.accent for each in utterances} <= set(ACCENTS)
    assert len({each.words_per_minute for each in utterances}) > 20


def test_a_word_becomes_a_second_of_recording() -> None:
    draw = np.random.default_rng(0)
    word_S = np.sin(np.arange(8000) / 5).astype("f4")
    clips = [record(word_S, draw) for _ in range(3)]
    assert [len(clip) for clip in clips] == [16000] * 3
    levels_db = [20 * np.log10(clip.std()) for clip in clips]
    assert all(-40 < level < -15 for level in levels_db)
    assert len({round(level) for level in levels_db}) > 1
    assert len(record(np.ones(99_999, "f4"), draw)) == 16000


def test_a_missing_library_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "installed", lambda: False)
    with pytest.raises(UserError, match=r'pip install "gru-suite\[samples\]"'):
        AudioDataModule(source="spoken_words", cache_dir=str(tmp_path)).prepare_data()


def test_a_short_path_is_taken_as_it_is_and_a_long_one_is_shortened(tmp_path: Path) -> None:
    with short_path(Path("/data")) as path:
        assert path == Path("/data")
    deep = tmp_path / ("a" * 80) / ("b" * 80)
    deep.mkdir(parents=True)
    (deep / "voice").touch()
    with short_path(deep) as path:
        assert len(str(path)) < 120
        assert (path / "voice").exists()
    assert not path.exists()
    assert (deep / "voice").exists()


@needs_espeak
def test_the_same_words_in_the_same_order_sound_the_same(tmp_path: Path) -> None:
    first, rate_hz = synthesize(WORDS, tmp_path)
    second, _ = synthesize(WORDS, tmp_path)
    assert rate_hz == 22050
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)
        assert 0.1 < len(one) / rate_hz < 1
    assert not list(tmp_path.iterdir())


@needs_espeak
def test_a_library_far_down_in_the_folders_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import espeakng_loader  # type: ignore[import-untyped]

    deep = tmp_path / ("a" * 90) / ("b" * 90)
    shutil.copytree(Path(espeakng_loader.__file__).parent, deep / "espeakng_loader")
    monkeypatch.setenv("PYTHONPATH", str(deep))
    clips, _ = synthesize(WORDS[:1], tmp_path)
    assert len(clips[0]) > 2000


@needs_espeak
def test_a_fault_of_the_library_is_told(tmp_path: Path) -> None:
    for change in ({"speaker": "nobody"}, {"accent": "xx-none"}):
        with pytest.raises(UserError, match=r"espeak-ng failed: .*has no voice '.*'"):
            synthesize([WORDS[0]._replace(**change)], tmp_path)


@needs_espeak
def test_spoken_words_are_laid_out_as_the_real_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voices = tuple(voice for voice in VOICES if voice in ("f1", "f2", "m1", "m2"))
    parts = dict(zip(voices, ("train", "train", "val", "test"), strict=True))
    monkeypatch.setattr(samples, "VOICES", voices)
    monkeypatch.setattr(samples, "TAKES", 1)
    monkeypatch.setattr(samples, "part_of_voice", lambda: parts)
    folder = spoken_words(tmp_path)
    assert spoken_words(tmp_path) == folder
    assert [each.name for each in tmp_path.iterdir()] == [folder.name]
    corpus = list_speech_commands(folder)
    assert len(corpus.recordings) == 4 * 16
    assert {each.group: each.part for each in corpus.recordings} == parts
    assert len(corpus.noises) == 3
    assert soundfile.info(corpus.recordings[0].path).duration == 1.0
    data = AudioDataModule(source="spoken_words", labels="v2_12", cache_dir=str(tmp_path))
    data.prepare_data()
    data.setup("fit")
    assert "synthetic" in data.name
    assert data.schema()["class_counts"] == [2, 2, *[2] * 10]
