"""Recordings and microphones of clients.

Shapes: S samples.
"""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.audio.inputs import to_samples
from gru_suite.audio.reading.open_sound import open_sound
from gru_suite.audio.reading.sound_files import SUFFIXES, read_sound
from gru_suite.errors import UserError
from gru_suite.model.service.limits import Limits
from gru_suite.model.service.service import kind_of

Samples = NDArray[np.float32]
# Browsers record in these; names of others are in SUFFIXES.
_BROWSER_SUFFIXES = (".webm", ".m4a", ".mp4", ".aac", ".opus")
_MAX_CHUNK_S = 1.0


class Recording(NamedTuple):
    """A checked recording.

    Attributes:
        name: of its file.
        samples_S: at the rate of the training data.
    """

    name: str
    samples_S: Samples


class AudioInputs:
    """What services of models of sound have in common: a recording as JSON or as a file, chunks."""

    input_kind: ClassVar[str] = "audio"
    suffixes: tuple[str, ...] = tuple(dict.fromkeys((*SUFFIXES, *_BROWSER_SUFFIXES)))
    step_kind: ClassVar[str] = "frame"
    model: Any
    limits: Limits

    def inputs(self) -> dict[str, Any]:
        """Return the sample rate, and the seconds of a recording at most."""
        return {
            "sample_rate_hz": self.model.sample_rate_hz,
            "max_seconds": self.limits.max_seconds,
        }

    def example(self) -> Any:
        """Return a short tone of rising pitch."""
        rate_hz = min(8000, self.model.sample_rate_hz)
        time_S = np.arange(round(0.5 * rate_hz)) / rate_hz
        tone_S = 0.3 * np.sin(2 * np.pi * (300 + 400 * time_S) * time_S) * np.hanning(len(time_S))
        return {
            "samples": [round(value, 4) for value in tone_S.tolist()],
            "sample_rate_hz": rate_hz,
        }

    def read(self, value: Any) -> Recording:
        """Return a recording given as samples.

        Raises:
            UserError: it is none, too short or too long.
        """
        needed = 'needs {"samples": [...], "sample_rate_hz": 16000} with samples of full scale 1.0'
        if not isinstance(value, dict) or value.keys() != {"samples", "sample_rate_hz"}:
            keys = f"keys {', '.join(value)}"[:200] if isinstance(value, dict) else kind_of(value)
            raise UserError(f"a recording as {keys}: {needed}")
        samples, rate_hz = value["samples"], value["sample_rate_hz"]
        if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float):
            raise UserError(f"sample_rate_hz of type {kind_of(rate_hz)}: {needed}")
        if not 1000 <= rate_hz <= 768_000:
            raise UserError(f"sample_rate_hz={rate_hz}: needs 1,000 to 768,000")
        if not isinstance(samples, list):
            raise UserError(f"samples of type {kind_of(samples)}: {needed}")
        self.limits.check_seconds(len(samples) / rate_hz)
        try:
            array = np.array(samples, np.float32)
        except (TypeError, ValueError, OverflowError):
            raise UserError(f"samples that are not numbers: {needed}") from None
        if array.ndim != 1:
            raise UserError(f"samples of shape {array.shape}: needs one channel")
        return Recording("samples", to_samples((array, rate_hz), self.model.sample_rate_hz))

    def read_file(self, path: Path, name: str) -> Recording:
        """Return the recording in a file.

        Raises:
            UserError: it cannot be read, or is too long.
        """
        try:
            with open_sound(path) as sound:
                seconds = sound.seconds
                if seconds is None:
                    # Its header does not say.
                    count = 0
                    for block in sound.blocks():
                        count += len(block)
                        self.limits.check_seconds(count / sound.rate_hz)
            self.limits.check_seconds(seconds)
            return Recording(name, read_sound(path, self.model.sample_rate_hz))
        except ValueError as error:
            raise UserError(f"{name}: {error}") from None

    def live(self) -> dict[str, Any]:
        """Return the form of a chunk: 16-bit samples of one channel at the model's rate."""
        return {"chunk": "pcm16", "sample_rate_hz": self.model.sample_rate_hz}

    def live_chunk(self, message: Any) -> Samples:
        """Return samples of full scale 1.0 from little-endian integers of 16 bits.

        Raises:
            UserError: it is another form, or longer than a second.
        """
        if not isinstance(message, bytes):
            raise UserError(
                "a chunk of sound needs a binary message: 16-bit samples, little-endian"
            )
        if len(message) % 2:
            raise UserError(
                f"a chunk of {len(message):,} bytes: 16-bit samples have an even number"
            )
        if len(message) > 2 * _MAX_CHUNK_S * self.model.sample_rate_hz:
            raise UserError(
                f"a chunk of {len(message):,} bytes: at most {_MAX_CHUNK_S:g} s a message"
            )
        return np.frombuffer(message, "<i2").astype(np.float32) / np.float32(32768)
