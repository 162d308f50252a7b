"""The base of every task's data module: loaders, a description of the data, baselines."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from gru_suite.data.epoch_loader import EpochLoader, shard_batches
from gru_suite.data.splits import choose_share

TRAINING_OPTIONS = ("train_epochs", "train_fraction", "train_size")
"""Keys of ``data`` that are about the training on it, and no options of its module."""


class SequenceDataModule(pl.LightningDataModule, ABC):
    """Base of the data modules: loaders, a plain description of the data, and baselines.

    A data module checks its input in ``prepare_data`` or ``setup`` and raises a
    :class:`gru_suite.errors.UserError` that names the file, row or key.

    Attributes:
        name: the data set's name in ``metrics.json``.
        run_seed: of the random generators in training, see :class:`EpochLoader`.
        train_fraction: share of the training part that is used, above 0; for learning curves.
        limit_batches: number (int) or share (float) of batches by part, where the trainer scores
            not all of them; baselines are scored on the same ones.
    """

    name: str
    run_seed: int = 0
    train_fraction: float = 1.0
    # Whether the module has asked for the share.
    takes_fraction: bool = False
    limit_batches: Mapping[str, int | float] = {}

    def training_share(self) -> float:
        """Return ``train_fraction``, for ``setup`` to use of the training part."""
        self.takes_fraction = True
        return self.train_fraction

    def training_rows(self, classes: Sequence[Any]) -> list[int]:
        """Return which training items ``setup`` is to use, by the seed of the run.

        Args:
            classes: of all training items; each class keeps the same share, at least one item.
        """
        share = self.training_share()
        if share == 1:
            return list(range(len(classes)))
        return choose_share(classes, share, self.run_seed)

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the description of the data that inference needs, as plain data, after ``setup``.

        It is part of the checkpoint. A data module constructed with ``schema=`` of a checkpoint
        prepares other data exactly as the training data was prepared.
        """

    @abstractmethod
    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return a loader of one part; valid after ``setup``.

        Args:
            part: ``train``, ``val`` or ``test``.
            shuffle: in an order that changes with the epoch; otherwise the same in every pass.
        """

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training part in an order that changes with the epoch.

        Within a Trainer it is an :class:`EpochLoader`: this process's share of each batch.
        """
        loader, trainer = self.loader("train", shuffle=True), self.trainer
        if trainer is None or not isinstance(loader, DataLoader):
            return loader
        share = EpochLoader(loader, self.run_seed, trainer.global_rank, trainer.world_size)
        return share  # type: ignore[return-value]

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation part; with several processes, this one's share of the batches."""
        loader, trainer = self.loader("val"), self.trainer
        if trainer is None or not isinstance(loader, DataLoader):
            return loader
        return shard_batches(loader, trainer.global_rank, trainer.world_size)

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the test part."""
        return self.loader("test")

    def scored_items(self, part: str) -> NDArray[np.int64]:
        """Return the ascending indices of the items of a part that the model is scored on.

        They are all items, unless ``limit_batches`` restricts the part to its first batches.
        """
        loader = self.loader(part)
        if not len(loader):
            return np.empty(0, np.int64)
        count, limit = len(loader), self.limit_batches.get(part, 1.0)
        count = min(count, limit) if isinstance(limit, int) else int(count * limit)
        items = count * (loader.batch_size or 1)
        return np.sort(np.fromiter(islice(iter(loader.sampler), items), np.int64))

    @abstractmethod
    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of the trivial baselines, fitted on the training part.

        They are scored on :meth:`scored_items`, as the model is.

        Args:
            stage: the scored part, ``val`` or ``test``.
            scoring: ``SequenceTask.scoring``.

        Returns:
            Baseline name to metric name to value, with the metric names of the task.
        """

    def raw_examples(self, count: int) -> list[Any]:
        """Return single inputs of the test part, as ``SequenceModel.predict`` takes them.

        Args:
            count: the largest number; of different lengths where the data has some.

        Returns:
            Raw inputs; none where they cannot be restored from batches.
        """
        return []

    def summary(self) -> list[str]:
        """Return lines to print: the data set, its split, and what was left out."""
        return [self.name]
