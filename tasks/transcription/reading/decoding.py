"""Decoding of the recordings of transcripts."""

from pathlib import Path
from typing import NamedTuple

from gru_suite.audio.reading.sound_files import decode_files
from gru_suite.data.ragged_arrays import RaggedArrays
from gru_suite.data.unreadable_files import check_unreadable

from .utterances import Parts, Utterances


class DecodedParts(NamedTuple):
    """Readable recordings.

    Attributes:
        parts: with ``clips``.
        samples: 16-bit samples of all of them.
        unreadable: reason of each file that is left out, by its path.
    """

    parts: Parts
    samples: RaggedArrays
    unreadable: dict[str, str]


def decode_parts(
    parts: Parts, sample_rate_hz: int, cache: Path, max_bad_fraction: float
) -> DecodedParts:
    """Decode the recordings of all parts, or open them in the cache.

    Args:
        parts: recordings and transcripts.
        sample_rate_hz: of the samples.
        cache: folder of decoded files.
        max_bad_fraction: largest share of missing and unreadable files, which are left out.

    Raises:
        UserError: there are more of them.
    """
    files = [path for found in parts.values() for path in found.paths]
    missing = [path for path in files if not path.is_file()]
    absent = set(missing)
    there = [path for path in files if path not in absent]
    decoded = decode_files(there, sample_rate_hz, cache)
    unreadable = {str(there[index]): reason for index, reason in decoded.unreadable.items()}
    unreadable |= {str(path): "no such file" for path in missing}
    check_unreadable(unreadable, len(files), max_bad_fraction, "sound")
    clips = iter(decoded.clip_of_file)
    result: Parts = {}
    for part, found in parts.items():
        numbers = [None if path in absent else next(clips) for path in found.paths]
        rows = [row for row, clip in enumerate(numbers) if clip is not None]
        kept: Utterances = found.select(rows)
        kept.clips = [clip for clip in numbers if clip is not None]
        result[part] = kept
    return DecodedParts(result, decoded.samples, unreadable)


def drop_long(found: Utterances, samples: RaggedArrays, most: int, seconds: float) -> Utterances:
    """Leave out recordings of more than ``most`` samples, with a note."""
    rows = [row for row, clip in enumerate(found.clips) if samples.length_N[clip] <= most]
    kept = found.select(rows)
    if len(kept) < len(found):
        kept.notes.append(
            f"left out of training, longer than {seconds:g} s (data.max_seconds): "
            f"{len(found) - len(kept)} of {len(found)} recordings"
        )
    return kept
