import numpy as np
import pytest
import torch

from gru_suite.tasks.video_action.training.metrics import VideoMetrics, video_means
from gru_suite.training.classification_metrics import ClassificationMetrics


def test_videos_are_judged_by_the_mean_of_their_clips() -> None:
    probability_BK = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    labels_B, videos_B = torch.tensor([0, 0, 0, 1, 0]), torch.tensor([4, 4, 4, 9, 7])
    metrics = VideoMetrics(2)
    # In two batches that part a video.
    for part in (slice(0, 2), slice(2, 5)):
        metrics.update(probability_BK[part].log(), labels_B[part], videos_B[part])
    values = metrics.compute()
    assert values["accuracy"] == pytest.approx(2 / 3)
    assert values["clip_accuracy"] == pytest.approx(2 / 5)
    means = torch.tensor([[1.7 / 3, 1.3 / 3], [0.3, 0.7], [0.2, 0.8]])
    plain = ClassificationMetrics(2)
    plain.update(means.log(), torch.tensor([0, 0, 1]))
    for name, value in plain.compute().items():
        assert values[name] == pytest.approx(value.item(), rel=1e-6), name
    assert "top5" not in values


def test_clips_without_a_video_stand_for_themselves() -> None:
    metrics = VideoMetrics(3)
    for _ in range(2):
        metrics.update(torch.eye(3), torch.tensor([0, 1, 1]))
    values = metrics.compute()
    assert values["accuracy"] == values["clip_accuracy"] == pytest.approx(2 / 3)
    assert values["group_std"].isnan()
    assert values["group_worst"].isnan()


def test_top5_stands_where_there_are_more_than_five_classes() -> None:
    metrics = VideoMetrics(7)
    logits_BK = torch.arange(7.0).flip(0).repeat(3, 1)
    metrics.update(logits_BK, torch.tensor([0, 4, 5]), torch.arange(3))
    assert metrics.compute()["top5"] == pytest.approx(2 / 3)
    assert metrics.compute()["accuracy"] == pytest.approx(1 / 3)


def test_groups_are_compared_by_the_accuracy_of_their_videos() -> None:
    metrics = VideoMetrics(2)
    logits_BK = torch.tensor([[5.0, 0.0]]).repeat(6, 1)
    labels_B = torch.tensor([0, 0, 0, 1, 1, 1])
    groups_B = torch.tensor([3, 3, 8, 8, 5, -1])
    metrics.update(logits_BK, labels_B, torch.arange(6), groups_B)
    values = metrics.compute()
    accuracies = [1.0, 0.0, 0.5]
    assert values["group_std"] == pytest.approx(np.std(accuracies))
    assert values["group_worst"] == pytest.approx(np.quantile(accuracies, 0.1))


def test_an_impossible_answer_costs_much_and_not_everything() -> None:
    log_VK, clip_V = video_means(torch.tensor([[0.0, -torch.inf]]), torch.tensor([3]))
    assert torch.isfinite(log_VK).all()
    assert clip_V.tolist() == [0]
