"""The transcription model's use over a network: recordings, and microphones."""

from collections.abc import Sequence
from typing import Any, ClassVar

from gru_suite.audio.service import AudioInputs, Recording
from gru_suite.model.service.service import Service
from gru_suite.model.service.streams import ModelStreams

from .inference.transcripts import Transcript, subtitles


class TranscriptionService(AudioInputs, Service[Any, Recording]):
    """Recordings in, transcripts out; microphones as streams."""

    output_kind: ClassVar[str] = "transcript"

    def predict(self, items: Sequence[Recording]) -> list[dict[str, Any]]:
        """Return the transcripts of recordings."""
        scores = self.model.frame_scores([item.samples_S for item in items])
        return [
            as_json(self.model.decode(item.name, log_TV, len(item.samples_S)))
            for item, log_TV in zip(items, scores, strict=True)
        ]

    def steps(self, item: Recording, steps: Sequence[int]) -> dict[str, Any]:
        """Return the seconds of a step."""
        return {
            "step_labels": None,
            "step_seconds": self.model.step_samples / self.model.sample_rate_hz,
        }

    def live(self) -> dict[str, Any]:
        """Return the form of a chunk: 16-bit samples of one channel at the model's rate."""
        return AudioInputs.live(self)

    def streams(self) -> ModelStreams:
        """Return streams of microphones.

        Raises:
            UserError: the model looks ahead.
        """
        stream = self.model.stream(0)
        return ModelStreams(stream, self.live_chunk, as_json=lambda found, row: as_json(found[row]))


def as_json(transcript: Transcript) -> dict[str, Any]:
    """Return a transcript as plain data."""
    return {
        "name": transcript.name,
        "text": transcript.text,
        "confidence": transcript.confidence,
        "seconds": transcript.seconds,
        "num_final": transcript.num_final,
        "words": [
            {
                "text": word.text,
                "start": round(word.start_s, 3),
                "end": round(word.end_s, 3),
                "confidence": round(word.confidence, 4),
            }
            for word in transcript.words
        ],
        "srt": subtitles(transcript),
    }
