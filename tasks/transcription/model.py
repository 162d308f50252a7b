"""The transcription model in use: transcripts, streams, export.

Shapes: S samples, T time steps, V tokens.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from gru_suite.audio.inputs import read_inputs
from gru_suite.audio.model_parts import heard_voices
from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.export.module import ExportModule
from gru_suite.nn.evaluation import evaluating

from .batches.transcript_dataset import make_batch
from .inference.export import TranscriptionExport
from .inference.greedy_search import GreedySearch
from .inference.language_model import NGramModel
from .inference.last_word import last_word_ms
from .inference.prefix_search import PrefixSearch
from .inference.spans import Search
from .inference.streaming import TranscriberChunks, TranscriptionStream
from .inference.transcripts import Transcript, Transcripts, subtitles, transcript_of
from .network.transcriber import Transcriber

Samples = NDArray[np.float32]
# Recordings of one forward pass, and the longest window of a recording.
_BATCH_SIZE = 16
_WINDOW_S, _OVERLAP_S = 30.0, 2.0


class TranscriptionModel(Transcriber):
    """Recordings to transcripts with times of words."""

    service_class: ClassVar[str] = "gru_suite.tasks.transcription.service:TranscriptionService"

    def predict(self, raw: Any, beam_size: int | None = None) -> Transcripts:
        """Transcribe recordings.

        Longer ones are processed in windows of 30 seconds that overlap by two, whose results are
        joined in the middle of the overlap; a causal model has the same result for a whole.

        Args:
            raw: the path of a sound file or of a folder of them; samples: an array (integers, or
                floats of full scale 1.0; one channel, or several as the shorter axis) at the
                training data's rate, or a pair of such an array and its rate in Hz; or a list of
                these.
            beam_size: transcripts kept by the search; 1 takes the most probable path, None the
                model's.

        Raises:
            UserError: a path does not exist, or a file holds no readable sound. In a folder such a
                file is left out with a warning.
        """
        items: list[Transcript] = []
        for names, clips in read_inputs(raw, self.sample_rate_hz):
            for name, clip_S in zip(names, clips, strict=True):
                if len(clip_S) < self.step_samples:
                    raise UserError(
                        f"{name}: {1000 * len(clip_S) / self.sample_rate_hz:.0f} ms of sound; "
                        f"needs {1000 * self.step_samples / self.sample_rate_hz:.0f} ms or more"
                    )
            found = self.frame_scores(clips)
            items += [
                self.decode(name, log_TV, len(clip_S), beam_size)
                for name, clip_S, log_TV in zip(names, clips, found, strict=True)
            ]
        return Transcripts(items)

    @torch.inference_mode()
    def frame_scores(self, clips: Sequence[Samples]) -> list[NDArray[np.float32]]:
        """Return the log-probabilities of tokens at each time step of recordings, each (T, V)."""
        window, overlap = self._window_samples()
        pieces: list[tuple[int, int, int]] = []
        for number, clip_S in enumerate(clips):
            for start in range(0, max(1, len(clip_S) - overlap), window - overlap):
                pieces.append((number, start, min(start + window, len(clip_S))))
        pieces.sort(key=lambda piece: piece[2] - piece[1])
        found: dict[tuple[int, int], NDArray[np.float32]] = {}
        with evaluating(self):
            for first in range(0, len(pieces), _BATCH_SIZE):
                chunk = pieces[first : first + _BATCH_SIZE]
                batch = make_batch(
                    [clips[n][start:end] for n, start, end in chunk],
                    [[]] * len(chunk),
                    [""] * len(chunk),
                )
                batch = batch._replace(
                    x=batch.x.to(self.device), lengths_B=batch.lengths_B.to(self.device)
                )
                log_BTV, steps_B = self(batch)
                for row, (number, start, _) in enumerate(chunk):
                    found[number, start] = log_BTV[row, : int(steps_B[row])].float().cpu().numpy()
        half = overlap // self.step_samples // 2
        return [self._joined(n, found, half) for n in range(len(clips))]

    def _window_samples(self) -> tuple[int, int]:
        """Return length and overlap of windows, whole steps."""
        steps = round(_WINDOW_S * self.sample_rate_hz / self.step_samples)
        half = max(1, round(_OVERLAP_S * self.sample_rate_hz / self.step_samples / 2))
        return steps * self.step_samples, 2 * half * self.step_samples

    def _joined(
        self, number: int, found: dict[tuple[int, int], NDArray[np.float32]], half: int
    ) -> NDArray[np.float32]:
        starts = sorted(start for each, start in found if each == number)
        parts = [found[number, start] for start in starts]
        for place in range(1, len(parts)):
            parts[place - 1] = parts[place - 1][:-half] if half else parts[place - 1]
            parts[place] = parts[place][half:]
        return np.concatenate(parts)

    def decode(
        self,
        name: str,
        log_TV: NDArray[np.float32],
        num_samples: int,
        beam_size: int | None = None,
    ) -> Transcript:
        """Return the transcript of log-probabilities.

        Args:
            name: of the recording.
            log_TV: of its time steps.
            num_samples: its length.
            beam_size: transcripts kept by the search; 1 takes the most probable path, None the
                model's.
        """
        search = self.search(beam_size)
        found = search.best(search.advance(search.initial_state(), log_TV))
        step_s, seconds = self.step_samples / self.sample_rate_hz, num_samples / self.sample_rate_hz
        return transcript_of(name, found, self.tokens, step_s, seconds)

    def search(self, beam_size: int | None = None) -> Search:
        """Return the search from log-probabilities to tokens.

        Args:
            beam_size: transcripts it keeps; 1 takes the most probable path, None is the model's.
        """
        beam_size = self.beam_size if beam_size is None else beam_size
        if beam_size == 1:
            return GreedySearch()
        weight, bonus = self.language_model_weight, self.token_bonus
        return PrefixSearch(beam_size, self._language_model, weight, bonus)

    @cached_property
    def _language_model(self) -> NGramModel | None:
        counts = self.schema.get("language_model")
        return NGramModel(**counts) if counts else None

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Transcribe a recording or a folder and write a table; of a recording also subtitles.

        Args:
            source: a sound file, or a folder of them.
            target: the table: file, text, log-probability, confidence, seconds. Of a single
                recording the subtitles have the same name with ``.srt``, and a picture of
                spectrogram, tokens and words with ``.png``.
        """
        with warnings.catch_warnings(record=True) as left_out:
            warnings.simplefilter("always", UserWarning)
            found = self.predict(source)
        for warning in left_out:
            print(warning.message, flush=True)
        with atomic_path(target) as temporary:
            found.to_frame().to_csv(temporary, index=False)
        written = [target]
        if source.is_file():
            with atomic_path(target.with_suffix(".srt")) as temporary:
                temporary.write_text(subtitles(found[0]), "utf-8")
            written.append(target.with_suffix(".srt"))
            from .results.transcript_plot import plot_transcript

            picture = target.with_suffix(".png")
            plot_transcript(picture, self, source)
            written.append(picture)
        return written

    def stream(self, batch_size: int = 1) -> TranscriptionStream:
        """Return streams that take samples in chunks; see :class:`TranscriptionStream`."""
        return TranscriptionStream(self, self.search(), batch_size)

    def stream_module(self) -> TranscriberChunks:
        """Return the network on chunks of samples."""
        return TranscriberChunks(self.eval())

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return log-probabilities as a function of samples and lengths."""
        return TranscriptionExport(self)

    def speed(self, raw: Any, seconds: float) -> dict[str, float]:
        """Return the real-time factor, and of a causal model the latency of the last word."""
        ((_, (clip_S,)),) = read_inputs(raw, self.sample_rate_hz)
        found = {"real_time_factor": seconds * self.sample_rate_hz / max(1, len(clip_S))}
        if self.causal:
            found["last_word_ms"] = last_word_ms(self.stream(), clip_S)
        return found

    def limits(self) -> list[str]:
        """Return known limits, with the voices, the tokens and the sample rate."""
        voices = heard_voices(self.run_info, "spoken_sentences")
        words = (
            "Knows no words but those of its training transcripts."
            if self.schema["token_kind"] == "word"
            else "Spells words it has not heard; the more unlike the training, the more errors."
        )
        return [*super().limits(), voices, words]

    def usage(self) -> list[str]:
        """Return Python lines that transcribe a second of noise."""
        return [
            "import numpy",
            "",
            "# Your own: the path of a recording, or its samples and their rate.",
            f"rate_hz = {self.sample_rate_hz}",
            'samples = numpy.random.default_rng(0).normal(0, 0.1, rate_hz).astype("float32")',
            "print(model.predict((samples, rate_hz)).to_frame())",
        ]
