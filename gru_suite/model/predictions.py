"""Class predictions: labels and probabilities.

Shapes: N inputs, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prediction:
    """The predicted class of one input.

    Attributes:
        name: the input as the user knows it: a path, the text itself.
        label: the most probable class, empty where the input has no content.
        probability: of each class by its name.
    """

    name: str
    label: str
    probability: dict[str, float]


@dataclass(frozen=True)
class Predictions:
    """The predicted classes of some inputs; a sequence of :class:`Prediction`.

    Attributes:
        kind: what an input is, the header of its column: ``text`` or ``file``.
        names: the inputs as the user knows it: a path, the text itself.
        labels: the classes' names, in the order of the columns.
        probability_NK: of each class, rows sum to 1; NaN where an input has no content.
        truth_N: true classes where known.
    """

    kind: str
    names: list[str]
    labels: list[str]
    probability_NK: NDArray[np.float32]
    truth_N: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self.names)

    def __getitem__(self, index: int) -> Prediction:
        """Return the prediction of one input."""
        probability = dict(zip(self.labels, self.probability_NK[index].tolist(), strict=True))
        return Prediction(self.names[index], self.label[index], probability)

    def __iter__(self) -> Iterator[Prediction]:
        """Yield the prediction of each input."""
        return (self[index] for index in range(len(self)))

    @property
    def label(self) -> list[str]:
        """The most probable class of each input, empty where there is none."""
        unknown_N = np.isnan(self.probability_NK).any(1)
        best_N = np.where(unknown_N, -1, self.probability_NK.argmax(1))
        names = [*self.labels, ""]
        return [names[index] for index in best_N]

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the columns of :meth:`to_frame` as plain lists, ready for JSON."""
        columns: dict[str, list[Any]] = {self.kind: list(self.names), "label": self.label}
        for index, name in enumerate(self.labels):
            columns[f"probability_{name}"] = self.probability_NK[:, index].tolist()
        return columns

    def to_frame(self) -> "pd.DataFrame":
        """Return a table: input, label, and ``probability_<class>`` for each class."""
        import pandas as pd

        columns: dict[str, Any] = {self.kind: self.names, "label": self.label}
        for index, name in enumerate(self.labels):
            columns[f"probability_{name}"] = self.probability_NK[:, index]
        return pd.DataFrame(columns)
