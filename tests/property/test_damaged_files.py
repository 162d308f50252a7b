"""Damaged files: every reader reads them or raises our own error, silently, in little memory."""

import random
import resource
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pandas as pd
import pytest
import soundfile
from video_files import moving, write_video

import gru_suite
from gru_suite.audio.reading.loudest_segment import read_loudest
from gru_suite.audio.reading.sound_files import read_sound
from gru_suite.errors import UserError
from gru_suite.tasks.forecasting.data import ForecastingDataModule
from gru_suite.tasks.sentiment.data import TextDataModule
from gru_suite.video.reading.video_files import Sampling, read_frames

STORED = Path(__file__).parents[1] / "golden" / "checkpoints"
FEW, MANY = 200, 5000
MAX_GROWTH_MB = 150


class Reader(NamedTuple):
    """A kind of file: how a whole one is written and read, and the errors of damaged ones.

    The callers of readers of sound and video add the name of the file to a ValueError.
    """

    suffix: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    errors: type[Exception] = UserError


def forecast_table() -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=80, freq="h")
    return pd.DataFrame({"t": times, "y": np.arange(80) % 24 + 0.5, "sky": ["sun", "rain"] * 40})


def read_series(path: Path) -> object:
    data = ForecastingDataModule(
        12, 4, path=str(path), time_column="t", target="y", future_covariates=["sky"]
    )
    data.setup()
    return data.summary()


def text_table() -> pd.DataFrame:
    texts = [f"a {'fine' if row % 2 else 'dull'} film, no. {row}" for row in range(60)]
    return pd.DataFrame({"text": texts, "label": ["pos", "neg"] * 30})


def read_text_table(path: Path) -> object:
    data = TextDataModule(path=str(path), char_ngrams=None)
    data.setup("fit")
    return data.summary()


def write_sound(path: Path) -> None:
    soundfile.write(path, 0.3 * np.sin(np.arange(16000) / 5), 16000)


def write_aac(path: Path) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for start in range(0, 16384, 1024):
            wave = 0.3 * np.sin(np.arange(start, start + 1024) / 5)
            frame = av.AudioFrame.from_ndarray(wave.astype("f4")[None], "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, start
            frame.time_base = Fraction(1, 16000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_both(path: Path) -> object:
    read_loudest(path, 16000, 8000)
    return read_sound(path, 16000)


def write_clip(path: Path) -> object:
    return write_video(path, moving(12))


def read_clip(path: Path) -> object:
    return read_frames(path, Sampling(6), 32, 40)


def copy_of(name: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes((STORED / name).read_bytes())


READERS = {
    "series csv": Reader(".csv", lambda p: forecast_table().to_csv(p, index=False), read_series),
    "series parquet": Reader(".parquet", lambda p: forecast_table().to_parquet(p), read_series),
    "texts csv": Reader(".csv", lambda p: text_table().to_csv(p, index=False), read_text_table),
    "texts jsonl": Reader(
        ".jsonl", lambda p: text_table().to_json(p, orient="records", lines=True), read_text_table
    ),
    "texts parquet": Reader(".parquet", lambda p: text_table().to_parquet(p), read_text_table),
    "wav": Reader(".wav", write_sound, read_both, ValueError),
    "flac": Reader(".flac", write_sound, read_both, ValueError),
    "ogg": Reader(".ogg", write_sound, read_both, ValueError),
    "mp3": Reader(".mp3", write_sound, read_both, ValueError),
    "m4a": Reader(".m4a", write_aac, read_both, ValueError),
    "mp4": Reader(".mp4", write_clip, read_clip, ValueError),
    "avi": Reader(".avi", write_clip, read_clip, ValueError),
    "checkpoint": Reader(".ckpt", copy_of("forecasting.ckpt"), gru_suite.load),
    "safetensors": Reader(".safetensors", copy_of("sentiment.safetensors"), gru_suite.load),
}


def mutated(whole: bytes, seed: int) -> bytes:
    """Return a copy with some bytes changed, cut, removed, doubled or blanked."""
    draw, content = random.Random(seed), bytearray(whole)
    for _ in range(draw.choice([1, 1, 2, 8, 64])):
        kind, at = draw.randrange(6), draw.randrange(len(content) + 1)
        length = draw.choice([1, 2, 4, 16, 256])
        if kind <= 1:
            content[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 2:
            content[at : at + length] = b""
        elif kind == 3:
            content[at:at] = content[at : at + length]
        elif kind == 4:
            content[at : at + length] = bytes(min(length, len(content) - at))
        elif draw.random() < 0.2:
            del content[at:]
    return bytes(content)


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def check(name: str, count: int, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reader = READERS[name]
    path = folder / f"whole{reader.suffix}"
    reader.write(path)
    whole = path.read_bytes()
    reader.read(path)
    capfd.readouterr()
    outcomes, before = {"read": 0, "refused": 0}, peak_mb()
    for seed in range(count):
        path = folder / f"damaged{reader.suffix}"
        path.write_bytes(mutated(whole, seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                reader.read(path)
                outcomes["read"] += 1
            except reader.errors:
                outcomes["refused"] += 1
            except Exception as error:
                raise AssertionError(f"{name}, seed {seed}: {error!r}") from error
    assert outcomes["refused"] > 0, outcomes
    assert capfd.readouterr() == ("", "")
    assert peak_mb() - before < MAX_GROWTH_MB, name


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check(name, FEW, tmp_path, capfd)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_thousands_of_damaged_files(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check(name, MANY, tmp_path, capfd)
