"""Predictions, subtitles, windows of long recordings, and error rates."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transcription_fixtures import RATE_HZ, transcript_schema, transcription_model, write_sound

from gru_suite.errors import UserError
from gru_suite.tasks.transcription import model as model_module
from gru_suite.tasks.transcription.batches.transcript_dataset import make_batch
from gru_suite.tasks.transcription.inference.language_model import NGramModel
from gru_suite.tasks.transcription.inference.transcripts import Transcript, Word, subtitles
from gru_suite.tasks.transcription.task import TranscriptionTask
from gru_suite.tasks.transcription.training.metrics import TranscriptionMetrics


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    return samples.astype(np.float32)


def test_words_have_times_and_confidences() -> None:
    (found,) = transcription_model().predict(noise(1.0))
    assert found.text == " ".join(word.text for word in found.words)
    assert found.words, "the fixture is meant to emit tokens"
    assert found.seconds == 1.0
    assert 0 < found.confidence <= 1
    ends = 0.0
    for word in found.words:
        assert ends <= word.start_s < word.end_s <= found.seconds
        ends = word.start_s


def test_a_search_with_a_language_model() -> None:
    schema = transcript_schema()
    ids = transcription_model().tokens.encode(["turn on the light"])
    counts = NGramModel.fit(ids, 30, 4).as_dict()
    size = transcription_model().tokens.size
    model = transcription_model(
        schema={**schema, "language_model": {**counts, "vocabulary_size": size}}
    )
    greedy, searched = model.predict(noise(0.5))[0], model.predict(noise(0.5), beam_size=4)[0]
    assert searched.words
    assert searched.log_probability != greedy.log_probability


def test_long_recordings_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clip_S = transcription_model(causal=True), noise(4.0)
    whole = model.frame_scores([clip_S])[0]
    monkeypatch.setattr(model_module, "_WINDOW_S", 1.6)
    monkeypatch.setattr(model_module, "_OVERLAP_S", 0.8)
    parts = model.frame_scores([clip_S, noise(0.3, 1)])
    assert parts[0].shape == whole.shape
    # After the half overlap a recurrence of few units has forgotten its start.
    assert (parts[0].argmax(1) == whole.argmax(1)).mean() > 0.9
    assert len(parts[1]) == round(0.3 * RATE_HZ) // model.step_samples


def test_files_and_subtitles(tmp_path: Path) -> None:
    model = transcription_model()
    source, target = write_sound(tmp_path / "a.wav", 1.0), tmp_path / "a.csv"
    written = model.predict_file(source, target)
    assert [path.name for path in written] == ["a.csv", "a.srt", "a.png"]
    assert all(path.stat().st_size for path in written)
    write_sound(tmp_path / "b" / "c.wav")
    assert model.predict_file(tmp_path / "b", target) == [target]


def test_subtitles_break_at_pauses() -> None:
    words = [
        Word("one", 0.5, 0.9, 1.0),
        Word("two", 1.0, 1.4, 1.0),
        Word("x", 3661.0, 3662.5, 1),
    ]
    assert subtitles(Transcript("a", "one two x", 0.0, words)) == (
        "1\n00:00:00,500 --> 00:00:01,400\none two\n\n2\n01:01:01,000 --> 01:01:02,500\nx\n"
    )
    assert subtitles(Transcript("a", "", 0.0)) == ""


def test_too_short_a_recording() -> None:
    with pytest.raises(UserError, match=r"25 ms of sound; needs 40 ms"):
        transcription_model().predict(noise(0.025))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size"),
        ({"head_dropout": 1.5}, "head_dropout"),
        ({"front_end": {"time_strides": [9, 1]}}, "time_strides"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises((UserError, TypeError), match=message):
        model_module.TranscriptionModel(
            **{"backbone": {"hidden_size": 4}, "schema": transcript_schema(), **options}
        )


def test_error_rates() -> None:
    metrics = TranscriptionMetrics()
    metrics.update(["one two three", "a"], ["one too three", "a b"])
    metrics.update([""], ["c"])
    metrics.update(["ignored"], [" "])
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found["wer"] == pytest.approx(3 / 6)
    assert found["cer"] == pytest.approx((1 + 2 + 1) / (13 + 3 + 1))
    assert found["exact_match"] == pytest.approx(0)


def test_a_chunked_stream_equals_the_whole() -> None:
    model = transcription_model(causal=True)
    clips = [noise(1.3, 1), noise(0.9, 2)]
    stream, ends = model.stream(2), [0, 0]
    random = np.random.default_rng(3)
    texts = ["", ""]
    while any(end < len(clip) for end, clip in zip(ends, clips, strict=True)):
        sizes = random.integers(0, 900, 2)
        chunks = [clip[e : e + n] for clip, e, n in zip(clips, ends, sizes, strict=True)]
        ends = [e + len(chunk) for e, chunk in zip(ends, chunks, strict=True)]
        found = stream.push(chunks)
        for row, each in enumerate(found):
            assert each.text.startswith(texts[row]), "a transcript only grows"
            texts[row] = each.text
    for each, whole in zip(found, model.predict(list(clips)), strict=True):
        assert each.text == whole.text
        assert each.log_probability == pytest.approx(whole.log_probability, rel=1e-5)
        assert [w.start_s for w in each.words] == [w.start_s for w in whole.words]
    with pytest.raises(UserError, match=r"bidirectional=false"):
        transcription_model().stream()
    assert torch.equal(torch.tensor(len(stream)), torch.tensor(2))


def test_speed_and_latency() -> None:
    speech_S = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    assert transcription_model().speed(speech_S, 0.1) == {"real_time_factor": pytest.approx(0.1)}
    model = transcription_model(causal=True)
    found = model.speed(np.concatenate([speech_S, 0 * speech_S]), 0.1)
    assert found["real_time_factor"] == pytest.approx(0.05)
    # What is said after the silence is looked for one second; noise of a random model ends by then.
    assert 0 <= found["last_word_ms"] <= 2_100


def transcription_task(label_smoothing: float) -> TranscriptionTask:
    torch.manual_seed(0)
    return TranscriptionTask(
        {"hidden_size": 6, "bidirectional": True},
        transcript_schema(),
        front_end={"channels": [4], "time_strides": [2], "output_size": 8, "dropout": 0.0},
        head_dropout=0.0,
        label_smoothing=label_smoothing,
    )


def test_label_smoothing_is_a_share_of_the_training_loss() -> None:
    plain, smoothed = transcription_task(0.0), transcription_task(0.25)
    tokens = plain.model.tokens.encode(["call anna", "turn on"])
    batch = make_batch([noise(0.8), noise(0.3, 1)], tokens, ["call anna", "turn on"])
    log_BTV, steps_B = output = plain.eval()(batch)
    assert log_BTV.size(1) == steps_B[0] > steps_B[1]
    ctc = plain.loss(output, batch)
    assert smoothed.eval().loss(output, batch) == ctc, "validation has the loss itself"
    steps = [log_BTV[0], log_BTV[1, : steps_B[1]]]
    uniform = -torch.cat(steps).mean()
    found = smoothed.train().loss(output, batch)
    torch.testing.assert_close(found, 0.75 * ctc + 0.25 * uniform)
    with pytest.raises(UserError, match=r"task.label_smoothing=1\.5"):
        transcription_task(1.5)
