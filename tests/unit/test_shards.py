"""Recordings and videos in tar shards, as WebDataset writes them."""

import gzip
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from trainers import quiet_trainer
from video_files import moving, write_video

from gru_suite.data.epoch_loader import EpochLoader
from gru_suite.data.shards.index import read_index, summarize
from gru_suite.data.shards.records import Record, ShardRecords, labels_of
from gru_suite.data.shards.shard_files import find_shards, shards_by_part
from gru_suite.data.shards.stream import ShardStream, stream_loader
from gru_suite.errors import UserError
from gru_suite.tasks.speech_commands.data import AudioDataModule
from gru_suite.tasks.speech_commands.shards import AudioShardsModule
from gru_suite.tasks.speech_commands.task import SpeechCommandsTask
from gru_suite.tasks.video_action.data import VideoDataModule
from gru_suite.tasks.video_action.shards import VideoShardsModule

RATE = 8000


def sound(hz: float, seconds: float = 0.1) -> bytes:
    file = io.BytesIO()
    samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)
    soundfile.write(file, samples, RATE, format="WAV")
    return file.getvalue()


def write_shard(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def samples(first: int, count: int) -> dict[str, bytes]:
    """Return members of recordings whose class is low or high."""
    members: dict[str, bytes] = {}
    for number in range(first, first + count):
        label = ("low", "high")[number % 2]
        members[f"{number:04d}.wav"] = sound(300 if label == "low" else 1500, 0.05 + number / 1e3)
        members[f"{number:04d}.cls"] = label.encode()
    return members


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Return a folder of shards of different sizes: 7 + 3 + 10 + 4 + 6 recordings."""
    first = 0
    for shard, count in enumerate((7, 3, 10, 4, 6)):
        write_shard(tmp_path / "shards" / f"s-{shard:03d}.tar", samples(first, count))
        first += count
    return tmp_path / "shards"


def keys(records: list[Record], draws: Any) -> list[str]:
    return [each.name for each in records]


def length(content: bytes, suffix: str) -> int:
    if content[:4] != b"RIFF":
        raise ValueError("no sound")
    return len(content)


def stream(shards: Path, tmp_path: Path, **options: Any) -> ShardStream:
    summaries = summarize(find_shards(str(shards)), tmp_path / "cache", [".wav"], length, "")
    chosen = {"batch_size": 4, "buffer_size": 5, "seed": 1, **options}
    return ShardStream(summaries, labels_of(summaries), keys, [1], **chosen)


def epoch_of(loader: Any, number: int = 0) -> list[list[str]]:
    loader.set_epoch(number)
    return list(loader)


# Names of shards


def test_braces_and_wildcards_and_folders(shards: Path) -> None:
    expected = [shards / f"s-00{number}.tar" for number in (1, 2, 3)]
    assert find_shards(f"{shards}/s-{{001..003}}.tar") == expected
    assert find_shards([f"{shards}/s-00[12].tar", str(expected[2])]) == expected
    assert find_shards(f"{shards}/s-{{001,002,003}}.tar") == expected
    assert len(find_shards(str(shards))) == 5
    with pytest.raises(UserError, match=r"s-005\.tar: no such shard"):
        find_shards(f"{shards}/s-{{004..006}}.tar")


def test_parts_are_named_or_taken_from_the_end(shards: Path) -> None:
    none = dict.fromkeys(("train", "val", "test"))
    parts = shards_by_part(str(shards), none)
    assert {part: len(each) for part, each in parts.items()} == {"train": 3, "val": 1, "test": 1}
    assert parts["test"] == [shards / "s-004.tar"]
    named = {"train": None, "val": f"{shards}/s-000.tar", "test": f"{shards}/s-001.tar"}
    assert len(shards_by_part(str(shards), named)["train"]) == 3
    with pytest.raises(UserError, match="named for two parts"):
        shards_by_part(None, {part: f"{shards}/s-000.tar" for part in none})
    with pytest.raises(UserError, match="no shards for the val part"):
        shards_by_part(None, {**none, "train": str(shards)})


# Index


def test_a_record_is_read_by_its_offset(shards: Path, tmp_path: Path) -> None:
    summaries = stream(shards, tmp_path).summaries
    records = ShardRecords(summaries, {"high": 0, "low": 1})
    assert len(records) == 30
    assert records.get(12) == Record("0012.wav", 1, samples(12, 1)["0012.wav"])
    assert summaries[0].label_counts == {"low": 4, "high": 3}
    assert read_index(summaries[1]).names == ["0007.wav", "0008.wav", "0009.wav"]


def test_classes_by_folder_and_by_number(tmp_path: Path) -> None:
    folders = {"./yes/a.b.wav": sound(300), "no/c.WAV": sound(300), "no/c.txt": b"text"}
    write_shard(tmp_path / "a.tar", folders)
    numbers = {
        f"{n}.{s}": c for n in (2, 10) for s, c in (("wav", sound(300)), ("cls", b"%d\n" % n))
    }
    write_shard(tmp_path / "b.tar", numbers)
    first, second = summarize(
        [tmp_path / "a.tar", tmp_path / "b.tar"], tmp_path / "cache", [".wav"], length, ""
    )
    assert first.label_counts == {"yes": 1, "no": 1}
    assert read_index(first).names == ["yes/a.b.wav", "no/c.WAV"]
    assert labels_of([second]) == ["2", "10"]


def test_damaged_members_and_shards(shards: Path, tmp_path: Path) -> None:
    damaged = {**samples(0, 3), "bad.wav": b"x", "bad.cls": b"low", "lost.wav": b""}
    write_shard(shards / "s-000.tar", damaged)
    content = (shards / "s-002.tar").read_bytes()
    (shards / "s-002.tar").write_bytes(content[: len(content) // 2])
    summaries = stream(shards, tmp_path).summaries
    assert summaries[0].bad["bad.wav"] == "no sound"
    assert summaries[0].bad["lost.wav"].startswith("has no class")
    assert "bad.wav" not in read_index(summaries[0]).names
    assert "cut off after" in summaries[2].bad["s-002.tar"]
    assert 0 < sum(summaries[2].label_counts.values()) < 10
    (shards / "s-001.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(UserError, match=r"s-001\.tar: not readable as a tar file"):
        stream(shards, tmp_path)


def test_a_shard_is_indexed_once(shards: Path, tmp_path: Path, capsys: Any) -> None:
    stream(shards, tmp_path)
    assert "indexing 5 of 5 shards" in capsys.readouterr().out
    write_shard(shards / "s-001.tar", samples(90, 2))
    stream(shards, tmp_path)
    assert "indexing 1 of 5 shards" in capsys.readouterr().out


def test_a_compressed_shard_streams(shards: Path, tmp_path: Path) -> None:
    for path in list(shards.iterdir()):
        (shards / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    found = stream(shards, tmp_path)
    assert len(list(found)) == 7
    with pytest.raises(UserError, match="must not be compressed"):
        ShardRecords(found.summaries, {"low": 0})


# Stream


def test_an_epoch_has_every_record_once_in_a_new_order(shards: Path, tmp_path: Path) -> None:
    found = stream(shards, tmp_path, batch_size=5)
    first, second = epoch_of(found), epoch_of(found, 1)
    for batches in (first, second):
        assert [len(batch) for batch in batches] == [5] * len(found) == [5] * 6
        assert len({name for batch in batches for name in batch}) == 30
    assert first != second
    assert first == epoch_of(found)
    assert first != epoch_of(stream(shards, tmp_path, batch_size=5, seed=2))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_and_workers_share_an_epoch(
    processes: int, workers: int, shards: Path, tmp_path: Path
) -> None:
    seen: list[str] = []
    for rank in range(processes):
        loader = stream_loader(stream(shards, tmp_path, batch_size=4), workers)
        share = EpochLoader(loader, rank=rank, num_processes=processes)
        batches = epoch_of(share)
        assert [len(batch) for batch in batches] == [4 // processes] * len(share)
        assert len(share) == 7
        seen += [name for batch in batches for name in batch]
    assert len(seen) == len(set(seen)) == 28


def test_a_batch_that_cannot_be_shared(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be a multiple of the 3 processes"):
        stream(shards, tmp_path).share(0, 3)


def test_a_position_within_an_epoch(shards: Path, tmp_path: Path) -> None:
    loader = EpochLoader(stream_loader(stream(shards, tmp_path), 0))
    whole = epoch_of(loader, 2)
    resumed = EpochLoader(stream_loader(stream(shards, tmp_path), 0))
    resumed.position = {"epoch": 2, "batches": 3}
    assert epoch_of(resumed, 2) == whole[3:]
    assert epoch_of(resumed, 3) == epoch_of(loader, 3)


def test_the_buffer_mixes_shards(shards: Path, tmp_path: Path) -> None:
    ordered = stream(shards, tmp_path, buffer_size=1, batch_size=10)
    mixed = stream(shards, tmp_path, buffer_size=20, batch_size=10)
    blocks = [
        {int(name[:4]) for name in batch} for batch in (next(iter(ordered)), next(iter(mixed)))
    ]
    assert max(blocks[0]) - min(blocks[0]) < 30
    assert sorted(blocks[0]) != sorted(blocks[1])


# Data modules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of recordings with the content of the shards."""
    for name, content in samples(0, 30).items():
        if name.endswith(".wav"):
            label = samples(int(name[:4]), 1)[f"{name[:4]}.cls"].decode()
            path = tmp_path / "folder" / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return tmp_path / "folder"


def audio(shards: Path, tmp_path: Path, **options: Any) -> AudioShardsModule:
    chosen = {"sample_rate_hz": RATE, "batch_size": 4, "num_workers": 0, "buffer_size": 8}
    data = AudioShardsModule(str(shards), cache_dir=str(tmp_path / "cache"), **chosen | options)
    data.prepare_data()
    data.setup("fit")
    return data


def rows(batches: Iterator[Any] | Any) -> dict[tuple[int, int], torch.Tensor]:
    return {
        (int(n), int(y)): x[:n]
        for batch in batches
        for x, n, y in zip(batch.x, batch.lengths_B, batch.labels_B, strict=True)
    }


def test_recordings_are_those_of_a_folder(shards: Path, folder: Path, tmp_path: Path) -> None:
    data = audio(shards, tmp_path, batch_size=5, max_seconds=0.07)
    same = AudioDataModule(
        str(folder), "folders", "all", sample_rate_hz=RATE, max_seconds=0.07,
        cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    same.prepare_data()
    same.setup("fit")
    assert data.labels == same.labels == ["high", "low"]
    expected = rows(each for part in ("train", "val", "test") for each in same.loader(part))
    found = rows(each for part in ("train", "val", "test") for each in data.loader(part))
    assert found.keys() <= expected.keys()
    for key, x_S in found.items():
        torch.testing.assert_close(x_S, expected[key], rtol=0, atol=0)
    schema = data.schema()
    assert schema["class_counts"] == [10, 10]
    assert schema["max_samples"] == 552
    assert data.summary()[0].endswith("2 labels; train 20 clips, val 4 clips, test 6 clips")


def test_damaged_recordings_are_named(shards: Path, tmp_path: Path) -> None:
    broken = {"broken.wav": sound(300)[:500], "broken.cls": b"low"}
    write_shard(shards / "s-001.tar", {**samples(0, 3), **broken})
    assert "s-001.tar/broken.wav (cut off" in audio(shards, tmp_path).summary()[-1]
    with pytest.raises(UserError, match="1 of 31 sound files cannot be read"):
        audio(shards, tmp_path, max_bad_fraction=0.01)


@pytest.mark.filterwarnings("ignore:Your `IterableDataset` has `__len__` defined")
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_with_shards(workers: int, shards: Path, tmp_path: Path) -> None:
    data = audio(shards, tmp_path, num_workers=workers)
    task = SpeechCommandsTask(
        backbone={"hidden_size": 8},
        schema=data.schema(),
        optimizer={"name": "adam", "lr": 0.01},
        features={"num_mels": 8},
        front_end={"channels": [4], "time_strides": [4], "output_size": 8},
    )
    trainer = quiet_trainer(max_epochs=2)
    trainer.fit(task, data)
    assert trainer.global_step == 2 * 5
    metrics = trainer.test(task, data, verbose=False)[0]
    assert 0 <= metrics["test/accuracy"] <= 1
    assert set(data.baselines("test")) == {"majority", "mfcc_logistic"}
    predictions = task.model.predict_loader(data.test_dataloader())
    assert predictions.names == data.datasets["test"].names
    assert len(data.raw_examples(2)) == 2


def video_shards(root: Path, count: int = 12) -> tuple[Path, Path]:
    members: dict[str, bytes] = {}
    for number in range(count):
        label = ("a", "b")[number % 2]
        path = root / "videos" / label / f"{number:02d}.avi"
        members[f"{label}/{number:02d}.avi"] = write_video(
            path, moving(8 + number, number)
        ).read_bytes()
    names = list(members)
    for shard in range(4):
        chosen = {name: members[name] for name in names[shard::4]}
        write_shard(root / "shards" / f"v-{shard}.tar", chosen)
    return root / "videos", root / "shards"


SMALL = {"size": [16, 16], "margin": 0, "num_frames": 4, "oversample": 2, "test_clips": 2}


def test_videos_are_those_of_a_folder(tmp_path: Path) -> None:
    folder, shards = video_shards(tmp_path)
    cache = str(tmp_path / "cache")
    data = VideoShardsModule(str(shards), **SMALL, batch_size=2, num_workers=0, cache_dir=cache)
    data.prepare_data()
    data.setup("fit")
    same = VideoDataModule(str(folder), "folders", **SMALL, cache_dir=cache)
    same.prepare_data()
    same.setup("fit")
    assert data.labels == same.labels == ["a", "b"]
    clips = {}
    for part in ("train", "val", "test"):
        dataset = same.datasets[part]
        for number, clip in enumerate(dataset.videos.clip_V):
            clips[dataset.names[number]] = dataset.values.get(int(clip))
    test = data.datasets["test"]
    for number, name in enumerate(test.names):
        np.testing.assert_array_equal(test.values.get(number), clips[name])
    assert len(test) == 2 * len(test.names) == 6
    batch = next(iter(data.loader("train")))
    assert batch.x.shape == (2, 4, 16, 16, 3)
    assert len(data.train_dataloader()) == 3
    assert data.summary()[0].endswith("2 labels; train 6 videos, val 3 videos, test 3 videos")
    assert data.schema()["class_counts"] == [3, 3]


def test_files_of_webdataset_are_read(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.ShardWriter(str(tmp_path / "w-%03d.tar"), maxcount=4, verbose=0) as writer:
        for number in range(12):
            writer.write({"__key__": f"{number:04d}", "wav": sound(300), "cls": number % 2})
    assert len(find_shards(str(tmp_path))) == 3
    data = audio(tmp_path, tmp_path / "c")
    assert data.labels == ["0", "1"]
    assert data.schema()["class_counts"] == [2, 2]
    shutil.rmtree(tmp_path / "c")
