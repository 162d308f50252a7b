"""Decoding of the videos of a folder, with their classes and parts.

Shapes: V videos.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gru_suite.data.splits import PARTS
from gru_suite.data.unreadable_files import check_unreadable
from gru_suite.errors import UserError
from gru_suite.video.reading.frame_cache import DecodedFiles, decode_files
from gru_suite.video.reading.video_files import Sampling

from ..reading.corpus import Corpus, Video, check_trained
from .video_dataset import Videos


class DecodedVideos(NamedTuple):
    """Decoded videos.

    Attributes:
        parts: the videos of each part.
        labels: names of the classes.
        files: frames of all files.
        unreadable: reason of each file that could not be read, by its name.
        notes: notes for the user.
    """

    parts: dict[str, Videos]
    labels: list[str]
    files: DecodedFiles
    unreadable: dict[str, str]
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
) -> DecodedVideos:
    """Decode the videos of the classes and split them into parts.

    Args:
        corpus: videos of a folder.
        labels: classes of a checkpoint, to which the videos are restricted; None takes all.
        split: assigns parts to readable videos.
        sampling: frames to decode.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        cache: folder of decoded videos.
        max_bad_fraction: largest share of unreadable files, which are left out.

    Raises:
        UserError: too many files cannot be read, a class has no training video, or a part is empty.
    """
    names = list(corpus.labels if labels is None else labels)
    # Sorted, so that every split of the same files uses the same cache.
    wanted = sorted(each for each in corpus.videos if each.label in names)
    notes = list(corpus.notes)
    if not wanted:
        raise UserError(
            f"none of the checkpoint's labels ({', '.join(names[:10])}) is among the classes of "
            f"the data: {', '.join(corpus.labels[:10])}"
        )
    if len(wanted) < len(corpus.videos):
        notes.append(f"videos of no label, left out: {len(corpus.videos) - len(wanted):,}")
    files = decode_files([each.path for each in wanted], sampling, height, width, cache)
    unreadable = {wanted[number].name: reason for number, reason in files.unreadable.items()}
    check_unreadable(unreadable, len(wanted), max_bad_fraction, "video")
    clip_of = {
        each.name: clip
        for each, clip in zip(wanted, files.clip_of_file, strict=True)
        if clip is not None
    }
    # After decoding: else all files of a part might be unreadable.
    readable = split([each for each in wanted if each.name in clip_of])
    if labels is None:
        check_trained(readable, names)
    return DecodedVideos(_by_part(readable, names, clip_of), names, files, unreadable, notes)


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
