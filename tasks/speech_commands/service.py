"""The speech classifier's use over a network: recordings, and microphones.

Shapes: S samples, W windows, K classes.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.model.service.classification import ClassificationService, class_probabilities
from gru_suite.model.service.service import kind_of

from .inference.inputs import loudest_segment, to_samples
from .inference.word_streams import WordStreams
from .reading.open_sound import open_sound
from .reading.sound_files import SUFFIXES, read_sound

if TYPE_CHECKING:
    from .model import SpeechCommandsModel

Samples = NDArray[np.float32]
# Browsers record in these; names of others are in SUFFIXES.
_BROWSER_SUFFIXES = (".webm", ".m4a", ".mp4", ".aac", ".opus")
_MAX_WINDOWS = 400
_MAX_CHUNK_S = 1.0


class Recording(NamedTuple):
    """A checked recording.

    Attributes:
        name: of its file.
        samples_S: at the rate of the training data.
    """

    name: str
    samples_S: Samples


class SpeechService(ClassificationService):
    """Recordings in, classes and words out; microphones as streams."""

    model: "SpeechCommandsModel"
    input_kind = "audio"
    suffixes = tuple(dict.fromkeys((*SUFFIXES, *_BROWSER_SUFFIXES)))
    step_kind = "frame"

    def inputs(self) -> dict[str, Any]:
        """Return the sample rate, and the seconds of a clip and of a recording at most."""
        return {
            "sample_rate_hz": self.model.sample_rate_hz,
            "clip_seconds": self._clip_samples / self.model.sample_rate_hz,
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

    @property
    def _clip_samples(self) -> int:
        return int(self.model.schema["clip_samples"])

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

    def predict(self, items: Sequence[Recording]) -> list[dict[str, Any]]:
        """Return the classes of recordings, and the words in long ones."""
        model = self.model
        longest = int(model.schema["max_samples"])
        clips = [loudest_segment(item.samples_S, longest) for item in items]
        probability_NK = model.clip_probabilities(clips)
        results = []
        for item, probability_K in zip(items, probability_NK, strict=True):
            result = {"name": item.name, **class_probabilities(model.labels, probability_K)}
            if len(item.samples_S) > max(longest, 1.5 * self._clip_samples):
                result["timeline"] = self._timeline(item)
            results.append(result)
        return results

    def _timeline(self, item: Recording) -> dict[str, Any]:
        found = self.model.timeline(item.samples_S)
        step = math.ceil(len(found.time_W) / _MAX_WINDOWS)
        probability_WK = found.probability_WK[::step].astype(np.float64).round(4)
        return {
            "events": [
                {
                    "start": round(each.start_s, 3),
                    "end": round(each.end_s, 3),
                    "label": each.label,
                    "score": round(each.score, 4),
                }
                for each in found.events
            ],
            "time": found.time_W[::step].round(3).tolist(),
            "probability": {
                label: probability_WK[:, index].tolist() for index, label in enumerate(found.labels)
            },
            "seconds": found.seconds,
        }

    def steps(self, item: Recording, steps: Sequence[int]) -> dict[str, Any]:
        """Return the seconds of a step."""
        features, encoder = self.model.features, self.model.encoder
        step = features.hop_samples * encoder.total_stride / self.model.sample_rate_hz
        return {"step_labels": None, "step_seconds": step}

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

    def streams(self) -> WordStreams:
        """Return streams of microphones.

        Raises:
            UserError: the model looks ahead.
        """
        return WordStreams(self.model, self.live_chunk)
