"""Data module of videos with the boxes of objects."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from gru_suite.data.batch_dataset import batch_loader
from gru_suite.data.cache import cache_folder
from gru_suite.data.data_module import SequenceDataModule
from gru_suite.data.held_out import hold_out_groups, missing_shares, with_held_out
from gru_suite.data.splits import PARTS
from gru_suite.data.unreadable_files import check_unreadable, list_unreadable
from gru_suite.errors import UserError
from gru_suite.model.batches import spread_by_length
from gru_suite.options import check_choice, check_count, check_share

from .batches.track_dataset import Item, TrackDataset
from .reading.benchmarks import read_benchmark
from .reading.box_tables import LEAST_FRAMES, read_box_table
from .reading.decoding import DecodedVideos, decode_videos
from .reading.tracks import Parts, Track
from .samples.tracked_people import tracked_people

SOURCES = ("video_boxes", "tracked_people")
SYNTHETIC = "synthetic stick figures"


class TrackDataModule(SequenceDataModule):
    """Videos with the boxes of objects."""

    def __init__(
        self,
        path: str | None = None,
        source: str = "video_boxes",
        group_column: str | None = None,
        part_column: str | None = None,
        split: Sequence[float] = (0.7, 0.1, 0.2),
        split_seed: int = 0,
        num_frames: int = 48,
        max_side: int = 160,
        max_bad_fraction: float = 0.1,
        count: int = 200,
        batch_size: int = 8,
        cache_dir: str | None = None,
        seed: int = 0,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Store the options; nothing is read yet.

        Args:
            path: a table with the columns video, frame, object, x, y, width and height (and
                visible), or a folder of OTB, GOT-10k or MOT.
            source: ``video_boxes``, or ``tracked_people`` (rendered, embedded).
            group_column: of the table: objects with the same value are in one part; None keeps the
                objects of a video together.
            part_column: of the table: train, val or test; None where there is none.
            split: shares of train, val and test, for the parts that the data does not have.
            split_seed: of the split.
            num_frames: of a stretch of a track in training.
            max_side: of a frame in pixels; larger ones are scaled down.
            max_bad_fraction: largest share of unreadable videos, which are left out and listed.
            count: training scenes of ``tracked_people``.
            batch_size: objects in a batch.
            cache_dir: folder of decoded videos; None is the user's cache folder.
            seed: of the training order and of the stretches.
            schema: of a checkpoint.

        Raises:
            UserError: an option is out of its range or set.
        """
        super().__init__()
        check_choice("data.source", source, SOURCES)
        check_count("data.num_frames", num_frames, LEAST_FRAMES)
        check_count("data.max_side", max_side, 16)
        check_count("data.batch_size", batch_size, 1)
        check_count("data.count", count, 4)
        check_share("data.max_bad_fraction", max_bad_fraction)
        self._path, self._source = path, source
        self._group_column, self._part_column, self._count = group_column, part_column, count
        self._split, self._split_seed = split, split_seed
        self._num_frames, self._batch_size, self._seed = num_frames, batch_size, seed
        self._max_side = int((schema or {}).get("max_side", max_side))
        self._max_bad_fraction, self._cache = max_bad_fraction, cache_folder("video", cache_dir)
        self._unreadable: dict[str, str] = {}
        self._notes: list[str] = []
        self.datasets: dict[str, TrackDataset] = {}

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the data set, as in ``metrics.json``."""
        if self._source == "tracked_people":
            return f"tracked_people, {SYNTHETIC}"
        return self._root().resolve().name

    def _root(self) -> Path:
        if not self._path:
            raise UserError(
                "data.path is missing: name a table of boxes, or a folder of OTB, GOT-10k or MOT"
            )
        return Path(self._path).expanduser()

    def _read(self) -> Parts:
        if self._source == "tracked_people":
            return read_box_table(tracked_people(self._cache, self._count), None, "part")
        root = self._root()
        if root.is_file():
            return read_box_table(root, self._group_column, self._part_column)
        return read_benchmark(root)

    def prepare_data(self) -> None:
        """Render or decode the videos that are not in the cache."""
        if not self.datasets:
            self._decode(self._read())

    def _decode(self, parts: Parts) -> tuple[DecodedVideos, dict[Path, int | None]]:
        videos = sorted({each.video for found in parts.values() for each in found.items})
        decoded = decode_videos(videos, self._max_side, self._cache)
        check_unreadable(decoded.unreadable, len(videos), self._max_bad_fraction, "video")
        return decoded, dict(zip(videos, decoded.clip_of_video, strict=True))

    def setup(self, stage: str | None = None) -> None:
        """Open the videos in the cache, and split the objects.

        Raises:
            UserError: the data cannot be used.
        """
        if self.datasets:
            return
        parts = self._read()
        decoded, clip_of = self._decode(parts)
        self._unreadable = decoded.unreadable
        for part, found in parts.items():
            rows = [row for row, each in enumerate(found.items) if clip_of[each.video] is not None]
            parts[part] = found.select(rows)
        shares = missing_shares(parts, self._split)
        groups = [each.group for each in parts["train"].items]
        rows_of = hold_out_groups(groups, shares, self._split_seed)
        parts = with_held_out(parts, shares, rows_of)
        parts["train"] = parts["train"].select(self.training_rows([0] * len(parts["train"])))
        for part in PARTS:
            items = [_item(each, decoded, clip_of[each.video]) for each in parts[part].items]
            items = [each for each in items if len(each.boxes_T4) >= LEAST_FRAMES]
            if not items:
                raise UserError(f"{self.name}: the {part} part has no objects")
            length = self._num_frames if part == "train" else None
            self.datasets[part] = TrackDataset(items, length, self._seed)
            self._notes += parts[part].notes

    def schema(self) -> dict[str, Any]:
        """Return the largest side of a frame."""
        return {"max_side": self._max_side}

    def loader(self, part: str, shuffle: bool = False) -> DataLoader[Any]:
        """Return batches of a part."""
        return batch_loader(self.datasets[part], self._batch_size, shuffle, self._seed)

    def baselines(
        self, stage: str = "test", scoring: Mapping[str, Any] | None = None
    ) -> Mapping[str, Mapping[str, float]]:
        """Score a box that stays, template matching, and a filter of constant velocity."""
        from .training.baselines import baseline_scores

        dataset, rows = self.datasets[stage], self.scored_items(stage).tolist()
        return baseline_scores(dataset.__getitems__([row]) for row in rows)

    def raw_examples(self, count: int) -> list[Any]:
        """Return test objects: frames, and the box in the first one."""
        test = self.datasets["test"]
        rows = spread_by_length(test.lengths, count)
        items = [test.items[row] for row in rows]
        return [(each.frames(0, len(each.boxes_T4)), each.boxes_T4[0]) for each in items]

    def summary(self) -> list[str]:
        """Return sizes, notes and unreadable files."""
        sizes = (
            f"{part} {len(found):,} objects ({sum(found.lengths):,} frames)"
            for part, found in self.datasets.items()
        )
        lines = [f"{self.name}: {', '.join(sizes)}", *self._notes]
        if self._unreadable:
            listed = list_unreadable(self._unreadable)
            lines.append(f"left out {len(self._unreadable)} unreadable: {listed}")
        return lines


def _item(track: Track, decoded: DecodedVideos, clip: int | None) -> Item:
    assert clip is not None
    length = max(0, min(len(track.boxes_T4), decoded.shapes[clip][0] - track.first))

    def frames(first: int, last: int) -> Any:
        return decoded.frames(clip, track.first + first, track.first + last)

    boxes_T4 = track.boxes_T4[:length] * decoded.scales[clip]
    return Item(track.name, frames, boxes_T4, track.visible_T[:length])
