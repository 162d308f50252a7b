import functools
import hashlib
import http.server
import shutil
import tarfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import soundfile
import torch
from trainers import quiet_trainer

from gru_suite.audio.reading.corpus import (
    list_folders,
    list_speech_commands,
    official_part,
    split_recordings,
)
from gru_suite.audio.reading.loudest_segment import loudest
from gru_suite.audio.reading.sound_files import decode_files, read_sound
from gru_suite.data.ragged_arrays import open_arrays
from gru_suite.errors import UserError
from gru_suite.tasks.speech_commands.batches.audio_dataset import AudioBatch
from gru_suite.tasks.speech_commands.data import AudioDataModule
from gru_suite.tasks.speech_commands.reading import download
from gru_suite.tasks.speech_commands.reading.download import Archive, fetch
from gru_suite.tasks.speech_commands.reading.labels import CORE_WORDS, label_names

RATE = 16000


def tone(hz: float, seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def write(path: Path, samples: np.ndarray, rate: int = RATE, **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def official_folder(root: Path, words: list[str], speakers: int = 10, lists: bool = True) -> Path:
    for number, word in enumerate(words):
        for speaker in range(speakers):
            name = f"{speaker:08x}_nohash_0.wav"
            write(root / word / name, tone(300 + 100 * number + speaker, 0.2))
    if lists:
        for file, speaker in (("validation_list.txt", 1), ("testing_list.txt", 2)):
            lines = [f"{word}/{speaker:08x}_nohash_0.wav\n" for word in words]
            (root / file).write_text("".join(lines))
    return root


def class_folders(root: Path, clips: int = 10) -> Path:
    for number, label in enumerate(("low", "high")):
        for clip in range(clips):
            speaker = "anna" if clip % 2 else f"bob{clip % 5}"
            write(root / label / f"{speaker}-{clip}.wav", tone(300 * (1 + number) + clip))
    return root


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def module(path: Path, cache: str, **options: object) -> AudioDataModule:
    data = AudioDataModule(str(path), cache_dir=cache, **options)  # type: ignore[arg-type]
    data.prepare_data()
    data.setup("fit")
    return data


# Decoding


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [
        ("wav", 16000, 1),
        ("wav", 8000, 2),
        ("wav", 44100, 1),
        ("flac", 22050, 2),
        ("ogg", 48000, 1),
        ("mp3", 32000, 2),
    ],
)
def test_any_format_rate_and_number_of_channels_is_read(
    tmp_path: Path, suffix: str, rate: int, channels: int
) -> None:
    sound = tone(440, 0.5, rate)
    path = write(tmp_path / f"a.{suffix}", np.stack([sound] * channels, axis=1), rate)
    samples_S = read_sound(path, RATE)
    assert len(samples_S) == pytest.approx(0.5 * RATE, abs=0.1 * RATE)
    assert samples_S.dtype == np.float32
    peak = np.abs(np.fft.rfft(samples_S)).argmax() * RATE / len(samples_S)
    assert peak == pytest.approx(440, abs=4)
    assert np.abs(samples_S[1000:4000]).max() == pytest.approx(0.3, abs=0.05)


def test_16_bit_samples_come_back_bit_for_bit(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32767, 1000, dtype=np.int16)
    decoded = decode_files([write(tmp_path / "a.wav", samples)], RATE, tmp_path / "cache")
    assert np.array_equal(decoded.samples.get(0), samples)


def bad_files(folder: Path) -> dict[str, Path]:
    sound = tone(300, 0.5)
    files = {name: folder / f"{name}.wav" for name in ("empty", "text", "header", "silent")}
    folder.mkdir(parents=True, exist_ok=True)
    files["empty"].touch()
    files["text"].write_text("this is no sound\n" * 40)
    write(files["header"], sound)
    files["header"].write_bytes(files["header"].read_bytes()[:12] + b"\xff" * 500)
    write(files["silent"], sound[:0])
    files["cut"] = write(folder / "cut.wav", sound)
    files["cut"].write_bytes(files["cut"].read_bytes()[:2000])
    files["cut_flac"] = write(folder / "cut_flac.flac", np.random.default_rng(0).random(9000) - 0.5)
    files["cut_flac"].write_bytes(files["cut_flac"].read_bytes()[:9000])
    files["nan"] = write(folder / "nan.wav", np.full(9000, np.nan), subtype="FLOAT")
    return files


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "the file is empty"),
        ("text", "not a readable sound file"),
        ("header", "not a readable sound file|cut off"),
        ("silent", "holds 0 samples"),
        ("cut", r"cut off after 2,000 of 16,044 bytes"),
        ("cut_flac", "cut off after|not a readable sound file"),
        ("nan", "holds NaN or infinite samples"),
    ],
)
def test_a_bad_file_is_told_by_its_reason(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_sound(bad_files(tmp_path)[name], RATE)


def test_a_file_that_vanished_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be opened: No such file"):
        read_sound(tmp_path / "none.wav", RATE)


def test_a_wav_written_to_a_pipe_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(300))
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff\xff\xff\xff" + content[8:])
    assert len(read_sound(path, RATE)) == 4800


def test_decoded_files_are_found_again_by_their_content(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{hz}.wav", tone(hz)) for hz in (300, 400)]
    files.insert(1, bad_files(tmp_path / "bad")["text"])
    first = decode_files(files, RATE, tmp_path / "cache")
    assert first.clip_of_file == [0, None, 1]
    assert list(first.unreadable) == [1]
    (folder,) = (tmp_path / "cache").iterdir()
    written = (folder / "values.bin").stat().st_mtime_ns
    moved = [path.rename(path.with_name(f"moved-{path.name}")) for path in files]
    second = decode_files(moved, RATE, tmp_path / "cache")
    assert (folder / "values.bin").stat().st_mtime_ns == written
    assert second.unreadable == first.unreadable
    assert np.array_equal(second.samples.get(1), first.samples.get(1))
    write(moved[0], tone(500))
    decode_files(moved, RATE, tmp_path / "cache")
    decode_files(moved, 8000, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_cache_cut_off_in_the_middle_is_made_anew(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.wav", tone(300))]
    decode_files(files, RATE, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    samples = folder / "values.bin"
    samples.write_bytes(samples.read_bytes()[:100])
    assert open_arrays(folder) is None
    assert len(decode_files(files, RATE, tmp_path / "cache").samples.get(0)) == 4800


def test_no_epoch_touches_the_files(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "sounds")
    data = module(root, cache, source="folders", labels="all")
    shutil.rmtree(root)
    for _ in range(2):
        assert sum(len(batch.x) for batch in data.train_dataloader()) == 16


# Lists, labels, splits


def test_the_hash_rule_gives_the_official_lists(shared_data: Path) -> None:
    folder = shared_data / "official_splits" / "speech_commands_v0.01"
    for part, name in (("val", "validation_list.txt"), ("test", "testing_list.txt")):
        names = (folder / name).read_text().split()
        assert len(names) > 6000
        assert {official_part(each) for each in names} == {part}


def test_lists_decide_and_the_hash_replaces_a_missing_one(tmp_path: Path) -> None:
    root = official_folder(tmp_path / "words", ["yes", "no"], speakers=60)

    def parts() -> dict[str, str]:
        return {each.group: each.part for each in list_speech_commands(root).recordings}

    listed = parts()
    assert (listed["00000001"], listed["00000002"]) == ("val", "test")
    assert sorted(listed.values()).count("train") == 58
    (root / "testing_list.txt").unlink()
    half = parts()
    assert half["00000001"] == "val"
    for speaker, part in half.items():
        if speaker != "00000001":
            assert part == ("test" if official_part(speaker) == "test" else "train")
    (root / "validation_list.txt").unlink()
    assert parts() == {speaker: official_part(speaker) for speaker in listed}


def test_a_list_of_other_files_is_refused(tmp_path: Path) -> None:
    root = official_folder(tmp_path / "words", ["yes", "no"])
    (root / "testing_list.txt").write_text("yess/0000_nohash_0.wav\n")
    with pytest.raises(UserError, match=r"testing_list\.txt: names none of the 20 sound files"):
        list_speech_commands(root)


def test_the_twelve_labels_are_made_as_in_the_paper(tmp_path: Path, cache: str) -> None:
    words = [*CORE_WORDS, "bed", "cat", "dog", "visual", "learn"]
    root = official_folder(tmp_path / "words", words)
    for name in ("tap", "dishes"):
        noise = np.random.default_rng(0).random(20 * RATE) - 0.5
        write(root / "_background_noise_" / f"{name}.wav", noise)
    for labels, unknown in (("v2_12", set(words[10:])), ("v1_12", {"bed", "cat", "dog"})):
        data = module(root, cache, labels=labels)
        assert data.labels == ["_silence_", "_unknown_", *CORE_WORDS]
        for part, known in (("train", 80), ("val", 10), ("test", 10)):
            clips = data.datasets[part].clips
            counts = np.bincount(clips.label_N, minlength=12)
            assert counts.tolist() == [known // 10, known // 10, *[known // 10] * 10]
            of_unknown = {clips.names[i].split("/")[0] for i in np.flatnonzero(clips.label_N == 1)}
            assert of_unknown <= unknown
        again = module(root, cache, labels=labels)
        assert again.datasets["test"].names == data.datasets["test"].names
    silence = data.datasets["train"][len(data.datasets["train"]) - 1]
    assert silence.labels_B.tolist() == [0]
    assert silence.speakers_B.tolist() == [-1]
    assert silence.x.shape == (1, 3200)
    assert silence.x.abs().max() > 0


def test_silence_is_made_where_there_is_no_noise(tmp_path: Path, cache: str) -> None:
    data = module(official_folder(tmp_path / "words", [*CORE_WORDS]), cache, labels="v2_12")
    assert data.schema()["class_counts"][:2] == [8, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("core11", r"data\.labels=core11: no such set .*; did you mean 'core10'\?"),
        (["yes", "noo"], r"no recordings of 'noo'; did you mean 'no'\?"),
        (["yes"], r"at least two classes"),
        ([True, False], r"write them in quotes"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels: str | list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        label_names(labels, ["yes", "no", "up"])


def test_labels_may_be_a_list_with_unknown_words(tmp_path: Path, cache: str) -> None:
    root = official_folder(tmp_path / "words", ["yes", "no", "up"])
    data = module(root, cache, labels=["no", "yes", "_unknown_"])
    assert data.labels == ["no", "yes", "_unknown_"]
    assert data.schema()["class_counts"] == [8, 8, 2]
    assert "3 labels" in data.summary()[0]


def test_folders_are_split_by_file_in_equal_proportions(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "sounds")
    recordings = split_recordings(list_folders(root).recordings, None, [0.8, 0.1, 0.1])
    for label in ("low", "high"):
        parts = [each.part for each in recordings if each.word == label]
        assert [parts.count(part) for part in ("train", "val", "test")] == [8, 1, 1]
    again = split_recordings(list_folders(root).recordings, None, [0.8, 0.1, 0.1])
    assert again == recordings


def test_folders_keep_a_speaker_together(tmp_path: Path) -> None:
    listed = list_folders(class_folders(tmp_path / "sounds")).recordings
    parts: dict[str, set[str]] = {}
    for each in split_recordings(listed, r"/([a-z]+\d?)-", [0.4, 0.3, 0.3]):
        parts.setdefault(each.group, set()).add(each.part)
    assert set(parts) == {"anna", "bob0", "bob1", "bob2", "bob3", "bob4"}
    assert all(len(part) == 1 for part in parts.values())
    assert {"train", "val", "test"} == set.union(*parts.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_regex": "(["}, r"not a pattern"),
        ({"group_regex": r"carl"}, r"does not match 'high/anna-1\.wav'"),
        ({"group_regex": r"[a-z]+/"}, r"finds 2 groups in the names of 20 files"),
        ({"split": [0.9, 0.1]}, r"three shares above 0"),
        ({"split": [0.9, 0.1, 0.1]}, r"add up to 1"),
        ({"source": "folder"}, r"data\.source=folder: no such source; did you mean 'folders'\?"),
        ({"max_bad_fraction": 2}, r"data\.max_bad_fraction=2: needs a number from 0 to 1"),
        ({"snr_db": ["loud"]}, r"data\.snr_db='loud': needs a number"),
        ({"augment": {"pitch": 1}}, r"data\.augment\.pitch: no such option"),
    ],
)
def test_impossible_options_are_refused(
    tmp_path: Path, cache: str, options: dict[str, object], message: str
) -> None:
    root = class_folders(tmp_path / "sounds")
    with pytest.raises(UserError, match=message):
        module(root, cache, **{"source": "folders", "labels": "all", **options})


def test_a_path_that_cannot_be_is_told(tmp_path: Path, cache: str) -> None:
    with pytest.raises(UserError, match=r"data\.path=.*none: no such folder; data\.download=true"):
        module(tmp_path / "none", cache)
    (tmp_path / "hollow" / "yes").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no folder in it holds sound files"):
        module(tmp_path / "hollow", cache)
    with pytest.raises(UserError, match=r"data\.path is missing"):
        AudioDataModule().prepare_data()


# Bad files in a data set


def test_bad_files_are_left_out_and_named(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "sounds")
    bad = bad_files(tmp_path / "bad")
    for name in ("header", "empty", "text"):
        shutil.copy(bad[name], root / "low" / f"{name}.wav")
    sound = tone(600, 0.3, 8000)
    write(root / "high" / "stereo.wav", np.stack([sound, sound], axis=1), 8000)
    data = module(root, cache, source="folders", labels="all")
    assert "train 17 clips, val 2 clips, test 2 clips" in data.summary()[0]
    assert set(data.datasets["test"].clips.speaker_N) == {-1}
    (line,) = [line for line in data.summary() if "left out" in line]
    assert line.startswith("left out 3 unreadable: ")
    assert all(f"low/{name}.wav (" in line for name in ("header", "empty", "text"))
    assert sum(len(part) for part in data.datasets.values()) == 21
    with pytest.raises(UserError, match=r"3 of 2\d sound files cannot be read.*max_bad_fraction"):
        module(root, cache, source="folders", labels="all", max_bad_fraction=0.05)


def test_bad_files_take_no_part_from_the_good_ones(tmp_path: Path, cache: str) -> None:
    text = bad_files(tmp_path / "bad")["text"]
    for number in range(10):
        root = tmp_path / f"sounds{number}"
        for label in ("low", "high"):
            for clip in range(4):
                write(root / label / f"{clip}.wav", tone(300 + 50 * clip))
            shutil.copy(text, root / label / f"{number / 2 + 0.1}.wav")
        data = module(root, cache, source="folders", labels="all")
        assert [len(data.datasets[part]) for part in ("train", "val", "test")] == [4, 2, 2]


# Batches


def test_clips_of_different_lengths_are_padded(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "sounds")
    write(root / "low" / "short.wav", tone(300, 0.1))
    write(root / "low" / "long.wav", np.concatenate([tone(300, 1.0) / 9, tone(300, 0.5)]))
    data = module(root, cache, source="folders", labels="all", max_seconds=0.5, batch_size=32)
    clips = [batch for part in ("train", "val", "test") for batch in data.loader(part)]
    lengths = torch.cat([batch.lengths_B for batch in clips])
    assert sorted(lengths.unique().tolist()) == [1600, 4800, 8000]
    for batch in clips:
        assert batch.x.shape == (len(batch.labels_B), int(batch.lengths_B.max()))
        assert not batch.x[torch.arange(batch.x.size(1)) >= batch.lengths_B[:, None]].any()
        loud = batch.x[batch.lengths_B == 8000]
        assert (loud.abs().amax(1) == pytest.approx(0.3, abs=0.01)) or not len(loud)


def test_of_a_long_clip_the_loudest_segment_is_used() -> None:
    samples_S = np.zeros(1000, np.int16)
    samples_S[600:700] = 9
    assert 500 <= loudest(samples_S, 200, 10) <= 600
    assert loudest(samples_S, 1000, 10) == 0


def test_noise_to_test_in_is_the_same_in_every_pass(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "sounds")
    options = {"source": "folders", "labels": "all", "snr_db": [20, 0]}
    (first,) = module(root, cache, **options).test_dataloader()
    (second,) = module(root, cache, **options).test_dataloader()
    assert first.noise_BS.shape == first.x.shape
    assert first.snr_db_L.tolist() == [20, 0]
    assert torch.equal(first.noise_BS, second.noise_BS)
    assert not torch.equal(first.noise_BS[0], first.noise_BS[1])
    (clean,) = module(root, cache, source="folders", labels="all").test_dataloader()
    assert clean.noise_BS.shape == (2, 0)
    assert not len(clean.snr_db_L)


def test_a_checkpoints_labels_and_rate_are_kept(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "sounds")
    schema = {"labels": ["noise", "high"], "sample_rate_hz": 8000}
    data = module(root, cache, source="folders", labels="all", schema=schema)
    assert data.labels == ["noise", "high"]
    assert data.schema()["class_counts"] == [0, 8]
    assert data.schema()["clip_samples"] == 2400
    with pytest.raises(UserError, match=r"none of the checkpoint's labels \(a, b\)"):
        module(root, cache, source="folders", labels="all", schema={"labels": ["a", "b"]})


def test_short_official_clips_need_nothing_special(shared_data: Path, cache: str) -> None:
    data = module(shared_data / "speech_commands_v0.01_mini", cache, labels="all")
    assert [len(data.datasets[part]) for part in ("train", "val", "test")] == [65, 21, 4]
    assert min(data.datasets["train"].lengths) < RATE
    assert data.schema()["max_samples"] == RATE


def test_baselines_are_scored_by_the_names_of_the_metrics(tmp_path: Path, cache: str) -> None:
    data = module(class_folders(tmp_path / "sounds"), cache, source="folders", labels="all")
    scores = data.baselines("test")
    assert set(scores) == {"majority", "mfcc_logistic"}
    assert scores["majority"]["accuracy"] == 0.5
    assert scores["mfcc_logistic"]["accuracy"] == 1.0


# Download


def packed(folder: Path, target: Path) -> Archive:
    with tarfile.open(target, "w:gz") as archive:
        for path in folder.iterdir():
            archive.add(path, path.name)
    return Archive(target.as_uri(), hashlib.sha256(target.read_bytes()).hexdigest())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_an_archive_is_fetched_checked_and_used(
    tmp_path: Path, cache: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = official_folder(tmp_path / "words", ["yes", "no"])
    archive = packed(words, tmp_path / "words.tar.gz")._replace(url=f"{server}/words.tar.gz")
    monkeypatch.setitem(download.ARCHIVES, "v0.02", archive)
    path = tmp_path / "new" / "folder"
    data = module(path, cache, labels=["yes", "no"], download=True)
    assert len(data.datasets["train"]) == 16
    assert [each.name for each in path.parent.iterdir()] == ["folder"]
    (tmp_path / "words.tar.gz").unlink()
    module(path, cache, labels=["yes", "no"], download=True)


def test_another_content_than_expected_is_refused(tmp_path: Path) -> None:
    archive = packed(official_folder(tmp_path / "words", ["yes"]), tmp_path / "words.tar.gz")
    with pytest.raises(UserError, match=r"not what it should be .*nothing was unpacked"):
        fetch(archive._replace(sha256="0" * 64), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert {each.name for each in tmp_path.iterdir()} == {"words", "words.tar.gz"}


def test_a_download_that_fails_says_what_to_do(tmp_path: Path, server: str) -> None:
    for url in (f"{server}/none.tar.gz", (tmp_path / "none.tar.gz").as_uri()):
        with pytest.raises(UserError, match=r"cannot be fetched: .*data\.path="):
            fetch(Archive(url, ""), tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(UserError, match=r"is not empty"):
        fetch(Archive("", ""), tmp_path / "full")
    with pytest.raises(UserError, match=r"data\.version=v3: no such version"):
        download.archive("v3")


def test_an_archive_that_is_none_or_reaches_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    digest = hashlib.sha256(b"no archive").hexdigest()
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(Archive((tmp_path / "text").as_uri(), digest), tmp_path / "new")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "text", "../../escaped")
    content = hashlib.sha256((tmp_path / "evil.tar.gz").read_bytes()).hexdigest()
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(Archive((tmp_path / "evil.tar.gz").as_uri(), content), tmp_path / "new")
    assert not (tmp_path.parent / "escaped").exists()


# Training


def epochs_seen(root: Path, cache: str, seed: int) -> list[torch.Tensor]:
    """Return the augmented training batches that two epochs of a fit saw."""

    class Seen(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.batches: list[torch.Tensor] = []
            self.clean: list[torch.Tensor] = []

        def training_step(self, batch: AudioBatch, batch_idx: int) -> torch.Tensor:
            self.batches.append(batch.x)
            return self.weight.sum()

        def validation_step(self, batch: AudioBatch, batch_idx: int) -> None:
            self.clean.append(batch.x)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    augment = {"speed": 0.1, "noise_probability": 0.5}
    data = module(
        root, cache, source="folders", labels="all", seed=seed, augment=augment, batch_size=8
    )
    trainer = quiet_trainer(max_epochs=2)
    seen = Seen()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(seen, data)
    assert all(x_BS.size(1) == 4800 for x_BS in seen.clean)
    assert torch.equal(seen.clean[0], seen.clean[1])
    return seen.batches


def test_augmentation_follows_seed_epoch_and_batch(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "sounds")
    first, again, other = (epochs_seen(root, cache, seed) for seed in (1, 1, 2))
    assert len(first) == 4
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(
        a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, other, strict=True)
    )
    lengths = [x_BS.size(1) for x_BS in first]
    assert len(set(lengths)) == 4
    assert min(lengths) > 4800 * 0.9
