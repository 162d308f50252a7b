"""What predict and load say of inputs of the wrong kind: one clear sentence, no traceback."""

import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import soundfile
import torch
from forecasting_fixtures import make_task
from sentiment_fixtures import text_schema

import gru_suite
from gru_suite.audio.inputs import check_duration
from gru_suite.audio.reading.loudest_segment import read_loudest
from gru_suite.errors import UserError
from gru_suite.tasks.sentiment.task import SentimentTask
from gru_suite.tasks.speech_commands.task import SpeechCommandsTask
from gru_suite.tasks.video_action.task import VideoActionTask
from gru_suite.training.sequence_task import SequenceTask

RATE_HZ = 8000
CLASSES = {"labels": ["a", "b"], "class_counts": [1, 1]}


def save(task: SequenceTask, path: Path) -> Path:
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return path


def sentiment() -> SequenceTask:
    schema = text_schema(["a good film"], **CLASSES)
    return SentimentTask({"hidden_size": 4}, schema, embedding_size=3, wide_buckets=64)


def speech() -> SequenceTask:
    sizes = {"sample_rate_hz": RATE_HZ, "clip_samples": RATE_HZ, "max_samples": RATE_HZ}
    return SpeechCommandsTask({"hidden_size": 4}, CLASSES | sizes)


def video() -> SequenceTask:
    clips = {"size": [16, 16], "margin": 0, "num_frames": 4, "frame_rate_hz": None}
    schema = CLASSES | clips | {"oversample": 1, "test_clips": 1, "feature_size": None}
    return VideoActionTask({"hidden_size": 4}, schema)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1.0, 2.0]})


NOISE = np.linspace(-0.5, 0.5, RATE_HZ, dtype=np.float32)
CASES: list[tuple[Callable[[], SequenceTask], Any, str]] = [
    (sentiment, "", "found no text"),
    (sentiment, [], "found no text"),
    (sentiment, [1, 2], "text 0 is int; strings are needed"),
    (sentiment, None, "input of type NoneType: needs a text"),
    (sentiment, {"a": "b"}, "input of type dict"),
    (sentiment, b"good", "input of type bytes"),
    (sentiment, frame().assign(b=1), "needs column 'text'"),
    (speech, frame(), "input of type DataFrame: needs the path of a sound file"),
    (speech, "a text", "input a text: no such file"),
    (speech, [1.0, 2.0], "input of type float"),
    (speech, [], "an empty list"),
    (speech, np.zeros(0, np.float32), r"samples of shape \(0,\): needs finite numbers"),
    (speech, np.zeros((0, 2), np.float32), r"samples of shape \(0, 2\)"),
    (speech, np.zeros((2, 3, 4), np.float32), r"samples of shape \(2, 3, 4\)"),
    (speech, np.zeros(10, np.float32), "10 samples at 8000 Hz: less than 20 ms"),
    (speech, np.where(NOISE > 0, np.nan, NOISE), "needs finite numbers"),
    (speech, NOISE.astype(complex), "samples of type complex128"),
    (speech, NOISE > 0, "samples of type bool"),
    (speech, NOISE * 32768, "floats have a full scale of 1.0; divide"),
    (speech, (NOISE, 0), "samples at 0 Hz"),
    (speech, (NOISE, float("nan")), "samples at nan Hz"),
    (video, frame(), "input of type DataFrame: needs the path of a video"),
    (video, "none.mp4", "input none.mp4: no such file"),
    (video, [], "an empty list"),
    (video, np.zeros((0, 16, 16, 3), np.uint8), "at least one frame"),
    (video, np.zeros((4, 16, 16, 3), np.float32), "needs .* of torch.uint8"),
    (video, np.zeros((16, 16, 3), np.uint8), r"needs \(frames, height, width, 3\)"),
    (make_task, np.zeros((20, 2)), "input of type ndarray: needs a pandas DataFrame"),
    (make_task, [], "an empty list"),
    (make_task, "none.csv", "none.csv: no such file"),
]


def schema_of_tables() -> dict[str, Any]:
    return {"targets": ["a"], "layout": "table"}


@pytest.mark.parametrize(("make", "raw", "said"), CASES)
def test_an_input_of_another_kind_is_refused(
    make: Callable[[], SequenceTask], raw: Any, said: str
) -> None:
    task = make().eval()
    task.model.schema = task.model.schema | schema_of_tables()
    with pytest.raises(UserError, match=said):
        task.predict(raw)


def test_a_text_that_is_the_name_of_a_file_is_a_text_with_a_remark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("good\nbad\n")
    task = sentiment().eval()
    with pytest.warns(UserWarning, match=r"read as a text itself; .* pathlib\.Path"):
        assert len(task.predict(str(tmp_path / "a.txt"))) == 1
    assert len(task.predict(tmp_path / "a.txt")) == 2
    assert len(task.predict("word " * 1000)) == 1


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float64])
def test_samples_of_every_usual_type_mean_the_same(dtype: Any) -> None:
    info = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
    raw = NOISE if info is None else NOISE * (info.max - info.min) / 2 + (info.max + info.min) / 2
    found = speech().eval().predict((raw.astype(dtype), RATE_HZ)).probability_NK
    expected = speech_of_floats()
    np.testing.assert_allclose(found, expected, atol=2e-2)


def speech_of_floats() -> Any:
    torch.manual_seed(0)
    return speech().eval().predict((NOISE, RATE_HZ)).probability_NK


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("state_dict"), "has no 'state_dict'"),
        (lambda c: c.pop("hyper_parameters"), "has no 'hyper_parameters'"),
        (lambda c: c["gru_suite"].pop("format"), "format None is none of GRU Suite"),
        (lambda c: c["gru_suite"].update(format="new"), "format 'new'"),
        (lambda c: c["gru_suite"].update(format=2.0), "has format 2.0"),
        (
            lambda c: [c["gru_suite"].pop(key) for key in ("model_class", "task_class")],
            "not made by GRU Suite",
        ),
        (lambda c: c["state_dict"].popitem(), "does not fit this version"),
    ],
)
def test_a_checkpoint_with_something_missing_says_what(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    path = save(make_task(), tmp_path / "best.ckpt")
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    with pytest.raises(UserError, match=said):
        gru_suite.load(path)


def test_a_newer_minor_format_is_read(tmp_path: Path) -> None:
    path = save(make_task(), tmp_path / "best.ckpt")
    content = torch.load(path, weights_only=True)
    content["gru_suite"] |= {"format": 1.7, "of_the_future": [1, 2]}
    torch.save(content, path)
    assert isinstance(gru_suite.load(path), type(make_task().model))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("table.csv", b"a,b\n1,2\n", "no checkpoint file"),
        ("README.md", b"# A project\n", "no checkpoint file"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(64), "no checkpoint file"),
        ("sound.wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(32), "no checkpoint file"),
        ("w.safetensors", (8).to_bytes(8, "little") + b"{}      ", "weights alone"),
    ],
)
def test_a_file_of_another_type_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        gru_suite.load(tmp_path / name)


def test_a_checkpoint_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file; there is no folder .*nowhere"):
        gru_suite.load(tmp_path / "nowhere" / "best.ckpt")


def test_threads_load_and_predict_at_once(tmp_path: Path) -> None:
    path = save(sentiment(), tmp_path / "best.ckpt")
    expected = gru_suite.load(path).predict("a good film").to_dict()
    found: list[Any] = []

    def work() -> None:
        found.append(gru_suite.load(path).predict("a good film").to_dict())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_the_loudest_stretch_of_a_long_file_is_found_without_reading_it_whole(
    tmp_path: Path,
) -> None:
    samples = np.random.default_rng(0).normal(0, 0.001, 320 * RATE_HZ).astype(np.float32)
    samples[200 * RATE_HZ : 201 * RATE_HZ] += NOISE
    path = tmp_path / "long.wav"
    soundfile.write(path, samples, RATE_HZ, "FLOAT")
    found = read_loudest(path, RATE_HZ, RATE_HZ)
    np.testing.assert_allclose(found, samples[200 * RATE_HZ : 201 * RATE_HZ], atol=1e-6)
    assert len(read_loudest(path, 2 * RATE_HZ, 2 * RATE_HZ)) == 2 * RATE_HZ
    samples[100] = np.nan
    soundfile.write(path, samples, RATE_HZ, "FLOAT")
    with pytest.raises(ValueError, match="NaN"):
        read_loudest(path, RATE_HZ, RATE_HZ)


LONG = """
import resource, sys
import gru_suite
task = gru_suite.load("best.ckpt")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = task.predict("long.wav")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(found), after - before)
"""


@pytest.mark.slow
def test_ten_hours_of_sound_need_little_memory(tmp_path: Path) -> None:
    save(speech(), tmp_path / "best.ckpt")
    second = (NOISE * 32767).astype("<i2").tobytes()
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        for _ in range(36_000):
            file.writeframesraw(second)
    done = subprocess.run(
        [sys.executable, "-c", LONG], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    count, grown_kb = map(int, done.stdout.split())
    # The file holds 576 MB, and 1.15 GB as floats.
    assert (count, grown_kb < 150_000) == (1, True), grown_kb
    with pytest.raises(UserError, match=r"10\.0 hours of sound; at most 2 hours"):
        check_duration(tmp_path / "long.wav")
