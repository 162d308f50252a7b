"""Recordings of single words, in the layout of Speech Commands.

Shapes: S samples.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.audio.reading.corpus import Recording, list_speech_commands
from gru_suite.audio.reading.noise_files import write_noise
from gru_suite.audio.reading.sound_files import decode_files
from gru_suite.data.ragged_arrays import RaggedArrays
from gru_suite.data.splits import PARTS
from gru_suite.data.unreadable_files import check_unreadable
from gru_suite.errors import UserError, nearest

_FETCH = "gru-suite task=speech_commands data=speech_commands data.download=true fetches it"


class Words(NamedTuple):
    """Recordings of single words of one part.

    Attributes:
        clips: numbers in the decoded samples.
        words: what is said in each.
        speakers: of each.
    """

    clips: list[int]
    words: list[str]
    speakers: list[str]


class WordRecordings(NamedTuple):
    """Decoded recordings of single words.

    Attributes:
        words: of each part.
        samples: 16-bit samples of all of them.
        noises: background noise, each of shape (S,).
        unreadable: reason of each file that is left out, by its path.
        notes: for the summary.
    """

    words: dict[str, Words]
    samples: RaggedArrays
    noises: list[NDArray[Any]]
    unreadable: dict[str, str]
    notes: list[str]

    @property
    def vocabulary(self) -> list[str]:
        """All words, sorted."""
        return sorted({word for found in self.words.values() for word in found.words})


def read_word_recordings(
    root: Path,
    sample_rate_hz: int,
    cache: Path,
    max_bad_fraction: float,
    chosen: Sequence[str] | None = None,
) -> WordRecordings:
    """Decode the recordings of a folder, or open them in the cache.

    Args:
        root: the folder of Speech Commands.
        sample_rate_hz: of the samples.
        cache: folder of decoded files.
        max_bad_fraction: largest share of unreadable files, which are left out.
        chosen: the words to take; None for all.

    Raises:
        UserError: there are more of them, a word has no recordings, or a part has none.
    """
    corpus = list_speech_commands(root, _FETCH)
    recordings = _of_words(corpus.recordings, chosen)
    noise_files = corpus.noises or write_noise(cache / "noise", sample_rate_hz)
    files = [each.path for each in recordings] + noise_files
    decoded = decode_files(files, sample_rate_hz, cache)
    unreadable = {str(files[index]): reason for index, reason in decoded.unreadable.items()}
    check_unreadable(unreadable, len(files), max_bad_fraction, "sound")
    words = {part: Words([], [], []) for part in PARTS}
    for recording, clip in zip(recordings, decoded.clip_of_file, strict=False):
        if clip is not None:
            of_part = words[recording.part]
            of_part.clips.append(clip)
            of_part.words.append(recording.word)
            of_part.speakers.append(recording.group)
    for part in PARTS:
        if not words[part].clips:
            raise UserError(f"data.path={root}: no recordings for the {part} part")
    noise_clips = decoded.clip_of_file[len(recordings) :]
    noises = [np.asarray(decoded.samples.get(clip)) for clip in noise_clips if clip is not None]
    return WordRecordings(words, decoded.samples, noises, unreadable, corpus.notes)


def _of_words(recordings: list[Recording], chosen: Sequence[str] | None) -> list[Recording]:
    if chosen is None:
        return recordings
    if any(not isinstance(word, str) for word in chosen):
        raise UserError(
            "data.words holds something else than words: YAML reads yes, no, on and off as true "
            "and false; write them in quotes, as in ['yes', 'no']"
        )
    known = {each.word for each in recordings}
    for word in chosen:
        if word not in known:
            raise UserError(f"data.words: no recordings of {word!r}{nearest(word, sorted(known))}")
    return [each for each in recordings if each.word in set(chosen)]
