"""Data module of recordings in shards, decoded in training."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from gru_suite.audio.reading.sound_files import SUFFIXES
from gru_suite.data.shards.module import ShardsModule
from gru_suite.data.shards.parts import ShardParts, read_parts
from gru_suite.data.shards.records import ShardRecords, labels_of
from gru_suite.data.shards.shard_files import find_shards
from gru_suite.data.shards.stream import ShardStream
from gru_suite.errors import UserError

from .batches.shard_clips import ShardClips, count_samples, decode_batch
from .data import AudioDataModule
from .reading.labels import SILENCE, UNKNOWN, label_names


class AudioShardsModule(ShardsModule, AudioDataModule):
    """Labelled recordings in tar files of a WebDataset, more than fit into memory or cache.

    Training streams its shards; validation and test read theirs by an index of all recordings.
    """

    items = "clips"

    def __init__(
        self,
        path: str | Sequence[str] | None = None,
        train: str | Sequence[str] | None = None,
        val: str | Sequence[str] | None = None,
        test: str | Sequence[str] | None = None,
        labels: str | Sequence[str] = "all",
        sample_rate_hz: int = 16000,
        max_seconds: float = 10.0,
        max_bad_fraction: float = 0.2,
        augment: dict[str, Any] | None = None,
        batch_size: int = 64,
        buffer_size: int = 1000,
        num_workers: int = 2,
        cache_dir: str | None = None,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Store the options; nothing is read yet.

        Args:
            path: pattern of the shards, such as ``shards-{000..009}.tar``: of training, or, where
                no part is named, of all parts; then the last tenth is for test, the one before for
                validation.
            train: pattern of further shards of training.
            val: pattern of the shards of validation.
            test: pattern of the shards of test.
            labels: ``all``, ``core10``, or a list of words.
            sample_rate_hz: rate to which recordings are resampled.
            max_seconds: of a longer recording the segment with the highest energy is used.
            max_bad_fraction: largest share of damaged recordings, which are left out and listed.
            augment: options of :class:`Augmentation`, for training.
            batch_size: clips in a batch, of all processes together.
            buffer_size: recordings that are shuffled at once, in each worker.
            num_workers: processes that read and decode training clips.
            cache_dir: folder of the indices; None is the user's cache folder.
            seed: of the training order and the augmentation.
            schema: of a checkpoint; its labels and sample rate are used.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__(
            None,
            "folders",
            labels,
            sample_rate_hz=sample_rate_hz,
            max_seconds=max_seconds,
            max_bad_fraction=max_bad_fraction,
            augment=augment,
            batch_size=batch_size,
            cache_dir=cache_dir,
            seed=seed,
            schema=schema,
        )
        given = {"train": train, "val": val, "test": test}
        self.keep_shards(path, given, buffer_size, num_workers)
        self._max_samples = round(self._max_seconds * self._rate_hz)

    def setup(self, stage: str) -> None:
        """Open the parts."""
        if self.datasets:
            return
        parts = self.read_shards()
        self._unreadable = parts.unreadable
        words = labels_of(parts.summaries["train"])
        self.labels = self._schema.get("labels") or label_names(self._labels_option, words)
        if {SILENCE, UNKNOWN} & {*self.labels}:
            raise UserError(f"data.labels={self._labels_option}: shards have classes of words only")
        self._num_left_out, self._notes = parts.num_others(self.labels), []
        train = parts.summaries["train"]
        self.datasets["train"] = ShardStream(
            train,
            self.labels,
            partial(decode_batch, sample_rate_hz=self._rate_hz, max_samples=self._max_samples),
            [int(length) for each in train for length in each.facts],
            self._batch_size,
            self._buffer_size,
            self._seed,
        )
        numbers = {label: number for number, label in enumerate(self.labels)}
        for part in ("val", "test"):
            records = ShardRecords(parts.summaries[part], numbers)
            if not len(records):
                raise UserError(f"the shards of the {part} part have no recordings of any class")
            self.datasets[part] = ShardClips(records, self._rate_hz, self._max_samples)
        self.noises = self.synthetic_noises()

    def read_shards(self) -> ShardParts:
        """Return the shards of each part, from their indices."""
        return read_parts(
            self._pattern,
            self._shards,
            self._cache,
            SUFFIXES,
            partial(count_samples, sample_rate_hz=self._rate_hz, max_samples=self._max_samples),
            f"sound {self._rate_hz} {self._max_samples}",
            self._max_bad_fraction,
            "sound",
        )

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the shards' folder and the labels, as in ``metrics.json``."""
        shard = find_shards(self._pattern or self._shards["train"] or "")[0]
        chosen = self._labels_option
        labels = chosen if isinstance(chosen, str) else f"{len(chosen)} words"
        return f"{shard.resolve().parent.name} {labels}"
