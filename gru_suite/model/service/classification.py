"""Services of classifiers, and of any model by the kind of its input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gru_suite.model.predictions import Predictions
from gru_suite.model.service.service import Service, as_numbers


class PlainService(Service[Any, Any]):
    """The service of a model that has none of its own: rows of numbers, or a file, to ``predict``.

    A string is never passed on, since ``predict`` may take it for a path; what a file is, the
    model's ``predict`` says when it reads it.
    """

    input_kind = "numbers"
    output_kind = "json"
    suffixes: tuple[str, ...] = (".csv", ".txt", ".json", ".npy", ".wav", ".mp4", ".png", ".jpg")

    def read(self, value: Any) -> Any:
        """Return rows of numbers, (T, F)."""
        return as_numbers(value, self.limits)

    def read_file(self, path: Path, name: str) -> Any:
        """Return the predictions of a file, since it is gone later."""
        return _Predicted(self.as_json(self.model.predict(str(path)), [name])[0])

    def predict(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the predictions of inputs, one after the other."""
        return [
            each.result
            if isinstance(each, _Predicted)
            else self.as_json(self.model.predict(each), ["input"])[0]
            for each in items
        ]

    def as_json(self, predictions: Any, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return what ``predict`` returned as plain data, with the names of the inputs."""
        if isinstance(predictions, Predictions):
            return classes_as_json(predictions, names)
        to_dict = getattr(predictions, "to_dict", None)
        result = to_dict() if to_dict is not None else predictions
        return [{"name": names[0], "result": result}]


class _Predicted:
    """A prediction that was made when the input was read."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result


class ClassificationService(PlainService):
    """The service of a classifier: a label and the probability of each class."""

    output_kind: ClassVar[str] = "classes"

    def outputs(self) -> dict[str, Any]:
        """Return the labels."""
        model: Any = self.model
        return {"labels": list(model.labels)}


def classes_as_json(predictions: Predictions, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the label and probabilities of each input."""
    return [
        {"name": name, "label": each.label, "probability": each.probability}
        for name, each in zip(names, predictions, strict=True)
    ]


def class_probabilities(
    labels: Sequence[str], probability_K: NDArray[np.float32]
) -> dict[str, Any]:
    """Return label and rounded probabilities as plain data; no label where they are NaN.

    K classes; the form of running predictions.
    """
    known = bool(np.isfinite(probability_K).all())
    label = labels[int(probability_K.argmax())] if known else ""
    probability = [round(each, 5) for each in probability_K.astype(np.float64).tolist()]
    return {"label": label, "probability": dict(zip(labels, probability, strict=True))}
