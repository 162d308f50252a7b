"""Rendered scenes with the boxes of the people in them."""

import csv
from pathlib import Path

import numpy as np

from gru_suite.tasks.tracking.reading.box_tables import read_box_table
from gru_suite.tasks.tracking.samples.scenes import NUM_FRAMES, _visible, render_scene
from gru_suite.tasks.tracking.samples.tracked_people import FIGURES, tracked_people


def test_a_scene_is_determined_by_its_number() -> None:
    scene, again = (render_scene(3, list(range(10))) for _ in range(2))
    np.testing.assert_array_equal(scene.frames_THWC, again.frames_THWC)
    assert scene.frames_THWC.shape == (NUM_FRAMES, 96, 128, 3)
    assert scene.boxes_NT4.shape == (*scene.shares_NT.shape, 4)
    other = render_scene(4, list(range(10)))
    assert not np.array_equal(scene.frames_THWC, other.frames_THWC)


def test_boxes_hold_the_people() -> None:
    scene = render_scene(3, list(range(10)))
    frame = int(scene.shares_NT[-1].argmax())
    x, y, w, h = scene.boxes_NT4[-1, frame].round().astype(int)
    pixels = scene.frames_THWC[frame].astype(float)
    inside = pixels[max(y, 0) : y + h, max(x, 0) : x + w].reshape(-1, 3)
    # The person stands out: colours within the box vary more than those of the wall above it.
    above = pixels[: max(y, 1), max(x, 0) : x + w].reshape(-1, 3)
    assert inside.std(0).mean() > 1.5 * above.std(0).mean()


def test_visible_shares() -> None:
    box_T4 = np.array([[10, 10, 20, 40], [-10, 10, 20, 40], [200, 10, 20, 40]], np.float32)
    nobody = np.zeros((0, 3, 4), np.float32)
    np.testing.assert_allclose(_visible(box_T4, nobody, nobody), [1, 0.5, 0], atol=0.03)
    post = np.tile(np.array([15, 0, 10, 96], np.float32), (1, 3, 1))
    np.testing.assert_allclose(_visible(box_T4[:1], nobody, post), [0.5], atol=0.05)


def test_tracks_begin_where_the_person_is_clear(tmp_path: Path) -> None:
    table = tracked_people(tmp_path, count=2)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} == {"train", "val", "test"}
    assert all((table.parent / row["video"]).is_file() for row in rows)
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        first.setdefault((row["video"], row["object"]), row["visible"])
    assert len(first) >= 6
    assert set(first.values()) == {"1"}
    parts = read_box_table(table, None, "part")
    assert sum(len(part.items) for part in parts.values()) <= len(first)
    bodies = [set(range(*limits)) for limits in FIGURES.values()]
    assert not set.intersection(*bodies)
    # A second call opens what the first one made.
    assert tracked_people(tmp_path, count=2) == table
