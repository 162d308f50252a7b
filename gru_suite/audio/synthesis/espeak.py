"""Speech synthesis by espeak-ng.

In a process of its own (``python -m gru_suite.audio.synthesis.espeak``): the library keeps state
between words, so that only a new process gives the same samples for the same sequence of words; and
a crash of the library ends the process.

Shapes: S samples.
"""

import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_POS_CHARACTER = 1
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
# The library crashes with data paths of 160 or more characters; a folder name is appended.
_MAX_PATH = 120
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Utterance(NamedTuple):
    """A word and the parameters of its synthesis.

    Attributes:
        word: the text.
        accent: a voice of espeak-ng, such as ``en-us``.
        speaker: a variant, such as ``f2``.
        words_per_minute: speed, 80..450.
        pitch: 0..100, 50 is that of the speaker.
        pitch_range: 0..100, 50 is that of the speaker.
    """

    word: str
    accent: str
    speaker: str
    words_per_minute: int
    pitch: int
    pitch_range: int


def installed() -> bool:
    """Return whether the library is installed, without loading it."""
    return importlib.util.find_spec("espeakng_loader") is not None


@contextmanager
def short_path(folder: Path) -> Iterator[Path]:
    """Yield a path of ``folder`` that is short enough: of a link or a copy where its own is not."""
    if len(str(folder).encode()) <= _MAX_PATH:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="gru") as short:
        link = Path(short) / folder.name
        try:
            link.symlink_to(folder, target_is_directory=True)
        except OSError:  # Windows permits links to some users only.
            shutil.copytree(folder, link)
        yield link


@contextmanager
def speaker() -> Iterator[tuple[Callable[[Utterance], NDArray[np.int16]], int]]:
    """Yield a function that synthesises utterances, and its sample rate in Hz.

    Raises:
        RuntimeError: the library or its data cannot be used.
    """
    import espeakng_loader  # type: ignore[import-untyped]

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    variants = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    chunks: list[bytes] = []

    @_Callback  # type: ignore[untyped-decorator]
    def collect(samples: ctypes.c_void_p, count: int, _events: int) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(utterance: Utterance) -> NDArray[np.int16]:
        voice = f"{utterance.accent}+{utterance.speaker}"
        # The library uses its default voice, without an error, for a variant it does not have.
        known = (variants / utterance.speaker).is_file()
        if not known or library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")
        library.espeak_SetParameter(_RATE, utterance.words_per_minute, 0)
        library.espeak_SetParameter(_PITCH, utterance.pitch, 0)
        library.espeak_SetParameter(_RANGE, utterance.pitch_range, 0)
        chunks.clear()
        # Breathy voices contain noise, which the library seeds with the time of day.
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        text = utterance.word.encode()
        library.espeak_Synth(
            ctypes.c_char_p(text), len(text) + 1, 0, _POS_CHARACTER, 0, _UTF8, None, None
        )
        return np.frombuffer(b"".join(chunks), np.int16)

    with short_path(Path(espeakng_loader.get_data_path())) as data:
        sample_rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(data), 0)
        if sample_rate_hz <= 0:
            raise RuntimeError(f"espeak-ng does not start with its data in {data}")
        library.espeak_SetSynthCallback(collect)
        yield speak, sample_rate_hz


def synthesize(
    utterances: Sequence[Utterance], scratch: Path
) -> tuple[list[NDArray[np.int16]], int]:
    """Synthesise utterances in a new process; the same sequence gives the same samples.

    Args:
        utterances: words and parameters.
        scratch: folder for temporary files.

    Returns:
        The clips, each of shape (S,), and their rate in Hz.

    Raises:
        UserError: the speech library failed.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    request, target = folder / "request.json", folder / "spoken.npz"
    request.write_text(json.dumps(utterances), "utf-8")
    module = f"{__package__}.espeak"
    done = subprocess.run(
        [sys.executable, "-m", module, str(request), str(target)], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(
            f"the speech library espeak-ng failed: {reason}; reinstall it with "
            'pip install --force-reinstall "gru-suite[samples]"'
        )
    with np.load(target) as content:
        clips = np.split(content["samples"], np.cumsum(content["lengths"])[:-1])
        rate_hz = int(content["rate"])
    shutil.rmtree(folder)
    return clips, rate_hz


def main(request: str, target: str) -> None:
    """Synthesise the utterances of a JSON file and write samples, lengths and rate as ``.npz``."""
    utterances = [Utterance(*fields) for fields in json.loads(Path(request).read_text("utf-8"))]
    with speaker() as (speak, sample_rate_hz):
        clips = [speak(utterance) for utterance in utterances]
    lengths = np.array([len(clip) for clip in clips])
    np.savez(target, samples=np.concatenate(clips), lengths=lengths, rate=sample_rate_hz)


if __name__ == "__main__":
    main(*sys.argv[1:])
