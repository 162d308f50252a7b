"""Data module of videos in shards, decoded in training."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gru_suite.data.shards.module import ShardsModule
from gru_suite.data.shards.parts import ShardParts, read_parts
from gru_suite.data.shards.records import ShardRecords, labels_of
from gru_suite.data.shards.shard_files import find_shards
from gru_suite.data.shards.stream import ShardStream
from gru_suite.errors import UserError
from gru_suite.video.reading.video_files import SUFFIXES

from .batches.shard_videos import Decoding, ShardFrames, ShardTimes, decode_batch, frame_times
from .batches.video_dataset import VideoDataset, Videos
from .data import VideoDataModule


class VideoShardsModule(ShardsModule, VideoDataModule):
    """Labelled videos in tar files of a WebDataset, more than fit into memory or cache.

    Training streams its shards; validation and test read theirs by an index of all videos.
    """

    items = "videos"

    def __init__(
        self,
        path: str | Sequence[str] | None = None,
        train: str | Sequence[str] | None = None,
        val: str | Sequence[str] | None = None,
        test: str | Sequence[str] | None = None,
        size: Sequence[int] = (64, 80),
        margin: int = 8,
        num_frames: int = 24,
        frame_rate_hz: float | None = None,
        oversample: int = 3,
        test_clips: int = 3,
        max_bad_fraction: float = 0.2,
        augment: dict[str, Any] | None = None,
        batch_size: int = 16,
        buffer_size: int = 100,
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
            size: height and width of the model's input frames.
            margin: additional pixels of height and width, for random crops in training.
            num_frames: frames of a clip; a shorter video has fewer.
            frame_rate_hz: frames a second of a clip; None spreads them over the whole video.
            oversample: decoded frames of a video, as a multiple of ``num_frames``.
            test_clips: clips of each video in validation and test.
            max_bad_fraction: largest share of damaged videos, which are left out and listed.
            augment: options of :class:`Augmentation`, for training.
            batch_size: clips in a batch, of all processes together.
            buffer_size: videos that are shuffled at once, in each worker.
            num_workers: processes that read and decode training videos.
            cache_dir: folder of the indices; None is the user's cache folder.
            seed: of the training order, the sampled frames and the augmentation.
            schema: of a checkpoint; its labels, size and sampling are used.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__(
            None,
            "folders",
            size=size,
            margin=margin,
            num_frames=num_frames,
            frame_rate_hz=frame_rate_hz,
            oversample=oversample,
            test_clips=test_clips,
            max_bad_fraction=max_bad_fraction,
            augment=augment,
            batch_size=batch_size,
            cache_dir=cache_dir,
            seed=seed,
            schema=schema,
        )
        given = {"train": train, "val": val, "test": test}
        self.keep_shards(path, given, buffer_size, num_workers)

    def setup(self, stage: str) -> None:
        """Open the parts."""
        if self.datasets:
            return
        parts, sampling, decoding = self.read_shards(), self._sampling(), self._decoding()
        train = parts.summaries["train"]
        self._unreadable, self._feature_size = parts.unreadable, None
        self.labels = self._schema.get("labels") or labels_of(train)
        others = parts.num_others(self.labels)
        self._notes = [f"videos of no label, left out: {others:,}"] * bool(others)
        self.datasets["train"] = ShardStream(
            train,
            self.labels,
            partial(decode_batch, decoding=decoding, sampling=sampling),
            [sampling.length(np.array(times)) for each in train for times in each.facts],
            self._batch_size,
            self._buffer_size,
            self._seed,
        )
        numbers = {label: number for number, label in enumerate(self.labels)}
        for part in ("val", "test"):
            records = ShardRecords(parts.summaries[part], numbers)
            if not len(records):
                raise UserError(f"the shards of the {part} part have no videos of any class")
            videos = Videos(
                np.arange(len(records)),
                np.array(records.labels, np.int64),
                np.full(len(records), -1),
                records.names,
            )
            frames: Any = ShardFrames(records, decoding)
            times: Any = ShardTimes(records)
            size = self._options["size"]
            self.datasets[part] = VideoDataset(frames, times, videos, sampling, False, size)

    def _decoding(self) -> Decoding:
        height, width = (side + self._options["margin"] for side in self._options["size"])
        source = self._sampling().source_sampling(self._options["oversample"])
        return Decoding(source, height, width)

    def read_shards(self) -> ShardParts:
        """Return the shards of each part, from their indices."""
        decoding = self._decoding()
        return read_parts(
            self._pattern,
            self._shards,
            self._cache,
            SUFFIXES,
            partial(frame_times, decoding=decoding),
            f"video {tuple(decoding)}",
            self._max_bad_fraction,
            "video",
        )

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the shards' folder, as in ``metrics.json``."""
        return find_shards(self._pattern or self._shards["train"] or "")[0].resolve().parent.name
