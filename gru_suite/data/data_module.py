"""The base of every task's data module: loaders, a description of the data, baselines."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader


class SequenceDataModule(pl.LightningDataModule, ABC):
    """Base of the data modules: loaders, a plain description of the data, and trivial baselines.

    A data module checks what it reads in ``prepare_data`` or ``setup`` and answers bad input with a
    :class:`gru_suite.errors.UserError` that names the file, row or key.

    Attributes:
        name: the data set's name as it stands in ``metrics.json``.
    """

    name: str

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return what inference needs to know of the data, as plain data; valid after ``setup``.

        The task keeps it in its checkpoint. A data module constructed with ``schema=`` of a
        checkpoint prepares other data exactly as the training data was prepared.
        """

    @abstractmethod
    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return a loader of one part; valid after ``setup``.

        Args:
            part: ``train``, ``val`` or ``test``.
            shuffle: in an order that changes with the epoch; otherwise the same in every pass.
        """

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training part in an order that changes with the epoch."""
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation part."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the test part."""
        return self.loader("test")

    @abstractmethod
    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of the trivial baselines, fitted on the training part.

        Args:
            stage: the part that is scored, ``val`` or ``test``.
            scoring: what the task shares with its baselines (``SequenceTask.scoring``).

        Returns:
            Baseline name to metric name to value, with the metric names of the task.
        """

    def raw_examples(self, count: int) -> list[Any]:
        """Return single inputs of the test part, as ``SequenceTask.predict`` takes them.

        Args:
            count: how many at most; they are of different lengths where the data has some.

        Returns:
            Raw inputs; none where the data module has no way back from batches to them.
        """
        return []

    def summary(self) -> list[str]:
        """Return a few lines for a person: what was read, how it was split, what was left out."""
        return [self.name]
