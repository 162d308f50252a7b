"""Tracks, streams and annotated videos."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tracking_fixtures import moving_square, tracking_model
from video_files import write_video

from gru_suite.errors import UserError
from gru_suite.tasks.tracking.batches.track_dataset import make_batch
from gru_suite.tasks.tracking.task import TrackingTask


def test_several_objects_are_rows_of_a_batch() -> None:
    model, (frames, boxes) = tracking_model(), moving_square()
    first = np.stack([boxes[0], boxes[0] + [3, 1, 2, 4]])
    found = model.predict((frames, first))
    assert [each.name for each in found] == ["frames 0", "frames 1"]
    for row, each in zip(first, found, strict=True):
        (alone,) = model.predict((frames, row))
        np.testing.assert_allclose(each.boxes_T4, alone.boxes_T4, atol=1e-3)
        np.testing.assert_array_equal(each.boxes_T4[0], row)
    assert len(found.to_table()) == 24
    assert list(found.to_table().columns) == [
        "object",
        "frame",
        "x",
        "y",
        "width",
        "height",
        "visible",
    ]


def test_a_stream_equals_the_whole() -> None:
    model = tracking_model()
    videos = [moving_square(14, 1), moving_square(9, 2)]
    stream, ends, random = model.stream(2), [0, 0], np.random.default_rng(0)
    while any(end < len(frames) for end, (frames, _) in zip(ends, videos, strict=True)):
        chunks = []
        for row, (frames, boxes) in enumerate(videos):
            size = int(random.integers(0, 5))
            chunk = frames[ends[row] : ends[row] + size]
            chunks.append((chunk, boxes[0]) if ends[row] == 0 else chunk)
            ends[row] += len(chunk)
        found = stream.push(chunks)
    for each, (frames, boxes) in zip(found, videos, strict=True):
        (whole,) = model.predict((frames, boxes[0]))
        np.testing.assert_allclose(each.boxes_T4[-1], whole.boxes_T4[-1], atol=1e-3)
        np.testing.assert_allclose(each.visible_T[-1], whole.visible_T[-1], atol=1e-5)


def test_the_forward_pass_is_the_prediction() -> None:
    model, (frames, boxes) = tracking_model(), moving_square()
    batch = make_batch([(frames, boxes, np.ones(len(boxes), bool))])
    with torch.inference_mode():
        output = model(batch)
    (found,) = model.predict((frames, boxes[0]))
    np.testing.assert_allclose(output.boxes[0].numpy(), found.boxes_T4[1:], atol=1e-3)


def test_training_learns_a_moving_square() -> None:
    torch.manual_seed(0)
    task = TrackingTask(
        backbone={"hidden_size": 16},
        schema={"max_side": 160},
        crop_size=16,
        channels=[8, 12, 16],
        feature_size=24,
        own_share=0.3,
    )
    videos = [moving_square(12, seed) for seed in range(6)]
    batch = make_batch([(f, b, np.ones(len(b), bool)) for f, b in videos])
    optimizer = torch.optim.Adam(task.parameters(), 5e-3)
    losses = []
    for _ in range(80):
        loss = task.loss(task(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_a_file_needs_a_box(tmp_path: Path) -> None:
    model, (frames, boxes) = tracking_model(), moving_square()
    video = write_video(tmp_path / "square.mkv", frames, "ffv1", pixels="bgr0")
    with pytest.raises(UserError, match=r"box=\[x,y,width,height\]"):
        model.predict_file(video, tmp_path / "tracks.csv")
    written = model.predict_file(
        video, tmp_path / "tracks.csv", annotate=True, box=[boxes[0].tolist(), [20, 10, 8, 8]]
    )
    assert [path.name for path in written] == ["tracks.csv", "tracks_square_mkv.mp4"]
    with av.open(str(written[1])) as container:
        # Enlarged, so that numbers can be read.
        assert container.streams.video[0].height == 240
        assert sum(1 for _ in container.decode(video=0)) == 12


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("video.mp4", "needs a pair of a video"),
        ([], "an empty list"),
        ((np.zeros((3, 40, 56), np.uint8), [1, 1, 5, 5]), "frames of shape"),
        ((np.zeros((3, 40, 56, 3), np.uint8), [1, 1, 5]), "needs x, y, width"),
        ((np.zeros((3, 40, 56, 3), np.uint8), []), "no box|needs x, y"),
        ((np.zeros((3, 40, 56, 3), np.uint8), [90, 1, 5, 5]), "outside of the image"),
        (("no.mp4", [1, 1, 5, 5]), "no such file"),
    ],
)
def test_inputs_that_are_none(raw: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tracking_model().predict(raw)


def test_a_stream_needs_a_box_first() -> None:
    frames, boxes = moving_square()
    stream = tracking_model().stream()
    with pytest.raises(UserError, match=r"push\(\(frames, box\)\)"):
        stream.push(frames[:2])
    stream.push((frames[:2], boxes[0]))
    with pytest.raises(UserError, match="those before had"):
        stream.push(frames[2:, :20])


def test_frames_a_second() -> None:
    frames, boxes = moving_square()
    speed = tracking_model().speed((frames, boxes[0]), 0.5)
    assert speed == {"frames_per_second": pytest.approx(24)}
