"""Recordings of phones and browsers, damaged MP3, odd sample rates, and other files of a folder."""

import random
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from gru_suite.audio.inputs import check_duration, read_inputs
from gru_suite.audio.reading import loudest_segment
from gru_suite.audio.reading.loudest_segment import read_loudest
from gru_suite.audio.reading.sound_files import is_sound_file, read_sound, resample
from gru_suite.errors import UserError
from gru_suite.tasks.sentiment.reading.layouts import read_folders
from gru_suite.tasks.speech_commands.data import AudioDataModule
from gru_suite.tasks.video_action.reading.corpus import list_folders as list_videos

RATE = 16000


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype("f4")


def record(path: Path, codec: str, rate: int, seconds: float = 1.0, layout: str = "mono") -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        channels = stream.codec_context.layout.nb_channels
        samples = np.repeat(tone(seconds, rate)[None], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.codec_context.format.name, layout, rate)
        fifo = av.AudioFifo()
        for part in resampler.resample(frame):
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (part := fifo.read(size, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.m4a", "aac", 44100, "stereo"),
        ("a.mp4", "aac", 16000, "mono"),
        ("a.webm", "libopus", 48000, "mono"),
        ("a.mka", "flac", 22050, "mono"),
        ("a.3gp", "aac", 16000, "mono"),
    ],
)
def test_recordings_of_phones_and_browsers_are_read(
    tmp_path: Path, name: str, codec: str, rate: int, layout: str
) -> None:
    path = record(tmp_path / name, codec, rate, layout=layout)
    assert is_sound_file(path)
    samples_S = read_sound(path, RATE)
    assert len(samples_S) == pytest.approx(RATE, abs=0.15 * RATE)
    assert np.abs(np.fft.rfft(samples_S)).argmax() * RATE / len(samples_S) == pytest.approx(440, 2)
    assert np.abs(samples_S[4000:12000]).max() == pytest.approx(0.3, abs=0.05)
    assert len(read_loudest(path, RATE, RATE // 2)) == RATE // 2
    check_duration(path)


def test_a_caf_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.caf"
    soundfile.write(path, tone(1.0), RATE, format="CAF")
    assert np.abs(read_sound(path, RATE) - tone(1.0)).max() < 1e-4


def test_a_long_recording_is_searched_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet, loud = 0.01 * tone(2.0), tone(0.5)
    path = tmp_path / "a.mka"
    with av.open(path, "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        samples = (np.concatenate([quiet, loud, quiet]) * 32767).astype("i2")[None]
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    whole_S = read_loudest(path, RATE, RATE // 2)
    monkeypatch.setattr(loudest_segment, "_MAX_SECONDS_AT_ONCE", 1.0)
    assert np.array_equal(read_loudest(path, RATE, RATE // 2), whole_S)
    assert np.abs(whole_S).mean() > 0.9 * np.abs(loud).mean()


def test_a_video_without_sound_and_a_text_are_refused_by_one_reason(tmp_path: Path) -> None:
    text = tmp_path / "a.m4a"
    text.write_text("not a sound\n" * 50)
    with pytest.raises(ValueError, match="not a readable sound file"):
        read_sound(text, RATE)


def test_a_damaged_mp3_writes_nothing_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(1.0), RATE)
    whole = path.read_bytes()
    outcomes = set()
    for seed in range(60):
        draw, content = random.Random(seed), bytearray(whole)
        for _ in range(draw.choice([1, 5, 40])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: draw.randrange(1, len(content))] if seed % 3 == 0 else content)
        try:
            read_sound(path, RATE)
            outcomes.add("read")
        except ValueError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rate", [7919, 44101, 767_999])
def test_odd_sample_rates_take_little_memory(rate: int) -> None:
    samples_S = resample(tone(0.5, rate), rate, RATE)
    assert len(samples_S) == pytest.approx(RATE / 2, abs=2)
    assert np.abs(samples_S[2000:6000] - tone(0.5)[2000:6000]).max() < 0.02


def test_an_impossible_sample_rate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.5), RATE)
    content = bytearray(path.read_bytes())
    content[24:28] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its header says 2,147,483,647 samples a second"):
        read_sound(path, RATE)


# Whatever is left out of a folder is counted and named


def test_other_files_of_a_folder_of_inputs_are_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(0.5), RATE)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    with pytest.warns(UserWarning, match=r"left out 1 by its name, .* a sound file: notes\.txt$"):
        assert len(list(read_inputs(tmp_path, RATE, RATE))) == 1
    (tmp_path / "a.wav").unlink()
    with pytest.raises(UserError, match=r"no readable sound file in this folder .*\.m4a.*notes"):
        list(read_inputs(tmp_path, RATE, RATE))


def test_other_files_of_training_folders_are_named_in_every_task(tmp_path: Path) -> None:
    for label in ("low", "high"):
        folder = tmp_path / label
        folder.mkdir()
        for number in range(10):
            soundfile.write(folder / f"{number}.wav", tone(0.3), RATE)
            (folder / f"{number}.txt").write_text("a text")
            (folder / f"{number}.mp4").write_bytes(b"")
        (folder / "extra.docx").write_text("x")
    data = AudioDataModule(
        str(tmp_path),
        source="folders",
        labels="all",
        cache_dir=str(tmp_path / ".c"),
        max_bad_fraction=1,
    )
    data.prepare_data()
    data.setup("fit")
    found = [*data.summary(), *list_videos(tmp_path).notes]
    found += read_folders(tmp_path, "utf-8", None)["train"].notes
    lines = [line for line in found if line.startswith("left out") and "by their name" in line]
    assert [line.split()[2] for line in lines] == ["22", "42", "42"]
    assert all("high/" in line and " more" in line for line in lines)
