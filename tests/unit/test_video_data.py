import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from trainers import quiet_trainer
from video_files import moving, ramp, write_sound_only, write_still, write_video

from gru_suite.errors import UserError
from gru_suite.tasks.video_action.batches.clip_sampling import ClipSampling
from gru_suite.tasks.video_action.batches.video_dataset import VideoBatch, VideoDataset
from gru_suite.tasks.video_action.data import VideoDataModule
from gru_suite.tasks.video_action.reading.corpus import list_folders, list_hmdb51, list_ucf101
from gru_suite.video.reading.frame_cache import decode_files
from gru_suite.video.reading.video_files import Sampling

SMALL: dict[str, Any] = {"size": [16, 20], "margin": 4, "num_frames": 6, "batch_size": 4}
CLASSES = ["Archery", "Biking"]


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def module(path: Path | None, cache: str, **options: Any) -> VideoDataModule:
    data = VideoDataModule(path and str(path), cache_dir=cache, **{**SMALL, **options})
    data.prepare_data()
    data.setup("fit")
    return data


def ucf_name(label: str, group: int, clip: int) -> str:
    return f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi"


def ucf_folder(root: Path, groups: int = 6, clips: int = 2) -> Path:
    """Write the official layout, with groups 1 and 2 for the test of split 1."""
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    train, test, seed = [], [], 0
    for number, label in enumerate(CLASSES, 1):
        for group in range(1, groups + 1):
            for clip in range(1, clips + 1):
                name, seed = ucf_name(label, group, clip), seed + 1
                write_video(root / "UCF-101" / name, moving(8 + seed % 7, seed, 24, 32))
                (test if group <= 2 else train).append((name, number))
    # As in the official archive: lines end as on Windows, test lists name no class.
    index = "".join(f"{n} {label}\r\n" for n, label in enumerate(CLASSES, 1))
    (lists / "classInd.txt").write_bytes(index.encode())
    (lists / "trainlist01.txt").write_bytes("".join(f"{a} {b}\r\n" for a, b in train).encode())
    (lists / "testlist01.txt").write_bytes("".join(f"{a}\r\n" for a, _ in test).encode())
    return root


def class_folders(root: Path, count: int = 10, people: int = 5) -> Path:
    for seed in range(2 * count):
        label, number = ("jump", "walk")[seed % 2], seed // 2
        name = f"{label}/person{number % people}-{number}.mp4"
        write_video(root / name, moving(8, seed, 24, 32))
    return root


def parts_of(data: VideoDataModule) -> dict[str, list[str]]:
    return {part: data.datasets[part].names for part in ("train", "val", "test")}


# Official layouts


def test_ucf101_is_read_by_its_lists(tmp_path: Path, cache: str) -> None:
    data = module(ucf_folder(tmp_path / "ucf"), cache)
    assert data.labels == CLASSES
    parts = parts_of(data)
    assert sorted(parts["test"]) == sorted(
        ucf_name(label, group, clip) for label in CLASSES for group in (1, 2) for clip in (1, 2)
    )
    # A group of each class for validation, whole.
    held = {name.rpartition("_")[0] for name in parts["val"]}
    assert (len(parts["train"]), len(parts["val"]), len(held)) == (12, 4, 2)
    assert not held & {name.rpartition("_")[0] for name in parts["train"]}
    for part, names in parts.items():
        labels = [CLASSES.index(name.partition("/")[0]) for name in names]
        assert data.datasets[part].labels == labels
    assert data.name == "ucf split 1"
    assert data.summary() == [
        "ucf split 1: 2 labels; train 12 videos of 6 groups, val 4 videos of 2 groups, "
        "test 8 videos of 4 groups"
    ]


def test_missing_videos_are_counted_and_named(tmp_path: Path, cache: str) -> None:
    root = ucf_folder(tmp_path / "ucf")
    for clip in (1, 2):
        (root / "UCF-101" / ucf_name("Biking", 4, clip)).unlink()
    lines = module(root, cache).summary()
    assert lines[1] == (
        f"missing 2 of the 24 videos of split 1: {ucf_name('Biking', 4, 1)}, "
        f"{ucf_name('Biking', 4, 2)}"
    )
    shutil.rmtree(root / "UCF-101" / "Biking")
    corpus = list_ucf101(root, 1)
    assert corpus.labels == ["Archery"]
    assert corpus.notes[1] == "classes without any video, left out: Biking"
    shutil.rmtree(root / "UCF-101" / "Archery")
    with pytest.raises(UserError, match=r"none of the 24 listed videos exist, such as .*\.avi"):
        list_ucf101(root, 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "Bking/v_Bking_g01_c01.avi 2",
            r"trainlist01\.txt, line 17: .* of the class 'Bking', .*; did you mean 'Biking'\?",
        ),
        ("Biking/v_Biking_g09_c01.avi 1", r"line 17: .* says class 1; .* Biking is number 2"),
    ],
)
def test_a_line_of_an_unknown_class_is_refused(tmp_path: Path, line: str, message: str) -> None:
    root = ucf_folder(tmp_path / "ucf")
    with (root / "ucfTrainTestlist" / "trainlist01.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError, match=message):
        list_ucf101(root, 1)


def test_a_class_with_no_training_video_is_refused(tmp_path: Path, cache: str) -> None:
    root = ucf_folder(tmp_path / "ucf")
    for group in range(3, 7):
        for clip in (1, 2):
            (root / "UCF-101" / ucf_name("Biking", group, clip)).unlink()
    with pytest.raises(UserError, match="no readable training video of the class Biking; add"):
        module(root, cache)


def test_a_layout_that_is_not_there_is_told(tmp_path: Path, cache: str) -> None:
    with pytest.raises(UserError, match=r"data\.path=.*none: no such folder; it must hold"):
        list_ucf101(tmp_path / "none", 1)
    root = ucf_folder(tmp_path / "ucf", groups=3, clips=1)
    with pytest.raises(UserError, match=r"lists of UCF101 are missing: no ucf.*/trainlist02\.txt"):
        list_ucf101(root, 2)
    (root / "ucfTrainTestlist" / "classInd.txt").unlink()
    with pytest.raises(UserError, match=r"classInd\.txt: no such list"):
        list_ucf101(root, 1)
    with pytest.raises(UserError, match=r"data\.path is missing"):
        module(None, cache)


def test_the_official_lists_of_ucf101_hold_no_group_twice(shared_data: Path) -> None:
    lists = shared_data / "official_splits" / "ucfTrainTestlist"
    for split, counts in ((1, (9537, 3783)), (2, (9586, 3734)), (3, (9624, 3696))):
        groups = []
        for part, count in zip(("train", "test"), counts, strict=True):
            names = (lists / f"{part}list0{split}.txt").read_text().split("\n")
            names = [name.split()[0] for name in names if name.strip()]
            assert len(names) == count
            groups.append({name.rpartition("_c")[0] for name in names})
        assert not groups[0] & groups[1]


def test_hmdb51_is_read_by_its_lists(tmp_path: Path, cache: str) -> None:
    root = tmp_path / "hmdb"
    lists = root / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    for label in ("brush_hair", "wave"):
        lines = []
        for number in range(10):
            name = f"Some_film_{number // 2}_{label}_u_nm_np1_ba_goo_{number % 2}.avi"
            seed = number + 10 * (label == "wave")
            write_video(root / "hmdb51_org" / label / name, moving(9, seed, 24, 32))
            lines.append(f"{name} {2 if number < 2 else 0 if number == 9 else 1} \n")
        (lists / f"{label}_test_split1.txt").write_text("".join(lines))
    data = module(root, cache, source="hmdb51", val_fraction=0.3)
    assert data.labels == ["brush_hair", "wave"]
    parts = parts_of(data)
    assert [len(parts[part]) for part in ("train", "val", "test")] == [10, 4, 4]
    films = {
        part: {n.rpartition("_np1")[0].removesuffix("_u_nm") for n in names}
        for part, names in parts.items()
    }
    assert not films["train"] & films["val"]
    (video, *_) = list_hmdb51(root, 1).videos
    assert (video.group, video.part) == ("brush_hair Some_film_0", "test")
    with (lists / "wave_test_split1.txt").open("a") as file:
        file.write("x.avi 3\n")
    with pytest.raises(UserError, match=r"wave_test_split1\.txt, line 11: 'x\.avi 3' must end in"):
        list_hmdb51(root, 1)


# Folders


def test_folders_are_split_by_file_or_by_group(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "own")
    data = module(root, cache, source="folders")
    assert [len(names) for names in parts_of(data).values()] == [14, 2, 4]
    assert data.datasets["train"].videos.group_V.tolist() == [-1] * 14
    data = module(root, cache, source="folders", group_regex=r"person(\d)")
    people = [{name.split("person")[1][0] for name in names} for names in parts_of(data).values()]
    assert sorted(person for part in people for person in part) == list("01234")
    assert data.name == "own"


def test_a_folder_that_cannot_be_is_told(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "own", count=3)
    (root / "sit").mkdir()
    (root / "sit" / "notes.txt").touch()
    with pytest.raises(UserError, match=r"own/sit: no video in the folder of this class"):
        list_folders(root)
    with pytest.raises(UserError, match="no such folder; a folder for each class"):
        list_folders(tmp_path / "none")
    (tmp_path / "hollow").mkdir()
    with pytest.raises(UserError, match="holds no folder"):
        list_folders(tmp_path / "hollow")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "ucf"}, r"data\.source=ucf: no such source; did you mean 'ucf101'\?"),
        ({"split": 4}, r"data\.split=4: the official splits are 1, 2 and 3"),
        ({"fractions": [0.9, 0.2, 0.1]}, r"data\.fractions=.*add up to 1"),
        ({"val_fraction": 0}, r"data\.val_fraction=0: needs a number"),
        ({"group_regex": "(["}, r"data\.group_regex='\(\[': not a pattern"),
        ({"size": [16]}, r"data\.size=\[16\]: needs height and width"),
        ({"size": [16, 2]}, r"data\.size \(width\)=2: needs a number from 8"),
        ({"num_frames": 2.5}, r"data\.num_frames=2\.5: needs whole numbers"),
        ({"frame_rate_hz": 0}, r"data\.frame_rate_hz=0: needs a number"),
        ({"max_bad_fraction": 2}, r"data\.max_bad_fraction=2: needs a number from 0 to 1"),
        ({"augment": {"flipp": 1}}, r"data\.augment\.flipp: no such option.*'flip'"),
    ],
)
def test_impossible_options_are_refused(
    tmp_path: Path, cache: str, options: dict[str, Any], message: str
) -> None:
    root = class_folders(tmp_path / "own", count=3)
    with pytest.raises(UserError, match=message):
        module(root, cache, **{"source": "folders", **options})


# Bad files in a data set


def test_bad_files_are_left_out_and_named(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "own")
    (root / "jump" / "empty.mp4").touch()
    write_still(root / "jump" / "still.mp4")
    write_sound_only(root / "walk" / "sound.mp4")
    data = module(root, cache, source="folders")
    assert data.summary()[1] == (
        "left out 3 unreadable: jump/empty.mp4 (the file is empty), "
        "jump/still.mp4 (a still image (png), not a video), "
        "walk/sound.mp4 (holds no video, only sound)"
    )
    assert sum(len(names) for names in parts_of(data).values()) == 20
    with pytest.raises(UserError, match=r"3 of 23 video files cannot be read.*max_bad_fraction"):
        module(root, cache, source="folders", max_bad_fraction=0.1)


def test_a_class_of_bad_files_alone_is_refused(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "own")
    (root / "sit").mkdir()
    (root / "sit" / "empty.mp4").touch()
    with pytest.raises(UserError, match="no readable training video of the class sit"):
        module(root, cache, source="folders")


# The cache


def files_of(tmp_path: Path) -> list[Path]:
    return [write_video(tmp_path / f"{n}.avi", moving(9, n, 24, 32)) for n in range(4)]


def test_decoded_videos_are_found_again_by_their_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(tmp_path)
    first = decode_files(files, Sampling(6), 20, 24, tmp_path / "cache")
    assert "decoding 4 videos into " in (said := capsys.readouterr().out)
    assert "at most 0 MB" in said
    moved = [path.rename(path.with_name(f"moved-{path.name}")) for path in files]
    again = decode_files(moved, Sampling(6), 20, 24, tmp_path / "cache")
    assert not capsys.readouterr().out
    for number in range(4):
        clips = [store.clip_of_file[number] for store in (first, again)]
        assert np.array_equal(first.frames.get(clips[0]), again.frames.get(clips[1]))
        assert np.array_equal(first.times.get(clips[0]), again.times.get(clips[1]))
    decode_files(moved, Sampling(7), 20, 24, tmp_path / "cache")
    decode_files(moved, Sampling(6), 20, 25, tmp_path / "cache")
    write_video(moved[0], moving(9, 77, 24, 32))
    decode_files(moved, Sampling(6), 20, 24, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 4


@pytest.mark.parametrize("name", ["frames/values.bin", "frames/index.npz", "times/index.npz"])
def test_a_cache_cut_off_in_the_middle_is_made_anew(tmp_path: Path, name: str) -> None:
    files = files_of(tmp_path)
    decode_files(files, Sampling(6), 20, 24, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    store = decode_files(files, Sampling(6), 20, 24, tmp_path / "cache")
    assert store.frames.length_N.tolist() == [6] * 4


DECODE = """
import resource, sys
from pathlib import Path
from gru_suite.video.reading.video_files import Sampling
from gru_suite.video.reading.frame_cache import decode_files
if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
files = sorted(Path(sys.argv[1]).glob("*.avi"))
store = decode_files(files, Sampling(6), 20, 24, Path(sys.argv[1]) / "cache")
print("clips", len(store.frames.length_N), flush=True)
"""


def decode_in_child(folder: Path, limit: int = 0) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", DECODE, str(folder), str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of the size of files is POSIX's")
def test_a_full_cache_is_one_clear_error(tmp_path: Path) -> None:
    files_of(tmp_path)
    said, failed = decode_in_child(tmp_path, limit=10_000).communicate(timeout=120)
    assert "clips" not in said
    last = failed.strip().splitlines()[-1]
    assert "UserError: cannot write the cache" in last
    assert "name another folder with data.cache_dir=" in last
    (folder,) = (tmp_path / "cache").iterdir()
    assert not list((folder / "frames").iterdir())
    said, failed = decode_in_child(tmp_path).communicate(timeout=120)
    assert said.splitlines()[-1] == "clips 4", failed


def test_of_two_processes_one_decodes(tmp_path: Path) -> None:
    files_of(tmp_path)
    children = [decode_in_child(tmp_path) for _ in range(2)]
    said = [child.communicate(timeout=120)[0] for child in children]
    assert all(text.splitlines()[-1] == "clips 4" for text in said)
    assert sum("decoding 4 videos" in text for text in said) == 1


def test_no_epoch_touches_the_files_and_every_split_finds_the_cache(
    tmp_path: Path, cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ucf_folder(tmp_path / "ucf", groups=5)
    lists = root / "ucfTrainTestlist"
    for part in ("train", "test"):
        lines = (lists / f"{part}list01.txt").read_text().splitlines()[::-1]
        (lists / f"{part}list02.txt").write_text("\n".join(lines))
    data = module(root, cache)
    assert "decoding" in capsys.readouterr().out
    module(root, cache, split=2)
    assert "decoding" not in capsys.readouterr().out
    shutil.rmtree(root)
    for _ in range(2):
        assert sum(len(batch.x) for batch in data.train_dataloader()) == 8


# Clips


def times(count: int, step: float = 0.04) -> np.ndarray:
    return np.arange(count + 1) * step


def test_clips_of_training_take_a_frame_of_each_stretch() -> None:
    sampling = ClipSampling(6, None, 3)
    seen = set()
    for seed in range(50):
        clip_T = sampling.random_clip(times(18), np.random.default_rng(seed))
        assert (clip_T // 3).tolist() == list(range(6))
        seen |= set(clip_T.tolist())
    assert seen == set(range(18))


def test_clips_of_a_test_are_spread_within_the_stretches() -> None:
    sampling = ClipSampling(6, None, 3)
    assert sampling.count(times(18)) == 3
    for number in range(3):
        clip_T = sampling.clip(times(18), number, 3)
        assert clip_T.tolist() == [number + 3 * stretch for stretch in range(6)]
    # No frame is there twice, so a short video has one clip of fewer frames.
    assert (sampling.count(times(4)), sampling.length(times(4))) == (1, 4)
    assert sampling.clip(times(4), 0, 1).tolist() == [0, 1, 2, 3]


def test_stretches_are_equal_in_time() -> None:
    time_E = np.array([*np.arange(20) * 0.01, *range(1, 6), 6.0])
    clip_T = ClipSampling(6, None, 1).clip(time_E, 0, 1)
    assert clip_T.tolist() == [19, 20, 21, 22, 23, 24]


def test_windows_have_the_rate_and_lie_anywhere() -> None:
    sampling = ClipSampling(5, 10.0, 3)
    time_E = times(40, 0.05)
    assert (sampling.count(time_E), sampling.length(time_E)) == (3, 5)
    clips = [sampling.clip(time_E, number, 3).tolist() for number in range(3)]
    assert clips == [[0, 2, 4, 6, 8], [15, 17, 19, 21, 23], [30, 32, 34, 36, 38]]
    starts = set()
    for seed in range(60):
        clip_T = sampling.random_clip(time_E, np.random.default_rng(seed))
        assert np.diff(clip_T).tolist() == [2] * 4
        starts.add(int(clip_T[0]))
    assert min(starts) <= 2
    assert max(starts) >= 27
    short_E = times(7, 0.05)
    assert (sampling.count(short_E), sampling.length(short_E)) == (1, 4)
    assert sampling.clip(short_E, 0, 1).tolist() == [0, 2, 4, 6]
    # What the video does not have is shown again.
    assert sampling.clip(times(2, 0.3), 0, 1).tolist() == [0, 0, 0, 1, 1]


# Batches


def test_batches_hold_clips_of_any_length(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "own", count=8)
    write_video(root / "walk" / "person0-short.gif", ramp(3, 24, 32), "gif", pixels="rgb8")
    data = module(root, cache, source="folders", fractions=[0.5, 0.25, 0.25], test_clips=2)
    for part, side in (("train", 4), ("val", 0), ("test", 0)):
        dataset = data.datasets[part]
        loader = getattr(data, f"{part}_dataloader")()
        rows = 0
        for batch in loader:
            assert isinstance(batch, VideoBatch)
            rows += len(batch.x)
            assert batch.x.dtype == torch.uint8
            assert batch.x.shape[2:] == (16 + side, 20 + side, 3)
            assert batch.x.shape[1] == batch.lengths_B.max()
            padding = torch.arange(batch.x.size(1)) >= batch.lengths_B[:, None]
            assert not batch.x[padding].any()
            for video, label in zip(batch.videos_B, batch.labels_B, strict=True):
                assert dataset.labels[video] == label
            assert (batch.groups_B == -1).all()
        assert rows == len(dataset) == len(dataset.video_R)
        assert len(dataset.frame_times(0)) == dataset.lengths[0]
    longer = sum(length == 6 for length in data.datasets["test"].lengths)
    assert longer % 2 == 0
    assert longer > len(data.datasets["test"].names)


def test_tests_are_the_same_in_every_pass_and_training_is_not(tmp_path: Path, cache: str) -> None:
    root = class_folders(tmp_path / "own")
    data = module(root, cache, source="folders", num_frames=3)

    def epoch(data: VideoDataModule, part: str, number: int) -> list[VideoBatch]:
        loader = getattr(data, f"{part}_dataloader")()
        loader.sampler.set_epoch(number)
        return list(loader)

    def same(first: list[VideoBatch], second: list[VideoBatch]) -> bool:
        return all(torch.equal(a.x, b.x) for a, b in zip(first, second, strict=True))

    assert same(epoch(data, "test", 0), epoch(data, "test", 1))
    again = module(root, cache, source="folders", num_frames=3)
    assert same(epoch(data, "train", 3), epoch(again, "train", 3))
    assert not same(epoch(data, "train", 0), epoch(data, "train", 1))
    other = module(root, cache, source="folders", num_frames=3, seed=7)
    assert not same(epoch(data, "train", 0), epoch(other, "train", 0))
    frames = {tuple(data.datasets["train"].frame_times(0))}
    for data.datasets["train"].epoch in range(5):
        frames.add(tuple(data.datasets["train"].frame_times(0)))
    assert len(frames) > 1


class Collector(pl.LightningModule):
    """Keeps the batches of training as they come to a task."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[VideoBatch] = []

    def training_step(self, batch: VideoBatch, batch_idx: int) -> torch.Tensor:
        self.seen.append(batch)
        return self.weight * 0

    def validation_step(self, batch: VideoBatch, batch_idx: int) -> None:
        assert batch.x.shape[2:] == (16, 20, 3)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def test_training_clips_are_augmented_the_same_after_a_new_start(
    tmp_path: Path, cache: str
) -> None:
    root = class_folders(tmp_path / "own")
    runs = []
    for augment in ({"flip": 0.5}, {"flip": 0.5}, {}):
        data, task = module(root, cache, source="folders", augment=augment), Collector()
        trainer = quiet_trainer(max_epochs=2)
        with warnings.catch_warnings():
            # Lightning's advice on workers and logging.
            warnings.simplefilter("ignore")
            trainer.fit(task, datamodule=data)
        runs.append(task.seen)
    assert all(batch.x.shape[2:] == (16, 20, 3) for batch in runs[0])
    assert all(torch.equal(a.x, b.x) for a, b in zip(*runs[:2], strict=True))
    assert not all(torch.equal(a.x, b.x) for a, b in zip(runs[0], runs[2], strict=True))


# What others ask


def test_the_schema_prepares_other_data_alike(tmp_path: Path, cache: str) -> None:
    first = module(class_folders(tmp_path / "own"), cache, source="folders", num_frames=5)
    schema = first.schema()
    assert schema == {
        "labels": ["jump", "walk"],
        "class_counts": [7, 7],
        "size": [16, 20],
        "margin": 4,
        "num_frames": 5,
        "frame_rate_hz": None,
        "oversample": 3,
        "test_clips": 3,
        "feature_size": None,
    }
    root = class_folders(tmp_path / "other", count=6)
    shutil.copytree(root / "walk", root / "a_new_one")
    other = module(root, cache, source="folders", num_frames=9, size=[32, 32], schema=schema)
    assert other.labels == ["jump", "walk"]
    assert other.schema()["num_frames"] == 5
    assert next(iter(other.test_dataloader())).x.shape[2:] == (16, 20, 3)
    assert "videos of no label, left out: 6" in other.summary()
    with pytest.raises(
        UserError, match=r"none of the checkpoint's labels .* a_new_one, jump, walk"
    ):
        module(root, cache, source="folders", schema={**schema, "labels": ["sit", "stand"]})


def test_features_of_a_frozen_encoder_are_computed_once(
    tmp_path: Path, cache: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from torchvision.models import mobilenet_v3_small

    weights = tmp_path / "weights.pt"
    torch.save(mobilenet_v3_small(weights=None).state_dict(), weights)
    encoder = {"name": "mobilenet_v3_small", "weights": str(weights), "frozen": True}
    root = class_folders(tmp_path / "own", count=5)
    data = module(root, cache, source="folders", encoder=encoder)
    assert "computing features into" in capsys.readouterr().out
    assert data.schema()["feature_size"] == 576
    batch = next(iter(data.train_dataloader()))
    assert batch.x.shape == (4, 6, 576)
    assert batch.x.dtype == torch.float32
    module(root, cache, source="folders", encoder=encoder)
    assert "features" not in capsys.readouterr().out
    # Other weights, other features; what learns, or sees the frame before, has none.
    torch.save(mobilenet_v3_small(weights=None).state_dict(), weights)
    module(root, cache, source="folders", encoder=encoder)
    assert "computing features into" in capsys.readouterr().out
    raw = module(root, cache, source="folders", encoder={**encoder, "frozen": False})
    assert raw.schema()["feature_size"] is None
    raw = module(root, cache, source="folders", encoder=encoder, schema=data.schema())
    assert next(iter(raw.train_dataloader())).x.dtype == torch.uint8


# Real clips


def test_real_clips_are_read(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "ucf101"
    if not source.is_dir():
        pytest.skip(f"needs real clips: no folder {source}")
    root = tmp_path / "ucf101"
    (root / "UCF-101").mkdir(parents=True)
    shutil.copytree(source / "ucfTrainTestlist", root / "ucfTrainTestlist")
    for folder in sorted((source / "UCF-101").iterdir()):
        target = root / "UCF-101" / folder.name
        target.mkdir()
        for path in sorted(folder.iterdir())[::6]:
            os.symlink(path, target / path.name)
    data = module(root, str(tmp_path / "cache"), num_frames=8)
    (first, missing) = data.summary()
    assert "5 labels" in first
    assert missing.startswith("missing 160 of the 195 videos of split 1: ")
    dataset: VideoDataset = data.datasets["train"]
    assert dataset.lengths == [8] * len(dataset)
    # Real pictures: neither dark nor all the same.
    batch = next(iter(data.train_dataloader()))
    assert 20 < batch.x.float().mean() < 235
    assert batch.x.float().std() > 20
