"""The speech classifier's use over a network: recordings, and microphones.

Shapes: S samples, W windows, K classes.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gru_suite.audio.inputs import loudest_segment
from gru_suite.audio.service import AudioInputs, Recording
from gru_suite.model.service.classification import ClassificationService, class_probabilities

from .inference.word_streams import WordStreams

if TYPE_CHECKING:
    from .model import SpeechCommandsModel

_MAX_WINDOWS = 400


class SpeechService(AudioInputs, ClassificationService):
    """Recordings in, classes and words out; microphones as streams."""

    model: "SpeechCommandsModel"

    def inputs(self) -> dict[str, Any]:
        """Return the sample rate, and the seconds of a clip and of a recording at most."""
        return {**super().inputs(), "clip_seconds": self._clip_samples / self.model.sample_rate_hz}

    @property
    def _clip_samples(self) -> int:
        return int(self.model.schema["clip_samples"])

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

    def streams(self) -> WordStreams:
        """Return streams of microphones.

        Raises:
            UserError: the model looks ahead.
        """
        return WordStreams(self.model, self.live_chunk)
