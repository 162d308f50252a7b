"""The rendered people: what they look like, how they move, and their files."""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from gru_suite.errors import UserError
from gru_suite.tasks.video_action.samples import rendered_people as samples
from gru_suite.tasks.video_action.samples.rendered_people import (
    FIGURES,
    FRAME_RATE_HZ,
    PARTS_FILE,
    TAKES,
    Clip,
    all_clips,
    part_of_figure,
    render,
    rendered_people,
)
from gru_suite.video import writing
from gru_suite.video.people.drawing import HEIGHT, WIDTH, View, project
from gru_suite.video.people.figures import (
    SIDES,
    Array,
    Figure,
    Pose,
    draw_figure,
    reach,
)
from gru_suite.video.people.motions import ACTIONS, move

# Mean light of the quarters of some frames. Where they change, samples._VERSION has to.
RUN_BLOCKS = [
    [[110.2, 115.8], [107.0, 108.9]],
    [[108.9, 114.4], [104.5, 107.4]],
    [[109.0, 112.5], [103.9, 109.4]],
    [[116.7, 112.3], [108.5, 108.9]],
]
TIME_T = np.arange(60) / FRAME_RATE_HZ


def poses(action: str, count: int = 12) -> list[tuple[Figure, Pose]]:
    made = []
    for seed in range(count):
        figure = draw_figure(np.random.default_rng(seed))
        draw = np.random.default_rng([seed, ACTIONS.index(action)])
        made.append((figure, move(action, draw, figure, TIME_T)))
    return made


def lengths(pose: Pose, start: str, end: str) -> Array:
    return np.linalg.norm(pose.joints[start] - pose.joints[end], axis=-1)


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


# Movement


@pytest.mark.parametrize("action", ACTIONS)
def test_limbs_keep_their_lengths_and_knees_bend_the_right_way(action: str) -> None:
    for figure, pose in poses(action):
        for side in SIDES:
            for start, end, length in (
                ("hip", "knee", figure.thigh),
                ("knee", "ankle", figure.shin),
                ("shoulder", "elbow", figure.upper_arm),
                ("elbow", "hand", figure.forearm),
            ):
                found_T = lengths(pose, f"{side}_{start}", f"{side}_{end}")
                assert found_T == pytest.approx(length, abs=2e-3), (action, start)
            hip, knee, ankle = (pose.joints[f"{side}_{n}"] for n in ("hip", "knee", "ankle"))
            # Never overstretched: the knee is not behind the line from hip to ankle.
            share_T = (hip - knee)[:, 1] / (hip - ankle)[:, 1]
            line_T = hip[:, 0] + share_T * (ankle - hip)[:, 0]
            assert (knee[:, 0] - line_T).min() > -0.03


@pytest.mark.parametrize("action", ACTIONS)
def test_no_foot_is_in_the_ground_and_only_runners_and_jumpers_leave_it(action: str) -> None:
    highest = []
    for figure, pose in poses(action):
        lowest_T = np.minimum(*(pose.joints[f"{side}_ankle"][:, 1] for side in SIDES))
        assert lowest_T.min() > 0
        highest.append(lowest_T.max() - figure.foot * 0.2)
    if action in ("run", "jump"):
        assert max(highest) > 0.05
    else:
        assert max(highest) < 0.01


def test_arms_swing_against_the_legs() -> None:
    against = []
    for _, pose in poses("walk", 20):
        joints = pose.joints
        legs_T = joints["right_ankle"][:, 0] - joints["left_ankle"][:, 0]
        arms_T = joints["right_hand"][:, 0] - joints["left_hand"][:, 0]
        against.append(np.corrcoef(legs_T, arms_T)[0, 1] < -0.3)
    # Not those who hold a hand still.
    assert np.mean(against) > 0.6


def test_runners_are_faster_than_walkers_on_average_and_the_speeds_are_human() -> None:
    speeds = {
        action: [np.gradient(pose.travel_T, TIME_T).max() for _, pose in poses(action, 40)]
        for action in ACTIONS
    }
    assert 0.7 < np.mean(speeds["walk"]) < 1.7
    assert 1.6 < np.mean(speeds["run"]) < 4
    assert max(speeds["run"]) < 6
    assert all(max(speeds[action]) == 0 for action in ("jump", "squat", "wave", "clap"))


def test_jumpers_fall_freely() -> None:
    for _, pose in poses("jump"):
        ankle_T = pose.joints["left_ankle"][:, 1]
        pelvis_T = pose.joints["pelvis"][:, 1]
        # In flight both fall; squats of the same depth never do.
        flying_T = ankle_T > ankle_T.min() + 0.08
        inner_T = flying_T[:-2] & flying_T[1:-1] & flying_T[2:]
        if inner_T.any():
            falling = np.diff(pelvis_T, 2)[inner_T] * FRAME_RATE_HZ**2
            assert np.median(falling) == pytest.approx(-9.81, abs=0.5)


def test_hands_meet_in_claps_and_are_up_in_waves() -> None:
    for _, pose in poses("clap"):
        assert lengths(pose, "left_hand", "right_hand").min() < 0.12
    for figure, pose in poses("wave"):
        hand_T3 = pose.joints[f"{figure.strong_side}_hand"]
        assert (hand_T3[:, 1] - pose.joints["chest"][:, 1]).max() > -0.12


def test_a_limb_that_cannot_reach_is_stretched_towards_the_point() -> None:
    root, forward = np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0]])
    middle, end = reach(root, np.array([[0.0, -5.0, 0.0]]), 0.4, 0.3, forward)
    assert end[0] == pytest.approx([0, -0.7, 0], abs=1e-3)
    assert middle[0, 0] > 0


# Pictures


def test_a_view_turns_the_figure() -> None:
    still_T = np.zeros(1)
    view = View(0.0, 0.0, 10.0, 6.0, still_T + 64, still_T + 90, still_T)
    pose = Pose({"nose": np.array([[0.5, 1.0, 0.25]])}, still_T)
    from_the_side, _ = project(pose, view)
    assert from_the_side["nose"][0] == pytest.approx([69, 80, 0.25])
    facing, _ = project(pose, view._replace(yaw=np.pi / 2))
    # Its right is at the left of the picture.
    assert facing["nose"][0] == pytest.approx([61.5, 80, 0.5], abs=1 / 64)
    nearer, scale_T = project(pose, view._replace(approach_T=still_T + 3))
    assert scale_T == pytest.approx([20])
    assert nearer["nose"][0] == pytest.approx([74, 70, 0.25])


def test_a_clip_has_the_same_pixels_each_time_and_everywhere() -> None:
    clip = Clip("run", 3, 0)
    frames_THWC = render(clip)
    assert np.array_equal(frames_THWC, render(clip))
    assert frames_THWC.dtype == np.uint8
    assert frames_THWC.shape[1:] == (HEIGHT, WIDTH, 3)
    assert 2 <= len(frames_THWC) / FRAME_RATE_HZ <= 3
    blocks = frames_THWC[::20].reshape(-1, 2, 48, 2, 64, 3).mean((2, 4, 5))
    assert blocks == pytest.approx(np.array(RUN_BLOCKS), abs=0.1)
    assert not np.array_equal(frames_THWC[:40], render(Clip("run", 4, 0))[:40])


@pytest.mark.parametrize("action", ACTIONS)
def test_a_figure_is_seen_in_every_frame_and_moves(action: str) -> None:
    for figure in range(4):
        frames_THWC = render(Clip(action, figure, 0)).astype(np.float32)
        moved_T = np.abs(np.diff(frames_THWC.mean(-1), axis=0)).mean((1, 2))
        assert moved_T.max() > 0.5
        assert frames_THWC.std((1, 2)).min() > 3


# Files


def test_every_action_is_in_every_part_and_every_figure_in_one() -> None:
    parts, clips = part_of_figure(), all_clips()
    assert sorted(parts) == list(range(90))
    assert Counter(parts.values()) == FIGURES
    counts = Counter((parts[clip.figure], clip.action) for clip in clips)
    assert set(counts) == {(p, a) for p in ("train", "val", "test") for a in ACTIONS}
    assert counts["test", "walk"] == FIGURES["test"] * TAKES
    assert len({clip.name for clip in clips}) == len(clips)


def test_the_folder_holds_real_videos_and_their_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = [Clip(action, figure, 0) for action in ACTIONS for figure in range(3)]
    parts = {0: "train", 1: "val", 2: "test"}
    monkeypatch.setattr(samples, "all_clips", lambda: clips)
    monkeypatch.setattr(samples, "part_of_figure", lambda: parts)
    folder = rendered_people(tmp_path)
    assert "rendering 18 videos of stick figures" in capsys.readouterr().err
    assert rendered_people(tmp_path) == folder
    assert capsys.readouterr().err == ""
    assert [each.name for each in tmp_path.iterdir()] == [folder.name]
    with (folder / PARTS_FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [clip.name for clip in clips]
    assert {row["figure"]: row["part"] for row in rows} == {
        "00": "train",
        "01": "val",
        "02": "test",
    }
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.mp4")) == sorted(
        clip.name for clip in clips
    )
    decoded, drawn = decode(folder / "jump/01_0.mp4"), render(Clip("jump", 1, 0))
    assert decoded.shape == drawn.shape
    assert np.abs(decoded.astype(int) - drawn).mean() < 8


def test_another_recipe_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "all_clips", lambda: [Clip("walk", 0, 0)])
    first = rendered_people(tmp_path)
    monkeypatch.setattr(samples, "_VERSION", 99)
    assert rendered_people(tmp_path) != first


def test_without_the_h264_encoder_the_older_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames_THWC = render(Clip("wave", 0, 0))
    monkeypatch.setattr(writing.av, "codecs_available", {"mpeg4"})
    writing.write_video(tmp_path / "older.mp4", frames_THWC, samples.FRAME_RATE_HZ)
    with av.open(str(tmp_path / "older.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert decode(tmp_path / "older.mp4").shape == frames_THWC.shape


def test_what_went_wrong_in_a_worker_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "all_clips", lambda: [Clip("fly", 0, 0)])
    with pytest.raises(UserError, match=r"cannot make the sample videos.*data\.path="):
        rendered_people(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="a folder is needed"):
        rendered_people(tmp_path / "file")


def test_workers_load_no_torch() -> None:
    code = f"import sys, {samples.__name__}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
