"""From a folder's files to chosen, decoded recordings."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gru_suite.data.ragged_arrays import ArrayStore
from gru_suite.data.unreadable_files import check_unreadable
from gru_suite.errors import UserError

from .corpus import Corpus, Recording
from .labels import UNKNOWN, Chosen, choose_recordings
from .sound_files import decode_files

Split = Callable[[Sequence[Recording]], list[Recording]]


class Reading(NamedTuple):
    """Decoded recordings.

    Attributes:
        chosen: recordings and their classes.
        store: all clips.
        clip_of: each readable recording's clip, by its name.
        noise_clips: the clips of background noise, at least one.
        bad: why a file could not be read, by its name.
    """

    chosen: Chosen
    store: ArrayStore
    clip_of: dict[str, int]
    noise_clips: list[int]
    bad: dict[str, str]


def read_recordings(
    corpus: Corpus,
    labels: str | Sequence[str],
    names: Sequence[str],
    split: Split | None,
    sample_rate_hz: int,
    cache: Path,
    max_bad_fraction: float,
) -> Reading:
    """Choose and decode the recordings of the classes.

    Args:
        corpus: what there is.
        labels: the set of labels that was asked for.
        names: names of the classes.
        split: gives readable recordings their parts, where the data set does not.
        sample_rate_hz: rate of the clips.
        cache: where decoded files are kept.
        max_bad_fraction: share of unreadable files that is left out.

    Raises:
        UserError: too many files cannot be read, or no noise can.
    """
    if split is None:
        chosen = choose_recordings(corpus.recordings, labels, names)
        wanted = chosen.recordings
    else:
        wanted = [each for each in corpus.recordings if UNKNOWN in names or each.word in names]
    files = [each.path for each in wanted] + corpus.noises
    decoded = decode_files(files, sample_rate_hz, cache)
    file_names = [each.name for each in wanted] + [str(path) for path in corpus.noises]
    bad = {file_names[index]: reason for index, reason in decoded.bad.items()}
    check_unreadable(bad, len(files), max_bad_fraction, "sound")
    clips = decoded.clip_of_file
    clip_of = {each.name: c for each, c in zip(wanted, clips, strict=False) if c is not None}
    noise_clips = [clip for clip in clips[len(wanted) :] if clip is not None]
    if not noise_clips:
        raise UserError(f"{corpus.noises[0].parent}: none of its noise files can be read")
    if split is not None:
        # Only now, or a part might be given unreadable files alone.
        readable = split([each for each in wanted if each.name in clip_of])
        chosen = choose_recordings(readable, labels, names)
        num_unwanted = len(corpus.recordings) - len(wanted)
        chosen = chosen._replace(num_left_out=chosen.num_left_out + num_unwanted)
    return Reading(chosen, decoded.store, clip_of, noise_clips, bad)
