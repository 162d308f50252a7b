"""Sound files of any format: by libsndfile, and by FFmpeg where that does not read them.

Shapes: S samples, C channels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import soundfile

from gru_suite.data.unreadable_files import check_complete

from .sound_reader import BLOCK, Samples, SoundReader

MIN_RATE_HZ, MAX_RATE_HZ = 1000, 768_000
# Formats with an exact number of samples in the header.
_EXACT_FORMATS = ("WAV", "FLAC", "AIFF", "CAF")


class _LibsndfileReader(SoundReader):
    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file, self.rate_hz = file, file.samplerate
        self.seconds = file.frames / file.samplerate

    def blocks(self, size: int = BLOCK) -> Iterator[Samples]:
        self._file.seek(0)
        count = 0
        for block_SC in self._file.blocks(size, dtype="float32", always_2d=True):
            count += len(block_SC)
            yield block_SC.mean(axis=1)
        promised = self._file.frames
        if count < promised and self._file.format in _EXACT_FORMATS:
            raise ValueError(f"cut off after {count:,} of {promised:,} samples")


@contextmanager
def open_sound(source: Path | BytesIO) -> Iterator[SoundReader]:
    """Open a sound file.

    MP3 files are left to FFmpeg: the decoder in libsndfile writes its complaints to the terminal.

    Args:
        source: the file, or its content.

    Raises:
        ValueError: it cannot be read; the message has the reason, without the name.
    """
    check_complete(source, b"WAVE")
    try:
        file = None if _is_mp3(source) else soundfile.SoundFile(_rewound(source))
    except (soundfile.LibsndfileError, OSError):
        file = None
    if file is None:
        yield _in_range(_ffmpeg(source))
        return
    with file:
        try:
            yield _in_range(_LibsndfileReader(file))
        except (soundfile.LibsndfileError, OSError) as error:
            reason = getattr(error, "error_string", None) or str(error)
            raise ValueError(f"not a readable sound file: {reason.strip().rstrip('.')}") from error


def _in_range(sound: SoundReader) -> SoundReader:
    if not MIN_RATE_HZ <= sound.rate_hz <= MAX_RATE_HZ:
        raise ValueError(f"its header says {sound.rate_hz:,} samples a second")
    return sound


def _ffmpeg(source: Path | BytesIO) -> SoundReader:
    # Loaded when a file needs it.
    from .ffmpeg_reader import FFmpegReader

    return FFmpegReader(source)


def _is_mp3(source: Path | BytesIO) -> bool:
    if isinstance(source, BytesIO):
        head = bytes(source.getbuffer()[:3])
    elif source.suffix.lower() == ".mp3":
        return True
    else:
        with source.open("rb") as file:
            head = file.read(3)
    # A tag, or the eleven bits that begin each frame.
    return head == b"ID3" or (head[:1] == b"\xff" and len(head) > 1 and head[1] >= 0xE0)


def _rewound(source: Path | BytesIO) -> Path | BytesIO:
    if isinstance(source, BytesIO):
        source.seek(0)
    return source
