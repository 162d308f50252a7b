"""Speech commands model: predictions, timelines, streams and exports.

Shapes: B batch, S samples (right-padded), T frames, K classes, N recordings.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gru_suite.audio.conv_front_end import OUTPUT_SIZE
from gru_suite.audio.inputs import (
    check_duration,
    is_samples,
    read_input,
    read_inputs,
    to_samples,
)
from gru_suite.audio.model_parts import audio_layers, heard_voices
from gru_suite.audio.streaming import AudioStreamEncoder
from gru_suite.files import atomic_path
from gru_suite.model.classification import ClassificationModel, check_causal
from gru_suite.model.export.module import ExportModule
from gru_suite.model.predictions import Predictions
from gru_suite.options import build

from .batches.audio_dataset import unlabelled_batch
from .inference.export import speech_export
from .inference.streaming import SpeechStream
from .inference.timeline import Detection, Timeline, detect

_BATCH_SIZE = 64
# In a file longer than this many training clips, words are detected instead of one classified.
_MAX_CLIP_RATIO = 2.0


class SpeechCommandsModel(ClassificationModel):
    """Spectral features -> convolutions -> backbone -> pooling -> class probabilities.

    The inputs are samples; their features are part of the model.
    """

    service_class: ClassVar[str] = "gru_suite.tasks.speech_commands.service:SpeechService"
    name: ClassVar[str] = "speech_commands"
    input_kind: ClassVar[str] = "file"

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        features: dict[str, Any] | None = None,
        front_end: dict[str, Any] | None = None,
        spec_augment: dict[str, Any] | None = None,
        detection: dict[str, Any] | None = None,
        causal: bool = False,
        pooling: str = "attention",
        head_dropout: float = 0.3,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack.
            schema: description of the training data: labels, sample rate, clip length.
            features: options of :class:`SpectralFeatures`.
            front_end: ``channels``, ``time_strides``, ``output_size``, ``blocks`` and ``dropout``
                of :class:`ConvFrontEnd`.
            spec_augment: options of :class:`SpecAugment`, for training.
            detection: options of :class:`Detection`, for long recordings.
            causal: no output depends on later input, as streaming needs; the backbone must have
                one direction.
            pooling: see :class:`ClassificationModel`.
            head_dropout: see there.

        Raises:
            UserError: an option is out of its range.
        """
        check_causal(causal, backbone)
        input_size = int((front_end or {}).get("output_size", OUTPUT_SIZE))
        super().__init__(backbone, input_size, schema, pooling, head_dropout)
        self.sample_rate_hz = int(schema["sample_rate_hz"])
        self.features, self.encoder = audio_layers(
            features, front_end, spec_augment, self.sample_rate_hz, causal
        )
        self.detection = build(Detection, "task.detection", detection)

    def encode(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return features, shape (B, T, F), and the valid steps of each clip, shape (B,)."""
        encoded: tuple[Tensor, Tensor] = self.encoder(*self.features(batch.x, batch.lengths_B))
        return encoded

    def limits(self) -> list[str]:
        """Return known limits, with the voices, the sample rate and the length of recordings."""
        voices = heard_voices(self.run_info, "spoken_words")
        rate_hz, usual = self.sample_rate_hz, self.schema["clip_samples"] / self.sample_rate_hz
        return [
            *super().limits(),
            voices,
            f"Takes {rate_hz:,} samples a second; other rates are resampled. The median training "
            f"recording has {usual:.3g} s; in longer ones words are detected.",
        ]

    def usage(self) -> list[str]:
        """Return Python lines that classify a second of noise."""
        return [
            "import numpy",
            "",
            "# Your own: the path of a recording, or its samples and their rate.",
            f"rate_hz = {self.sample_rate_hz}",
            'samples = numpy.random.default_rng(0).normal(0, 0.1, rate_hz).astype("float32")',
            "print(model.predict((samples, rate_hz)).to_frame())",
        ]

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return probabilities as a function of samples and lengths."""
        return speech_export(self, self.features.hop_samples)

    def stream_encoder(self) -> AudioStreamEncoder:
        """Return features and front end for chunks of samples."""
        return AudioStreamEncoder(self.features, self.encoder)

    def stream(self, batch_size: int = 1) -> SpeechStream:
        """Return streams that take samples in chunks; see :class:`SpeechStream`."""
        return SpeechStream(self, self.sample_rate_hz, batch_size)

    def predict(self, raw: Any) -> Predictions:
        """Classify recordings.

        Args:
            raw: the path of a sound file or of a folder of them; samples: an array (integers, or
                floats of full scale 1.0; one channel, or several as the shorter axis) at the
                training data's rate, or a pair of such an array and its rate in Hz; or a list of
                these. Of a recording longer than every training clip, the segment of that length
                with the highest energy is classified.

        Raises:
            UserError: a path does not exist, or a file holds no readable sound. In a folder such
                a file is left out with a warning.
        """
        longest = int(self.schema["max_samples"])
        names: list[str] = []
        probabilities: list[NDArray[np.float32]] = []
        for chunk_names, clips in read_inputs(raw, self.sample_rate_hz, longest):
            names += chunk_names
            probabilities.append(self.clip_probabilities(clips))
        return Predictions(self.input_kind, names, self.labels, np.concatenate(probabilities))

    def clip_probabilities(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the class probabilities of clips of any lengths, shape (N, K)."""
        order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
        chunks = [order[i : i + _BATCH_SIZE] for i in range(0, len(order), _BATCH_SIZE)]
        probability_NK = np.empty((len(clips), len(self.labels)), np.float32)
        if chunks:
            batches = (unlabelled_batch([clips[index] for index in chunk]) for chunk in chunks)
            probability_NK[order] = self.probabilities(batches)
        return probability_NK

    def timeline(self, raw: Any, detection: dict[str, Any] | None = None) -> Timeline:
        """Detect words in a long recording.

        Args:
            raw: the path of a sound file, or samples as for :meth:`predict`.
            detection: options of :class:`Detection` to change for this recording.
        """
        read = to_samples if is_samples(raw) else read_input
        if read is read_input:
            check_duration(raw)
        samples_S = read(raw, self.sample_rate_hz)
        options = {**(self.options.get("detection") or {}), **(detection or {})}
        return detect(
            samples_S,
            self.sample_rate_hz,
            int(self.schema["clip_samples"]),
            self.labels,
            self.clip_probabilities,
            build(Detection, "detection", options),
        )

    def predict_file(self, source: Path, target: Path) -> list[Path]:
        """Predict from a file or a folder and write a table; of a long recording its timeline.

        The timeline is a table of detected words, with a plot beside it.
        """
        if source.is_file():
            check_duration(source)
            samples_S = read_input(source, self.sample_rate_hz)
            median, longest = self.schema["clip_samples"], self.schema["max_samples"]
            if len(samples_S) > max(longest, _MAX_CLIP_RATIO * median):
                timeline = self.timeline(samples_S)
                with atomic_path(target) as temporary:
                    timeline.to_frame().to_csv(temporary, index=False)
                from .results.timeline_plot import plot_timeline

                plot = target.with_suffix(".png")
                plot_timeline(plot, timeline, samples_S, source.name)
                return [target, plot]
        with warnings.catch_warnings(record=True) as left_out:
            warnings.simplefilter("always", UserWarning)
            predictions = self.predict(source)
        for warning in left_out:
            print(warning.message, flush=True)
        with atomic_path(target) as temporary:
            predictions.to_frame().to_csv(temporary, index=False)
        return [target]
