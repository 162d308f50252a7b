import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.batches import SequenceBatch, SequenceDataset, bucket_loader, collate
from gru_suite.model.classification import ClassificationModel
from gru_suite.model.predictions import Predictions
from gru_suite.plots.classification import class_table, most_wrong, plot_confusion
from gru_suite.training.classification_metrics import ClassificationMetrics
from gru_suite.training.classification_task import ClassificationTask
from gru_suite.training.linear_baselines import logistic_scores, majority_scores

SCHEMA: dict[str, Any] = {"labels": ["a", "b", "c"], "class_counts": [6, 3, 1]}


class PlainModel(ClassificationModel):
    """Features go to the backbone as they are."""

    name = "plain"
    input_kind = "file"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        pooling: str = "attention",
        head_dropout: float = 0.3,
    ) -> None:
        super().__init__(backbone, 2, schema, pooling, head_dropout)

    def encode(self, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        return batch.x, batch.lengths_B

    def predict(self, raw: Any) -> Any:
        raise NotImplementedError


class PlainTask(ClassificationTask):
    model_class = PlainModel


def plain_task(**options: Any) -> PlainTask:
    return PlainTask(**{"backbone": {"hidden_size": 4}, "schema": SCHEMA, **options})


def batch_of(*lengths: int) -> SequenceBatch:
    return collate([(torch.randn(length, 2), index % 3) for index, length in enumerate(lengths)])


def scored(logits_NK: Tensor, labels_N: Tensor) -> ClassificationMetrics:
    metrics = ClassificationMetrics(logits_NK.size(1))
    for logits_BK, labels_B in zip(logits_NK.split(7), labels_N.split(7), strict=True):
        metrics.update(logits_BK, labels_B)
    return metrics


def test_metrics_equal_scikit_learn() -> None:
    logits_NK, labels_N = torch.randn(100, 4), torch.randint(0, 4, (100,))
    metrics = scored(logits_NK, labels_N)
    values = {name: float(value) for name, value in metrics.compute().items()}
    answer_N = logits_NK.argmax(1)
    assert values["accuracy"] == pytest.approx(float((answer_N == labels_N).double().mean()))
    assert values["macro_f1"] == pytest.approx(f1_score(labels_N, answer_N, average="macro"))
    assert values["nll"] == pytest.approx(log_loss(labels_N, logits_NK.double().softmax(-1)))
    precision, recall, f1, count = precision_recall_fscore_support(labels_N, answer_N)
    table = class_table(metrics.confusion_KK.numpy(), ["a", "b", "c", "d"])
    np.testing.assert_allclose(table["precision"], precision)
    np.testing.assert_allclose(table["recall"], recall)
    np.testing.assert_allclose(table["f1"], f1)
    np.testing.assert_array_equal(table["count"], count)
    np.testing.assert_allclose(metrics.f1_K, f1)


def test_macro_f1_counts_only_classes_that_occur() -> None:
    logits_NK = torch.tensor([[9.0, 0, 0], [0, 9, 0]])
    assert scored(logits_NK, torch.tensor([0, 1])).compute()["macro_f1"] == 1


def test_calibration_error_is_distance_of_confidence_and_accuracy() -> None:
    # Nine tenths sure each time, right in half of the cases.
    logits_NK = torch.tensor([[0.9, 0.1]]).log().expand(10, 2)
    metrics = scored(logits_NK, torch.tensor([0, 1] * 5))
    assert metrics.compute()["ece"] == pytest.approx(0.4)


def test_metrics_take_log_probabilities_of_zero() -> None:
    values = scored(torch.tensor([[0.0, -torch.inf]]), torch.tensor([0])).compute()
    assert values["nll"] == 0
    assert values["accuracy"] == 1


@pytest.mark.parametrize("pooling", ["last", "mean+max", "attention+max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_does_not_change_logits(pooling: str, bidirectional: bool) -> None:
    task = plain_task(pooling=pooling, backbone={"hidden_size": 4, "bidirectional": bidirectional})
    task.eval()
    batch = batch_of(5, 3, 1)
    alone = task(SequenceBatch(batch.x[1:2, :3], batch.lengths_B[1:2], batch.labels_B[1:2]))
    torch.testing.assert_close(task(batch)[1:2], alone)


@pytest.mark.parametrize("pooling", ["nearest", "mean+mean", "mean+", ""])
def test_unknown_pooling_is_refused(pooling: str) -> None:
    with pytest.raises(UserError, match=r"task\.pooling.*mean\+max"):
        plain_task(pooling=pooling)


@pytest.mark.parametrize("option", ["head_dropout", "label_smoothing"])
def test_shares_are_checked(option: str) -> None:
    with pytest.raises(UserError, match=f"task.{option}=1.0"):
        plain_task(**{option: 1.0})


def test_class_weights_make_classes_weigh_alike() -> None:
    task = plain_task(class_weights=True)
    assert task.weight_K is not None
    weighted = torch.tensor(SCHEMA["class_counts"]) * task.weight_K
    torch.testing.assert_close(weighted, torch.full((3,), 10 / 3))
    assert "weight_K" not in task.state_dict()
    rare = SequenceBatch(torch.ones(2, 1, 2), torch.ones(2).long(), torch.tensor([0, 2]))
    logits_BK = torch.zeros(2, 3, requires_grad=True)
    task.loss(logits_BK, rare).backward()  # type: ignore[no-untyped-call]
    assert logits_BK.grad is not None
    assert logits_BK.grad[1].norm() > 5 * logits_BK.grad[0].norm()


def test_label_smoothing_holds_in_training_only() -> None:
    task = plain_task(label_smoothing=0.2)
    batch = batch_of(2, 2, 2)
    logits_BK = torch.eye(3) * 20
    assert task.loss(logits_BK, batch) > 1
    assert task.eval().loss(logits_BK, batch) < 1e-6


def test_predictions_come_in_the_order_of_the_data_set() -> None:
    lengths = [2, 6, 4, 1, 5]
    sequences = [torch.randn(length, 2) for length in lengths]
    data = SequenceDataset(sequences, [0, 1, 2, 0, 1], [f"{n}.wav" for n in lengths])
    model = plain_task().model
    found = model.predict_loader(bucket_loader(data, 2, shuffle=False))
    assert model.training
    assert found.names == data.names
    for row, sequence in enumerate(sequences):
        one = model.probabilities([collate([(sequence, 0)])])
        np.testing.assert_allclose(found.probability_NK[row], one[0], rtol=1e-5)


def test_table_has_label_and_probability_of_each_class() -> None:
    found = Predictions(
        "text",
        ["good", "", "bad"],
        ["no", "yes"],
        np.array([[0.2, 0.8], [np.nan, np.nan], [0.7, 0.3]], np.float32),
    )
    frame = found.to_frame()
    assert list(frame) == ["text", "label", "probability_no", "probability_yes"]
    assert list(frame["label"]) == ["yes", "", "no"]
    assert len(found) == 3


def test_most_wrong_first() -> None:
    probability_NK = np.array([[0.6, 0.4], [0.9, 0.1], [0.99, 0.01], [0.2, 0.8]], np.float32)
    found = Predictions("text", ["w", "x", "y", "z"], ["a", "b"], probability_NK, np.ones(4, int))
    table = most_wrong(found)
    assert list(table["text"]) == ["y", "x", "w"]
    assert list(table["truth"]) == ["b"] * 3
    assert list(table["label"]) == ["a"] * 3
    assert len(most_wrong(found, limit=1)) == 1


def test_run_folder_gets_picture_and_tables(tmp_path: Path) -> None:
    data = SequenceDataset([torch.randn(3, 2) for _ in range(9)], [0, 1, 2] * 3, list("abcdefghi"))
    task = plain_task()
    written = task.write_plots(bucket_loader(data, 4, shuffle=False), tmp_path / "plots")
    assert [path.name for path in written] == [
        *("confusion_matrix.png", "per_class.csv", "most_wrong.csv")
    ]
    assert all(path.is_file() for path in written)
    per_class = pd.read_csv(tmp_path / "plots" / "per_class.csv")
    assert list(per_class["label"]) == SCHEMA["labels"]
    assert list(per_class["count"]) == [3, 3, 3]


@pytest.mark.parametrize("num_classes", [2, 30])
def test_confusion_matrix_of_any_size_and_name(num_classes: int, tmp_path: Path) -> None:
    labels = [f"${number} a rather long name of a class" for number in range(num_classes)]
    counts_KK = np.arange(num_classes**2).reshape(num_classes, num_classes)
    assert plot_confusion(tmp_path / "matrix.png", counts_KK, labels).stat().st_size > 1000


def test_metrics_of_a_pass_survive_a_deep_copy() -> None:
    task = plain_task()
    task.setup("fit")
    assert copy.deepcopy(task).val_metrics.compute is not None


def test_majority_answers_the_shares_of_training() -> None:
    scores = majority_scores([6, 3, 1], np.array([0, 0, 1, 2]))
    assert scores["accuracy"] == 0.5
    assert scores["nll"] == pytest.approx(-np.log([0.6, 0.6, 0.3, 0.1]).mean())


def test_logistic_regression_takes_its_penalty_from_validation() -> None:
    generator = np.random.default_rng(0)
    labels = {part: generator.integers(0, 3, 60) for part in ("train", "val", "test")}
    features = {
        part: np.eye(3)[y] + 0.3 * generator.normal(size=(60, 3)) for part, y in labels.items()
    }
    scores = logistic_scores(features, labels, "test", 3)
    assert scores["accuracy"] > 0.9
    assert scores["nll"] < 0.4


def test_class_missing_from_training_costs_much_and_not_everything() -> None:
    features = {"train": np.eye(2)[[0, 1] * 9], "val": np.empty((0, 2)), "test": np.eye(2)}
    labels = {"train": np.array([0, 1] * 9), "val": np.empty(0, int), "test": np.array([0, 2])}
    scores = logistic_scores(features, labels, "test", 3)
    assert scores["accuracy"] == 0.5
    assert 40 < scores["nll"] < 50
