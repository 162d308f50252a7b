"""Data module of videos: official layouts, folders of classes, and the rendered people."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gru_suite.data.media import MediaDataModule, count_items, select_items
from gru_suite.data.splits import PARTS
from gru_suite.errors import UserError
from gru_suite.model.batches import spread_by_length
from gru_suite.options import build, check_number

from .batches.augmentation import Augmentation, augment
from .batches.clip_sampling import ClipSampling
from .batches.video_dataset import VideoDataset
from .batches.videos import DecodedVideos, read_videos
from .inference.frozen_features import frozen_features
from .reading.corpus import (
    Corpus,
    hold_out,
    list_folders,
    list_hmdb51,
    list_parts,
    list_ucf101,
    split_folders,
)
from .samples.rendered_people import rendered_people

OFFICIAL_SPLITS = (1, 2, 3)
SYNTHETIC = "synthetic stick figures"
# Options that a checkpoint determines.
_FIXED = ("size", "margin", "num_frames", "frame_rate_hz", "oversample", "test_clips")


class VideoDataModule(MediaDataModule):
    """Labelled videos."""

    kind = "video"
    sources = ("ucf101", "hmdb51", "folders", "rendered_people")
    files = "videos"

    def __init__(
        self,
        path: str | None = None,
        source: str = "ucf101",
        split: int = 1,
        fractions: Sequence[float] = (0.7, 0.1, 0.2),
        val_fraction: float = 0.1,
        group_regex: str | None = None,
        size: Sequence[int] = (64, 80),
        margin: int = 8,
        num_frames: int = 24,
        frame_rate_hz: float | None = None,
        oversample: int = 3,
        test_clips: int = 3,
        max_bad_fraction: float = 0.2,
        augment: dict[str, Any] | None = None,
        batch_size: int = 16,
        cache_dir: str | None = None,
        encoder: dict[str, Any] | None = None,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Store the options; nothing is read yet.

        Args:
            path: the folder of the videos; unused with ``source=rendered_people``.
            source: ``ucf101`` and ``hmdb51`` (official layouts), ``folders`` (a folder a class) or
                ``rendered_people`` (synthetic).
            split: number of the official split, 1 to 3.
            fractions: with ``source=folders``, shares of training, validation and test.
            val_fraction: share of the official training list used for validation, in whole groups
                of each class.
            group_regex: with ``source=folders``, regular expression of the group in a file's path,
                such as a person, that a split keeps together.
            size: height and width of the model's input frames.
            margin: additional pixels of height and width, for random crops in training.
            num_frames: frames of a clip; a shorter video has fewer.
            frame_rate_hz: frames a second of a clip, a window of the video, as in a live stream;
                None spreads the frames evenly over the whole video.
            oversample: decoded frames of a video, as a multiple of ``num_frames``.
            test_clips: clips of each video in validation and test.
            max_bad_fraction: largest share of unreadable files, which are left out and listed;
                above it an error is raised.
            augment: options of :class:`Augmentation`, for training.
            batch_size: clips in a batch.
            cache_dir: folder of decoded frames; None is the user's cache folder.
            encoder: options of the task's encoder; the features of a frozen encoder are computed
                once.
            seed: of the training order, the sampled frames and the augmentation.
            schema: of a checkpoint; its labels, size and sampling are used.

        Raises:
            UserError: an option is out of its range.
        """
        super().__init__(path, source, max_bad_fraction, batch_size, cache_dir, seed, schema)
        if split not in OFFICIAL_SPLITS:
            raise UserError(f"data.split={split}: the official splits are 1, 2 and 3")
        self._split = int(split)
        given = (list(size), margin, num_frames, frame_rate_hz, oversample, test_clips)
        self._options: dict[str, Any] = {
            key: self._schema.get(key, value) for key, value in zip(_FIXED, given, strict=True)
        }
        _check_options(self._options)
        check_number("data.val_fraction", val_fraction, 0.001, 0.9)
        self.augmentation = build(Augmentation, "data.augment", augment)
        self._fractions, self._val_fraction = fractions, val_fraction
        self._group_regex, self._encoder = group_regex, encoder

    # Reading

    def prepare_data(self) -> None:
        """Render and decode the videos that are not in the cache."""
        if not self.datasets:
            self._read()

    def setup(self, stage: str) -> None:
        """Split the videos into parts and open them in the cache."""
        if self.datasets:
            return
        decoded, sampling = self._read(), self._sampling()
        self.labels, self._notes = decoded.labels, decoded.notes
        self._unreadable = decoded.unreadable
        # The encoder of a checkpoint may differ from the options.
        options = None if self._schema else self._encoder
        features = frozen_features(decoded.files, options, self._options["size"])
        self._feature_size = None if features is None else int(features.values_S.shape[1])
        train = decoded.parts["train"]
        rows = self.training_rows(train.label_V.tolist())
        parts = {**decoded.parts, "train": select_items(train, rows)}
        for part in PARTS:
            training = part == "train"
            self.datasets[part] = VideoDataset(
                decoded.files.frames if features is None else features,
                decoded.files.times,
                parts[part],
                sampling,
                training,
                None if training or features is not None else self._options["size"],
                self._seed,
            )

    def _sampling(self) -> ClipSampling:
        options = self._options
        return ClipSampling(options["num_frames"], options["frame_rate_hz"], options["test_clips"])

    def _read(self) -> DecodedVideos:
        height, width = (side + self._options["margin"] for side in self._options["size"])
        split: Any = list
        if self._source == "folders":
            split = partial(split_folders, group_regex=self._group_regex, fractions=self._fractions)
        elif self._source in ("ucf101", "hmdb51"):
            split = partial(hold_out, val_fraction=self._val_fraction)
        return read_videos(
            self._corpus(),
            self._schema.get("labels"),
            split,
            self._sampling().source_sampling(self._options["oversample"]),
            height,
            width,
            self._cache,
            self._max_bad_fraction,
        )

    def _corpus(self) -> Corpus:
        if self._source == "rendered_people":
            return list_parts(rendered_people(self._cache))
        root = self.folder()
        if self._source == "ucf101":
            return list_ucf101(root, self._split)
        return list_hmdb51(root, self._split) if self._source == "hmdb51" else list_folders(root)

    # The data set described, for the task and for results

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the data set and its split, as in ``metrics.json``."""
        if self._source == "rendered_people":
            return f"rendered_people, {SYNTHETIC}"
        folder = Path(self._path or "").expanduser().resolve().name
        return folder if self._source == "folders" else f"{folder} split {self._split}"

    def schema(self) -> dict[str, Any]:
        """Return labels, class counts, and the sampling of clips."""
        return {**super().schema(), **self._options, "feature_size": self._feature_size}

    def part_summary(self, part: str) -> str:
        """Return the number of videos and groups of a part."""
        videos = self.datasets[part].videos
        return count_items(len(videos.names), "videos", videos.group_V, "groups")

    def notes(self) -> list[str]:
        """Return notes on the layout, such as missing files."""
        return self._notes

    def raw_examples(self, count: int) -> list[Any]:
        """Return test clips: frames, or paths where the data set holds features of frames."""
        test = self.datasets["test"]
        rows = spread_by_length(test.lengths, count)
        if self._feature_size is None:
            return [test[row].x[0].numpy() for row in rows]
        paths = {video.name: str(video.path) for video in self._corpus().videos}
        return [paths[test.names[test.video_R[row]]] for row in rows]

    def score_baselines(
        self, loaders: Mapping[str, Iterable[Any]], stage: str, scoring: Mapping[str, Any] | None
    ) -> Mapping[str, Mapping[str, float]]:
        """Score the majority class, and logistic regression on features of single frames."""
        from .training.baselines import baseline_scores

        return baseline_scores(loaders, self.schema(), stage, scoring)

    def augment_batch(self, batch: Any, generator: torch.Generator) -> Any:
        """Return a batch with random crops, flips and colours; features are not changed."""
        if batch.x.ndim != 5:
            return batch
        size = self._options["size"]
        x_BTHW3 = augment(batch.x, batch.lengths_B, size, self.augmentation, generator)
        return batch._replace(x=x_BTHW3)


def _check_options(options: Mapping[str, Any]) -> None:
    size = options["size"]
    if not isinstance(size, Sequence) or len(size) != 2:
        raise UserError(f"data.size={size}: needs height and width, such as [64,80]")
    numbers = {"size": size[0], "size (width)": size[1]}
    for key, value in numbers.items():
        check_number(f"data.{key}", value, 8, 4096)
    check_number("data.margin", options["margin"], 0, 1024)
    for key in ("num_frames", "oversample", "test_clips"):
        check_number(f"data.{key}", options[key], 1, 10_000)
    for key in ("size", "margin", "num_frames", "oversample", "test_clips"):
        values = options[key] if key == "size" else [options[key]]
        if any(int(value) != value for value in values):
            raise UserError(f"data.{key}={options[key]}: needs whole numbers")
    if options["frame_rate_hz"] is not None:
        check_number("data.frame_rate_hz", options["frame_rate_hz"], 0.01, 1000)
