"""From a folder's files to decoded videos with their classes and parts.

Shapes: V videos.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gru_suite.data.splits import PARTS
from gru_suite.data.unreadable_files import check_unreadable
from gru_suite.errors import UserError

from ..reading.corpus import Corpus, Video, check_trained
from ..reading.frame_cache import VideoStore, decode_files
from ..reading.video_files import Sampling
from .video_dataset import Videos


class Reading(NamedTuple):
    """Decoded videos.

    Attributes:
        parts: the videos of each part.
        labels: names of the classes.
        store: their frames.
        bad: why a file could not be read, by its name.
        notes: what a person should know.
    """

    parts: dict[str, Videos]
    labels: list[str]
    store: VideoStore
    bad: dict[str, str]
    notes: list[str]


def read_videos(
    corpus: Corpus,
    labels: Sequence[str] | None,
    split: Callable[[Sequence[Video]], list[Video]],
    sampling: Sampling,
    height: int,
    width: int,
    cache: Path,
    max_bad_fraction: float,
) -> Reading:
    """Decode the videos of the classes and give each its part.

    Args:
        corpus: what there is.
        labels: the classes of a checkpoint, the only ones that are read; None takes all.
        split: gives readable videos their parts, where the data set does not.
        sampling: which frames are kept.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        cache: where decoded videos are kept.
        max_bad_fraction: share of unreadable files that is left out.

    Raises:
        UserError: too many files cannot be read, a class has no video in training, or a part none.
    """
    names = list(corpus.labels if labels is None else labels)
    # In this order every split of the same files finds the same cache.
    wanted = sorted(each for each in corpus.videos if each.label in names)
    notes = list(corpus.notes)
    if not wanted:
        raise UserError(
            f"none of the checkpoint's labels ({', '.join(names[:10])}) is among the classes of "
            f"the data: {', '.join(corpus.labels[:10])}"
        )
    if len(wanted) < len(corpus.videos):
        notes.append(f"videos of no label, left out: {len(corpus.videos) - len(wanted):,}")
    store = decode_files([each.path for each in wanted], sampling, height, width, cache)
    bad = {wanted[number].name: reason for number, reason in store.bad.items()}
    check_unreadable(bad, len(wanted), max_bad_fraction, "video")
    clip_of = {
        each.name: clip
        for each, clip in zip(wanted, store.clip_of_file, strict=True)
        if clip is not None
    }
    # Only now, or a part might be given unreadable files alone.
    chosen = split([each for each in wanted if each.name in clip_of])
    if labels is None:
        check_trained(chosen, names)
    return Reading(_by_part(chosen, names, clip_of), names, store, bad, notes)


def _by_part(
    videos: Sequence[Video], labels: Sequence[str], clip_of: dict[str, int]
) -> dict[str, Videos]:
    groups = sorted({each.group for each in videos} - {""})
    group_of = {"": -1, **{group: number for number, group in enumerate(groups)}}
    parts = {}
    for part in PARTS:
        of_part = [each for each in videos if each.part == part]
        parts[part] = Videos(
            np.array([clip_of[each.name] for each in of_part], np.int64),
            np.array([labels.index(each.label) for each in of_part], np.int64),
            np.array([group_of[each.group] for each in of_part], np.int64),
            [each.name for each in of_part],
        )
    for part in PARTS:
        if not parts[part].names:
            raise UserError(
                f"no videos for the {part} part; there are "
                + ", ".join(f"{len(parts[each].names)} for {each}" for each in PARTS)
            )
    return parts
