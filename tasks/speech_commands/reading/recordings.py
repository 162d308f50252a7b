"""Selection and decoding of the recordings of a folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gru_suite.audio.reading.corpus import Corpus, Recording
from gru_suite.audio.reading.sound_files import decode_files
from gru_suite.data.ragged_arrays import RaggedArrays
from gru_suite.data.unreadable_files import check_unreadable
from gru_suite.errors import UserError

from .labels import UNKNOWN, LabelledRecordings, choose_recordings

Split = Callable[[Sequence[Recording]], list[Recording]]


class DecodedRecordings(NamedTuple):
    """Decoded recordings.

    Attributes:
        labelled: recordings and their classes.
        samples: 16-bit samples of all decoded files.
        clip_of: index in ``samples`` of each readable recording, by its name.
        noise_clips: indices of the background noise, at least one.
        unreadable: reason of each file that could not be read, by its name.
        notes: for the summary, such as files that are not read.
    """

    labelled: LabelledRecordings
    samples: RaggedArrays
    clip_of: dict[str, int]
    noise_clips: list[int]
    unreadable: dict[str, str]
    notes: list[str]


def read_recordings(
    corpus: Corpus,
    labels: str | Sequence[str],
    names: Sequence[str],
    split: Split | None,
    sample_rate_hz: int,
    cache: Path,
    max_bad_fraction: float,
) -> DecodedRecordings:
    """Select and decode the recordings of the classes.

    Args:
        corpus: recordings and noise of a folder.
        labels: the label set.
        names: names of the classes.
        split: assigns parts to readable recordings; None where the corpus has parts.
        sample_rate_hz: of the samples.
        cache: folder of decoded files.
        max_bad_fraction: largest share of unreadable files, which are left out.

    Raises:
        UserError: too many files cannot be read, or no noise can.
    """
    if split is None:
        labelled = choose_recordings(corpus.recordings, labels, names)
        wanted = labelled.recordings
    else:
        wanted = [each for each in corpus.recordings if UNKNOWN in names or each.word in names]
    files = [each.path for each in wanted] + corpus.noises
    decoded = decode_files(files, sample_rate_hz, cache)
    file_names = [each.name for each in wanted] + [str(path) for path in corpus.noises]
    unreadable = {file_names[index]: reason for index, reason in decoded.unreadable.items()}
    check_unreadable(unreadable, len(files), max_bad_fraction, "sound")
    clips = decoded.clip_of_file
    clip_of = {each.name: c for each, c in zip(wanted, clips, strict=False) if c is not None}
    noise_clips = [clip for clip in clips[len(wanted) :] if clip is not None]
    if not noise_clips:
        raise UserError(f"{corpus.noises[0].parent}: none of its noise files can be read")
    if split is not None:
        # After decoding: else all files of a part might be unreadable.
        readable = split([each for each in wanted if each.name in clip_of])
        labelled = choose_recordings(readable, labels, names)
        num_unwanted = len(corpus.recordings) - len(wanted)
        labelled = labelled._replace(num_left_out=labelled.num_left_out + num_unwanted)
    return DecodedRecordings(
        labelled, decoded.samples, clip_of, noise_clips, unreadable, corpus.notes
    )
