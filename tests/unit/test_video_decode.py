from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.stream import VideoStream
from video_files import (
    moving,
    ramp,
    write_no_frames,
    write_sound_only,
    write_still,
    write_video,
)

from gru_suite.video.reading.decoding_processes import _Worker, decode_all
from gru_suite.video.reading.video_files import (
    Frames,
    Sampling,
    is_video_file,
    read_frames,
)

ALL = Sampling(1000)


def read(path: Path, sampling: Sampling = ALL, height: int = 24, width: int = 32) -> Frames:
    return read_frames(path, sampling, height, width)


def numbers(frames: Frames) -> list[int]:
    """Return which frames of ``ramp`` these are."""
    return np.rint(frames.frames_THWC.mean((1, 2, 3)) / 8).astype(int).tolist()


# What is read


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        ("avi", "mpeg4", "yuv420p"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mov", "mpeg4", "yuv420p"),
        ("mkv", "mpeg4", "yuv420p"),
        ("webm", "libvpx", "yuv420p"),
        ("gif", "gif", "rgb8"),
        ("mpg", "mpeg2video", "yuv420p"),
    ],
)
def test_any_container_is_read(tmp_path: Path, suffix: str, codec: str, pixels: str) -> None:
    path = write_video(tmp_path / f"a.{suffix}", moving(20), codec, pixels=pixels)
    assert is_video_file(path)
    frames = read(path)
    assert frames.frames_THWC.shape == (20, 24, 32, 3)
    assert frames.frames_THWC.dtype == np.uint8
    assert frames.time_T == pytest.approx(np.arange(20) / 25, abs=0.011)
    assert frames.end == pytest.approx(0.8, abs=0.011)
    # Half the size, so every second pixel; lossy codecs and colour tables change a few of them.
    difference = np.abs(frames.frames_THWC - moving(20)[:, ::2, ::2].astype(float))
    assert np.median(difference) < 20


def test_pixels_come_through(tmp_path: Path) -> None:
    frames_THWC = moving(5)
    path = write_video(tmp_path / "a.avi", frames_THWC, "png", pixels="rgb24")
    assert np.array_equal(read(path, ALL, 48, 64).frames_THWC, frames_THWC)


def test_frames_are_spread_over_the_whole_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", ramp(30), "png", pixels="rgb24")
    assert numbers(read(path, Sampling(5))) == [3, 9, 15, 21, 27]
    assert numbers(read(path, Sampling(30))) == list(range(30))
    assert numbers(read(path, Sampling(60))) == list(range(30))


def test_a_clip_shorter_than_asked_gives_what_it_has(tmp_path: Path) -> None:
    for count in (1, 3):
        frames = read(write_video(tmp_path / f"{count}.mp4", ramp(count)), Sampling(24))
        assert numbers(frames) == list(range(count))
        assert frames.end == pytest.approx(count / 25)


def test_variable_frame_rate_is_spread_by_time(tmp_path: Path) -> None:
    # Ten frames in the first half second, then one a second.
    times = [*np.arange(10) * 0.05, *np.arange(1, 11) - 0.5]
    for suffix in ("mkv", "mp4"):
        path = write_video(tmp_path / f"a.{suffix}", ramp(20), times=times)
        frames = read(path, Sampling(5))
        assert frames.time_T == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0], abs=0.51)
        assert min(numbers(frames)[1:]) > 10
        every = read(path)
        assert numbers(every) == list(range(20))
        assert every.time_T == pytest.approx(times, abs=0.002)


def test_frames_at_a_rate_are_those_shown_then(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", ramp(30), "png", pixels="rgb24")
    frames = read(path, Sampling(100, 5.0))
    assert numbers(frames) == [0, 5, 10, 15, 20, 25]
    assert frames.end == pytest.approx(1.2)
    # Of a longer video the middle.
    frames = read(path, Sampling(4, 5.0))
    assert numbers(frames) == [5, 10, 15, 20]
    assert frames.time_T == pytest.approx([0, 0.2, 0.4, 0.6])
    assert frames.end == pytest.approx(0.8)
    # A rate above the video's gives every frame once.
    assert numbers(read(path, Sampling(1000, 60.0))) == list(range(30))


@pytest.mark.skipif(
    not hasattr(VideoStream, "set_display_rotation"), reason="this PyAV cannot write a rotation"
)
@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_rotated_video_is_turned_upright(tmp_path: Path, rotation: int) -> None:
    scene = np.zeros((6, 48, 64, 3), np.uint8)
    scene[:, :16, :16] = 255
    path = write_video(tmp_path / "a.mp4", scene, rotation=rotation)
    upright = np.rot90(scene[0], rotation // 90)
    frames = read(path, ALL, *upright.shape[:2])
    assert np.abs(frames.frames_THWC[3] - upright.astype(float)).mean() < 10


@pytest.mark.parametrize(("height", "width"), [(47, 33), (49, 171), (1, 5)])
def test_odd_sizes_cover_and_keep_their_aspect(tmp_path: Path, height: int, width: int) -> None:
    frames_THWC = np.full((4, height, width, 3), 200, np.uint8)
    path = write_video(tmp_path / "a.avi", frames_THWC, "png", pixels="rgb24")
    for size in ((24, 32), (31, 17)):
        found = read(path, ALL, *size).frames_THWC
        assert found.shape == (4, *size, 3)
        assert (found == 200).all()


def test_what_is_cut_off_is_the_same_on_both_sides(tmp_path: Path) -> None:
    scene = np.zeros((3, 40, 120, 3), np.uint8)
    scene[:, :, 40:80] = 255
    path = write_video(tmp_path / "a.avi", scene, "png", pixels="rgb24")
    assert (read(path, ALL, 40, 40).frames_THWC == 255).all()


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    scene = np.zeros((3, 40, 40, 3), np.uint8)
    scene[:, :, 10:30] = 255
    path = write_video(tmp_path / "a.mkv", scene, pixel_aspect=Fraction(2, 1))
    # It is shown 80 pixels wide, of which the bright part has 40.
    bright_W = read(path, ALL, 40, 80).frames_THWC[1, 20].mean(-1) > 128
    assert bright_W.sum() == pytest.approx(40, abs=2)
    assert (read(path, ALL, 40, 40).frames_THWC[:, :, 4:-4] > 200).all()


def test_sound_is_left_alone(tmp_path: Path) -> None:
    for suffix in ("avi", "mp4", "mkv"):
        for seconds in (0.5, 4.0):
            path = write_video(tmp_path / f"a.{suffix}", ramp(20), sound_seconds=seconds)
            frames = read(path)
            assert numbers(frames) == list(range(20))
            assert frames.end == pytest.approx(0.8, abs=0.002)


@pytest.mark.parametrize("promised", [0, 1, 23, 1000])
def test_the_headers_number_of_frames_is_not_believed(tmp_path: Path, promised: int) -> None:
    path = write_video(tmp_path / "a.avi", ramp(20))
    content = bytearray(path.read_bytes())
    assert int.from_bytes(content[48:52], "little") == 20
    content[48:52] = promised.to_bytes(4, "little")
    if promised == 23:
        place = content.index(b"strh") + 40
        assert int.from_bytes(content[place : place + 4], "little") == 20
        content[place : place + 4] = promised.to_bytes(4, "little")
    path.write_bytes(content)
    assert numbers(read(path)) == list(range(20))
    assert len(read(path, Sampling(5)).time_T) == 5


def test_broken_frames_inside_are_passed_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving(40), "png", pixels="rgb24")
    content = bytearray(path.read_bytes())
    places = [place for place in range(len(content)) if content[place : place + 4] == b"\x89PNG"]
    for place in places[10:12]:
        content[place : place + 60] = bytes(60)
    path.write_bytes(content)
    frames = read(path)
    # Codecs may lose a neighbour too.
    assert 36 <= len(frames.time_T) <= 38
    assert frames.end == pytest.approx(1.6)


# What is not


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bad")
    files = {name: folder / f"{name}.mp4" for name in ("missing", "empty", "text")}
    files["empty"].touch()
    files["text"].write_text("this is no video\n" * 40)
    for suffix in ("avi", "mp4", "mkv"):
        name = f"cut_{suffix}"
        files[name] = write_video(folder / f"{name}.{suffix}", moving(100))
        content = files[name].read_bytes()
        files[name].write_bytes(content[: len(content) // 2])
    files["header_only"] = write_video(folder / "header_only.avi", moving(100))
    files["header_only"].write_bytes(files["header_only"].read_bytes()[:300])
    files["sound"] = write_sound_only(folder / "sound.mp4")
    for suffix in ("mp4", "avi"):
        files[f"no_frames_{suffix}"] = write_no_frames(folder / f"no_frames_{suffix}.{suffix}")
    files["png"] = write_still(folder / "png.mp4", "png")
    files["jpg"] = write_still(folder / "jpg.mp4", "jpg")
    files["gif"] = write_video(folder / "still.gif", ramp(1), "gif", pixels="rgb8")
    files["rotten"] = write_video(folder / "rotten.avi", moving(20), "png", pixels="rgb24")
    content = files["rotten"].read_bytes().replace(b"\x89PNG", b"\x00\x00\x00\x00")
    files["rotten"].write_bytes(content)
    return files


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "cannot be opened: No such file"),
        ("empty", "the file is empty"),
        ("text", "not a readable video"),
        ("cut_avi", r"cut off after [\d,]+ of [\d,]+ bytes"),
        ("cut_mp4", "not a readable video"),
        ("cut_mkv", r"cut off after [12]\.\d of 4\.0 seconds"),
        ("header_only", r"cut off after 300 of [\d,]+ bytes"),
        ("sound", "holds no video, only sound"),
        ("no_frames_mp4", "holds no frames|holds no video$"),
        ("no_frames_avi", "holds no frames"),
        ("png", r"a still image \(png\), not a video"),
        ("jpg", r"a still image \(jpeg\), not a video"),
        ("gif", r"a still image \(gif\), not a video"),
        ("rotten", r"none of its frames can be decoded|cut off after 0\.0 of 0\.8 seconds"),
    ],
)
def test_a_bad_file_is_told_by_its_reason(bad: dict[str, Path], name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(bad[name])


# In processes


def test_files_are_decoded_in_processes_as_here(tmp_path: Path, bad: dict[str, Path]) -> None:
    files = [write_video(tmp_path / f"{n}.avi", moving(10 + n, n)) for n in range(5)]
    files[2:2] = [bad["png"], bad["missing"]]
    found = dict(decode_all(files, Sampling(8), 24, 32, num_processes=2))
    assert sorted(found) == list(range(7))
    assert found[2] == "a still image (png), not a video"
    assert str(found[3]).startswith("cannot be opened")
    for number in (0, 1, 4, 5, 6):
        frames, here = found[number], read(files[number], Sampling(8))
        assert isinstance(frames, Frames)
        assert np.array_equal(frames.frames_THWC, here.frames_THWC)
        assert np.array_equal(frames.time_T, here.time_T)
        assert frames.end == here.end


def test_a_crash_is_one_files_reason(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", moving(10))
    request = {"sampling": list(Sampling(8)), "height": 24, "width": 32}
    with _Worker(request) as worker:
        assert isinstance(worker.read(path), Frames)
        assert worker.process is not None
        worker.process.kill()
        worker.process.wait()
        assert str(worker.read(path)).startswith("the decoder crashed (exit code -9")
        assert isinstance(worker.read(path), Frames)


def test_decoding_can_be_left_halfway(tmp_path: Path) -> None:
    files = [write_video(tmp_path / f"{n}.avi", moving(10, n)) for n in range(8)]
    for _ in decode_all(files, Sampling(8), 24, 32, num_processes=2):
        break
