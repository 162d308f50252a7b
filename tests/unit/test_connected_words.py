"""Strings of words joined of recordings by one speaker."""

from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
from service_models import save_checkpoint
from stream_fixtures import speech_model
from transcription_fixtures import RATE_HZ, transcription_model

from gru_suite.errors import UserError
from gru_suite.tasks.transcription.batches.connected_words import change_speed, word_bounds
from gru_suite.tasks.transcription.batches.ctc_tokens import CtcTokens
from gru_suite.tasks.transcription.batches.transcript_dataset import TranscriptBatch
from gru_suite.tasks.transcription.data import TranscriptDataModule
from gru_suite.tasks.transcription.inference.language_model import NGramModel
from gru_suite.tasks.transcription.training.baselines import baseline_scores

WORDS = ("yes", "no", "stop")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("words")
    listed: dict[str, list[str]] = {"validation": [], "testing": []}
    for speaker in range(9):
        for number, word in enumerate(WORDS):
            name = f"{word}/{speaker:08x}_nohash_0.wav"
            (root / word).mkdir(exist_ok=True)
            time_S = np.arange(RATE_HZ) / RATE_HZ
            tone_S = 0.3 * np.sin(2 * np.pi * (300 + 300 * number + 10 * speaker) * time_S)
            tone_S[(time_S < 0.3) | (time_S > 0.7)] = 0
            soundfile.write(root / name, tone_S, RATE_HZ)
            if speaker > 5:
                listed["testing" if speaker > 7 else "validation"].append(name)
    for part, names in listed.items():
        (root / f"{part}_list.txt").write_text("\n".join(names) + "\n")
    return root


def module(
    folder: Path, tmp_path: Path, tokenizer: str = "word", **options: object
) -> TranscriptDataModule:
    data = TranscriptDataModule(
        str(folder),
        "connected_words",
        tokenizer=tokenizer,
        sample_rate_hz=RATE_HZ,
        cache_dir=str(tmp_path),
        count=12,
        **options,  # type: ignore[arg-type]
    )
    data.prepare_data()
    data.setup()
    return data


def test_the_tokens_are_those_that_were_asked_for(folder: Path, tmp_path: Path) -> None:
    data = module(folder, tmp_path, "char", language_model=3)
    assert data.schema()["token_kind"] == "char"
    tokens = CtcTokens(data.schema()["tokenizer"])
    assert set("".join(WORDS)) < set(tokens.tokens(range(1, tokens.size)))
    batch = data.datasets["test"].__getitems__(range(12))
    for ids, length, text in zip(batch.target_BU, batch.target_lengths_B, batch.texts, strict=True):
        assert tokens.decode(ids[:length].tolist()) == text
    # After "st" only "stop" goes on.
    model = NGramModel(**data.schema()["language_model"])
    (after,) = tokens.encode(["stop"])
    assert model.log_probabilities(after[:3]).argmax() == after[3]


def test_strings(folder: Path, tmp_path: Path) -> None:
    data = module(folder, tmp_path)
    assert data.schema()["token_kind"] == "word"
    train, test = data.datasets["train"], data.datasets["test"]
    train.epoch = 5
    first = train.__getitems__(range(12))
    assert {len(text.split()) for text in first.texts} == {2, 3, 4, 5, 6, 7}
    assert set(" ".join(first.texts).split()) <= set(WORDS)
    train.epoch = 6
    assert train.__getitems__(range(12)).texts != first.texts
    train.epoch = 0
    assert max(len(text.split()) for text in train.__getitems__(range(12)).texts) <= 2
    again = test.__getitems__([3, 4])
    test.epoch = 7
    np.testing.assert_array_equal(test.__getitems__([3, 4]).x, again.x)
    assert "strings of 6 speakers" in "\n".join(data.summary())


def test_tokens_are_those_of_the_words(folder: Path, tmp_path: Path) -> None:
    data = module(folder, tmp_path)
    tokenizer = CtcTokens(data.schema()["tokenizer"])
    batch = data.datasets["val"].__getitems__([0, 1])
    for ids, length, text in zip(
        batch.target_BU.tolist(), batch.target_lengths_B.tolist(), batch.texts, strict=True
    ):
        assert tokenizer.decode(ids[:length]) == text


def test_where_a_word_is() -> None:
    clip_S = np.zeros(RATE_HZ, np.int16)
    clip_S[3200:4800] = 9000
    start, end = word_bounds(clip_S, RATE_HZ)
    assert abs(start - (3200 - 800)) <= 80
    assert abs(end - (4800 + 800)) <= 80


def test_speed_changes_the_length() -> None:
    clip_S = np.sin(np.arange(8000) / 20).astype(np.float32)
    faster_S = change_speed(clip_S, 1.25)
    assert len(faster_S) == 6400
    np.testing.assert_allclose(faster_S, np.sin(np.arange(6400) * 1.25 / 20), atol=1e-3)


def test_no_recordings_of_a_part(folder: Path, tmp_path: Path) -> None:
    only = tmp_path / "only"
    (only / "yes").mkdir(parents=True)
    soundfile.write(only / "yes" / "a_nohash_0.wav", np.ones(RATE_HZ) * 0.1, RATE_HZ)
    with pytest.raises(UserError, match="no recordings for the"):
        module(only, tmp_path)


def test_the_spotter_is_scored_on_the_same_strings(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = module(folder, tmp_path)
    spotter = speech_model(causal=False)
    path = save_checkpoint(spotter, tmp_path / "spotter" / "best.ckpt")
    scored = [data.datasets["test"].__getitems__(range(6))]
    found = baseline_scores(scored, scored, RATE_HZ, str(path))
    assert "words of the spotter" in capsys.readouterr().err
    assert list(found) == ["most_frequent", "spotter"]
    hypotheses = []
    for x_S, length in zip(scored[0].x, scored[0].lengths_B.tolist(), strict=True):
        events = spotter.timeline((x_S[:length].numpy(), RATE_HZ)).events
        hypotheses.append(" ".join(event.label for event in events))
    assert found["spotter"]["wer"] == pytest.approx(jiwer.wer(scored[0].texts, hypotheses))


def test_a_spotter_of_another_task_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint(transcription_model(), tmp_path / "best.ckpt")
    batch = TranscriptBatch(None, None, None, None, ["yes"])  # type: ignore[arg-type]
    with pytest.raises(UserError, match="of task transcription; needs task=speech_commands"):
        baseline_scores([batch], [], RATE_HZ, str(path))


def test_a_folder_that_is_not_there_is_fetched_by_the_other_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder; gru-suite task=speech_commands data=spee"):
        module(tmp_path / "none", tmp_path)
