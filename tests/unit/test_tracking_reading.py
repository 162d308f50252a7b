"""Tables of boxes, and benchmarks in their layouts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tracking_fixtures import moving_square
from video_files import write_video

from gru_suite.errors import UserError
from gru_suite.tasks.tracking.data import TrackDataModule
from gru_suite.tasks.tracking.reading.benchmarks import read_benchmark
from gru_suite.tasks.tracking.reading.box_tables import read_box_table
from gru_suite.tasks.tracking.reading.frames import read_video

HEADER = "video,frame,object,x,y,width,height,visible\n"


def write_images(folder: Path, count: int = 12, digits: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(moving_square(count)[0], 1):
        Image.fromarray(frame).save(folder / f"{number:0{digits}d}.png")


def test_a_track_begins_where_it_is_visible(tmp_path: Path) -> None:
    rows = [f"a.mp4,{n},one,{n},2,3,4,{int(n > 2)}" for n in range(14) if n != 6]
    (tmp_path / "boxes.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (track,) = read_box_table(tmp_path / "boxes.csv", None, None)["train"].items
    assert (track.first, len(track.boxes_T4)) == (3, 11)
    assert np.isnan(track.boxes_T4[3]).all()
    assert track.visible_T.tolist() == [True] * 3 + [False] + [True] * 7
    assert track.boxes_T4[0].tolist() == [3, 2, 3, 4]
    assert track.video == tmp_path / "a.mp4"


def test_values_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(HEADER + "a.mp4,0,one,wide,2,3,4,1\n")
    with pytest.raises(UserError, match="row 1: x='wide' is not a number"):
        read_box_table(path, None, None)
    path.write_text("video,frame\na.mp4,0\n")
    with pytest.raises(UserError, match="needs column 'object'"):
        read_box_table(path, None, None)
    path.write_text(HEADER + "a.mp4,0,one,1,2,3,4,1\n")
    with pytest.raises(UserError, match="visible in 8 frames or more"):
        read_box_table(path, None, None)


def test_otb(tmp_path: Path) -> None:
    write_images(tmp_path / "Walking" / "img")
    lines = "\n".join(f"{n}\t2\t10\t12" for n in range(12))
    (tmp_path / "Walking" / "groundtruth_rect.txt").write_text(lines)
    (track,) = read_benchmark(tmp_path)["train"].items
    assert track.boxes_T4[3].tolist() == [3, 2, 10, 12]
    assert read_video(track.video).shape == (12, 40, 56, 3)


def test_got10k(tmp_path: Path) -> None:
    for part in ("train", "val"):
        folder = tmp_path / part / f"GOT-10k_{part}_000001"
        write_images(folder, digits=8)
        (folder / "groundtruth.txt").write_text("\n".join(f"{n},2,10,12" for n in range(12)))
        (folder / "absence.label").write_text("\n".join(str(int(n == 5)) for n in range(12)))
    parts = read_benchmark(tmp_path)
    assert set(parts) == {"train", "val"}
    assert parts["val"].items[0].visible_T.tolist() == [n != 5 for n in range(12)]


def test_mot(tmp_path: Path) -> None:
    folder = tmp_path / "MOT17-02"
    write_images(folder / "img1", digits=6)
    (folder / "gt").mkdir()
    rows = [
        f"{n + 1},{who},{n},3,8,9,1,1,{0.1 if n == 4 else 0.9}" for who in (1, 2) for n in range(12)
    ]
    rows.append("1,3,0,0,5,5,0,1,1")
    (folder / "gt" / "gt.txt").write_text("\n".join(rows))
    tracks = read_benchmark(tmp_path)["train"].items
    assert [track.name for track in tracks] == ["MOT17-02 1", "MOT17-02 2"]
    assert not tracks[0].visible_T[4]


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"found no groundtruth_rect\.txt"):
        read_benchmark(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "groundtruth_rect.txt").write_text("1,2,3\n")
    with pytest.raises(UserError, match="line 1: found 3 numbers"):
        read_benchmark(tmp_path)


def test_own_videos_scaled_and_split(tmp_path: Path) -> None:
    rows = []
    for number in range(6):
        frames, boxes = moving_square(seed=number)
        write_video(tmp_path / f"{number}.mkv", frames, "ffv1", pixels="bgr0")
        rows += [
            f"{number}.mkv,{n},square,{','.join(map(str, box))},1" for n, box in enumerate(boxes)
        ]
    (tmp_path / "boxes.csv").write_text(HEADER + "\n".join(rows) + "\n")
    data = TrackDataModule(
        str(tmp_path / "boxes.csv"),
        split=(0.5, 0.25, 0.25),
        num_frames=8,
        max_side=28,
        cache_dir=str(tmp_path / "cache"),
    )
    data.prepare_data()
    data.setup()
    batch = next(iter(data.train_dataloader()))
    assert batch.frames.shape[1:] == (8, 20, 28, 3)
    # Half of the size of the video.
    assert batch.boxes_BT4[0, 0, 2:].tolist() == [6, 5]
    (frames, box) = data.raw_examples(1)[0]
    assert frames.shape == (12, 20, 28, 3)
    assert box.tolist() == [4, 6, 6, 5]
    scores = data.baselines("test")
    assert scores["template"]["success"] > scores["stays"]["success"]
