"""Speech synthesis by espeak-ng: ``python -m gru_suite.tasks.speech_commands.samples.espeak``.

It runs in a process of its own. The library keeps state between words, so only a fresh process that
speaks the same words in the same order gives the same samples; and a fault in it ends the process.

Shapes: S samples.
"""

import ctypes
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_POS_CHARACTER = 1
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
# A data path from 160 characters on kills the process; a folder name follows it.
_MAX_PATH = 120
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Utterance(NamedTuple):
    """A word and how it is to be spoken.

    Attributes:
        word: the text.
        accent: a voice of espeak-ng, such as ``en-us``.
        speaker: a variant, such as ``f2``.
        words_per_minute: speed, 80..450.
        pitch: 0..100, 50 is the speaker's own.
        pitch_range: 0..100, 50 is the speaker's own.
    """

    word: str
    accent: str
    speaker: str
    words_per_minute: int
    pitch: int
    pitch_range: int


def installed() -> bool:
    """Tell whether the library is there, without loading it."""
    return importlib.util.find_spec("espeakng_loader") is not None


@contextmanager
def short_path(folder: Path) -> Iterator[Path]:
    """Give a path to ``folder`` that espeak-ng can bear, a link or a copy where its own is long."""
    if len(str(folder).encode()) <= _MAX_PATH:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="gru") as short:
        link = Path(short) / folder.name
        try:
            link.symlink_to(folder, target_is_directory=True)
        except OSError:  # Windows lets only some users make links.
            shutil.copytree(folder, link)
        yield link


@contextmanager
def speaker() -> Iterator[tuple[Callable[[Utterance], NDArray[np.int16]], int]]:
    """Give a function that speaks, and its sample rate in Hz.

    Raises:
        RuntimeError: the library or its data cannot be used.
    """
    import espeakng_loader  # type: ignore[import-untyped]

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    variants = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    pieces: list[bytes] = []

    @_Callback  # type: ignore[untyped-decorator]
    def collect(samples: ctypes.c_void_p, count: int, _events: int) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(utterance: Utterance) -> NDArray[np.int16]:
        voice = f"{utterance.accent}+{utterance.speaker}"
        # Of a variant that it does not have the library says nothing and speaks with its usual one.
        known = (variants / utterance.speaker).is_file()
        if not known or library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")
        library.espeak_SetParameter(_RATE, utterance.words_per_minute, 0)
        library.espeak_SetParameter(_PITCH, utterance.pitch, 0)
        library.espeak_SetParameter(_RANGE, utterance.pitch_range, 0)
        pieces.clear()
        # Breathy voices are noisy, and the library takes its seed from the time of day.
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        text = utterance.word.encode()
        library.espeak_Synth(
            ctypes.c_char_p(text), len(text) + 1, 0, _POS_CHARACTER, 0, _UTF8, None, None
        )
        return np.frombuffer(b"".join(pieces), np.int16)

    with short_path(Path(espeakng_loader.get_data_path())) as data:
        sample_rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), 0)
        if sample_rate_hz <= 0:
            raise RuntimeError(f"espeak-ng does not start with its data in {data}")
        library.espeak_SetSynthCallback(collect)
        yield speak, sample_rate_hz


def main(request: str, target: str) -> None:
    """Speak the utterances of a JSON file; write samples, lengths and rate to an ``.npz`` file."""
    utterances = [Utterance(*fields) for fields in json.loads(Path(request).read_text("utf-8"))]
    with speaker() as (speak, sample_rate_hz):
        clips = [speak(utterance) for utterance in utterances]
    lengths = np.array([len(clip) for clip in clips])
    np.savez(target, samples=np.concatenate(clips), lengths=lengths, rate=sample_rate_hz)


if __name__ == "__main__":
    main(*sys.argv[1:])
