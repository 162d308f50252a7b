"""Overlaps, crops and metrics of boxes."""

import math

import numpy as np
import pytest
import torch
from tracking_fixtures import moving_square

from gru_suite.tasks.tracking.batches.crops import crop, crop_boxes, from_relative, to_relative
from gru_suite.tasks.tracking.reading.boxes import (
    centre_distance,
    check_box,
    normalized_distance,
    overlap,
)
from gru_suite.tasks.tracking.training.baselines import follow_template
from gru_suite.tasks.tracking.training.metrics import TrackMetrics


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_overlap_is_that_of_pixels() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        first, second = np.add(draw.integers(0, 20, (2, 4)), [0, 0, 1, 1])
        masks = np.zeros((2, 45, 45), bool)
        for mask, (x, y, w, h) in zip(masks, (first, second), strict=True):
            mask[y : y + h, x : x + w] = True
        expected = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        assert overlap(boxes(first), boxes(second))[0] == pytest.approx(expected, abs=1e-6)


def test_distances() -> None:
    first, second = boxes((0, 0, 10, 20)), boxes((3, 4, 10, 20))
    assert centre_distance(first, second)[0] == pytest.approx(5)
    assert normalized_distance(first, second)[0] == pytest.approx(math.hypot(0.3, 0.2))


def test_a_whole_frame_as_a_crop_is_the_frame() -> None:
    frames = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    found = crop(frames, torch.tensor([[0.0, 0, 16, 16]] * 2), 16)
    expected = frames.permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_relative_boxes_come_back() -> None:
    last = torch.tensor([[10.0, 20, 12, 30], [5, 5, 40, 8]])
    area = crop_boxes(last, torch.tensor([2.0, 3.0]))
    # The narrow side is at least half of the wide one.
    assert area[:, 2:].tolist() == [[30.0, 60.0], [120.0, 60.0]]
    box = torch.tensor([[14.0, 18, 13, 28], [9, 2, 38, 9]])
    again = from_relative(to_relative(box, area), area)
    torch.testing.assert_close(again, box)


def test_success_and_precision() -> None:
    true = boxes(*[(10 * n, 0, 10, 10) for n in range(4)])
    visible = np.ones(4, bool)
    metrics = TrackMetrics()
    metrics.update(true, true, visible, visible)
    perfect = {name: value.item() for name, value in metrics.compute().items()}
    # An overlap of 1 is above 20 of the 21 thresholds.
    assert perfect["success"] == pytest.approx(20 / 21)
    assert perfect["precision"] == perfect["norm_precision"] == perfect["visibility"] == 1
    assert perfect["failures"] == 0
    assert math.isnan(perfect["after_occlusion"])
    metrics.update(np.add(true, [100, 0, 0, 0]), true, visible, ~visible)
    both = {name: value.item() for name, value in metrics.compute().items()}
    assert both["success"] == pytest.approx(10 / 21)
    assert both["failures"] == both["visibility"] == 0.5


def test_what_follows_an_occlusion() -> None:
    true = boxes(*[(0, 0, 10, 10)] * 10)
    found = true.copy()
    found[6:] = 0, 0, 10, 5
    visible = np.array([1, 1, 0, 0, 0, 1, 1, 0, 1, 1], bool)
    metrics = TrackMetrics()
    metrics.update(found, true, visible)
    # One event: frames 5, 6, 8 and 9; a single hidden frame is none.
    expected = (1 + 0.5 + 0.5 + 0.5) / 4
    assert metrics.compute()["after_occlusion"].item() == pytest.approx(expected)


def test_unknown_boxes_are_not_scored() -> None:
    true = boxes((0, 0, 10, 10), (math.nan,) * 4)
    metrics = TrackMetrics()
    metrics.update(boxes((0, 0, 10, 10), (90, 90, 5, 5)), true, np.ones(2, bool))
    assert metrics.compute()["success"].item() == pytest.approx(20 / 21)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([1, 2, 3], "needs x, y, width and height"),
        ([1, 2, math.nan, 4], "needs x, y"),
        ("box", "needs x, y"),
        ([1, 2, 0, 4], "1 pixel or more"),
        ([60, 2, 5, 4], "outside of the image of 56 x 40"),
    ],
)
def test_boxes_that_are_none(box: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_box(box, 40, 56)


def test_template_matching_follows_a_square() -> None:
    frames, true = moving_square()
    matched, filtered = follow_template(torch.from_numpy(frames), true[0])
    assert overlap(matched, true[1:]).min() > 0.7
    assert overlap(filtered, true[1:]).mean() > 0.5
