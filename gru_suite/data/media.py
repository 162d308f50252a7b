"""The base of data modules of media files: recordings, videos."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from gru_suite.data.batch_dataset import BatchDataset, batch_loader
from gru_suite.data.cache import cache_folder
from gru_suite.data.data_module import SequenceDataModule
from gru_suite.data.splits import PARTS
from gru_suite.data.unreadable_files import list_unreadable
from gru_suite.errors import UserError, nearest
from gru_suite.options import check_number

Items = TypeVar("Items", bound=tuple[Any, ...])


class MediaDataModule(SequenceDataModule):
    """Media files with a class each.

    The files are decoded once, in parallel, into a memory-mapped cache that is keyed by their
    content; later epochs do not read them.

    Attributes:
        kind: of the media, the name of the cache folder: ``audio``, ``video``.
        sources: choices of ``data.source``.
        files: what ``data.path`` holds, in messages: ``recordings``, ``videos``.
        datasets: train, val and test; available after ``setup``.
        labels: names of the classes; available after ``setup``.
    """

    kind: ClassVar[str]
    sources: ClassVar[Sequence[str]]
    files: ClassVar[str]
    labels: list[str]

    def __init__(
        self,
        path: str | None,
        source: str,
        max_bad_fraction: float,
        batch_size: int,
        cache_dir: str | None,
        seed: int,
        schema: dict[str, Any] | None,
    ) -> None:
        """Store the options; nothing is read yet.

        Args:
            path: the folder of the files.
            source: one of ``sources``.
            max_bad_fraction: share of unreadable files that is left out and listed; above it the
                run stops.
            batch_size: clips in a batch.
            cache_dir: folder of decoded files; None is the user's cache folder.
            seed: of the training order and of the augmentation.
            schema: of a checkpoint, whose labels and settings are then used.

        Raises:
            UserError: an option is out of its range or set.
        """
        super().__init__()
        if source not in self.sources:
            raise UserError(f"data.source={source}: no such source{nearest(source, self.sources)}")
        check_number("data.max_bad_fraction", max_bad_fraction, 0, 1)
        check_number("data.batch_size", batch_size, 1, math.inf)
        self._path, self._source, self._schema = path, source, schema or {}
        self._max_bad_fraction, self._batch_size = max_bad_fraction, int(batch_size)
        self._cache, self._seed = cache_folder(self.kind, cache_dir), int(seed)
        self._unreadable: dict[str, str] = {}
        self.datasets: dict[str, Any] = {}

    def folder(self) -> Path:
        """Return ``data.path``.

        Raises:
            UserError: it is missing.
        """
        if not self._path:
            raise UserError(f"data.path is missing: name the folder of the {self.files}")
        return Path(self._path).expanduser()

    def schema(self) -> dict[str, Any]:
        """Return the labels and the number of training items of each; a subclass adds to it."""
        counts = self.datasets["train"].class_counts(len(self.labels))
        return {"labels": list(self.labels), "class_counts": counts}

    def summary(self) -> list[str]:
        """Return the size of each part, notes on the data, and the unreadable files."""
        parts = ", ".join(f"{part} {self.part_summary(part)}" for part in PARTS)
        lines = [f"{self.name}: {len(self.labels)} labels; {parts}", *self.notes()]
        if self._unreadable:
            listed = list_unreadable(self._unreadable)
            lines.append(f"left out {len(self._unreadable)} unreadable: {listed}")
        return lines

    @abstractmethod
    def part_summary(self, part: str) -> str:
        """Return the size of a part, as :func:`count_items` has it."""

    def notes(self) -> list[str]:
        """Return further lines of the summary."""
        return []

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Return the majority class, and linear models of simple features."""
        loaders: dict[str, Iterable[Any]] = {p: self.loader(p) for p in {"train", "val", stage}}
        dataset, items = self.datasets[stage], self.scored_items(stage).tolist()
        if len(items) < len(dataset.lengths):
            starts = range(0, len(items), self._batch_size)
            chunks = [items[start : start + self._batch_size] for start in starts]
            loaders[stage] = [dataset.__getitems__(chunk) for chunk in chunks]
        return self.score_baselines(loaders, stage, scoring)

    @abstractmethod
    def score_baselines(
        self, loaders: Mapping[str, Iterable[Any]], stage: str, scoring: Mapping[str, Any] | None
    ) -> Mapping[str, Mapping[str, float]]:
        """Fit the baselines on the loaders of training and validation, and score ``stage``."""

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return a loader of the clips of a part."""
        dataset: BatchDataset[Any] = self.datasets[part]
        return batch_loader(dataset, self._batch_size, shuffle, self._seed)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment a training batch on its device."""
        trainer = self.trainer
        if trainer is None or not trainer.training:
            return batch
        # Seeded by the position in the training, so that a resumed run continues with the same
        # draws. Lightning counts a batch only after this hook: the first of an epoch is -1.
        position = trainer.current_epoch, trainer.fit_loop.batch_idx + 1, trainer.global_rank
        seed = int(np.random.SeedSequence([abs(self._seed), *position]).generate_state(1)[0])
        return self.augment_batch(batch, torch.Generator().manual_seed(seed))

    @abstractmethod
    def augment_batch(self, batch: Any, generator: torch.Generator) -> Any:
        """Return an augmented training batch; draws are from a CPU generator on all devices."""


def select_items(items: Items, rows: Sequence[int]) -> Items:
    """Return some of the items of a part, described by arrays and lists of the same length."""
    fields = (f[rows] if isinstance(f, np.ndarray) else [f[row] for row in rows] for f in items)
    return type(items)(*fields)


def count_items(num_items: int, items: str, group_N: NDArray[np.int64], groups: str) -> str:
    """Return a size such as ``1,612 clips of 94 speakers``.

    Args:
        num_items: their number.
        items: their plural.
        group_N: group number of each, negative for none.
        groups: plural of the groups.
    """
    num_groups = len(np.unique(group_N[group_N >= 0]))
    of_groups = f" of {num_groups:,} {groups}" if num_groups else ""
    return f"{num_items:,} {items}{of_groups}"
