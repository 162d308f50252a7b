"""Video action model: predictions, streams and exports.

Shapes: B clips, T frames (right-padded), H height, W width, K classes, V videos, N clips.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.batches import SequenceBatch
from gru_suite.model.export.module import ExportModule
from gru_suite.model.predictions import Predictions

from .inference.annotation import annotate_videos
from .inference.export import video_export
from .inference.inputs import read_inputs, reporting_left_out
from .inference.streaming import VideoStream, VideoStreamEncoder
from .inference.video_means import video_means
from .network.video_classifier import VideoClassifier

_BATCH_SIZE = 8


class VideoActionModel(VideoClassifier):
    """Video classifier: mean class probabilities over several clips of a video."""

    service_class: ClassVar[str] = "gru_suite.tasks.video_action.service:VideoService"

    def predict_loader(self, loader: DataLoader[Any]) -> Predictions:
        """Predict the videos of a part, each as the mean over its clips.

        Args:
            loader: of validation or test.
        """
        dataset: Any = loader.dataset
        probabilities, videos, labels = [], [], []
        for batch in loader:
            probabilities.append(torch.from_numpy(self.probabilities([batch])))
            videos.append(batch.videos_B)
            labels.append(batch.labels_B)
        videos_N = torch.cat(videos)
        log_probability_VK, clip_V = video_means(torch.cat(probabilities).double().log(), videos_N)
        names = [dataset.names[number] for number in videos_N[clip_V].tolist()]
        return Predictions(
            self.input_kind,
            names,
            self.labels,
            log_probability_VK.exp().float().numpy(),
            torch.cat(labels)[clip_V].numpy(),
        )

    def predict(self, raw: Any) -> Predictions:
        """Classify videos.

        Args:
            raw: the path of a video or of a folder of them; the frames of one clip: an array of
                shape (T, H, W, 3), uint8, evenly spaced, at the frame rate of the training data
                where it has one; or a list of these.

        Raises:
            UserError: a path does not exist, or a file holds no readable video. In a folder such a
                file is left out with a warning.
        """
        names, probabilities = [], []
        for name, clips in read_inputs(raw, self.schema):
            names.append(name)
            probabilities.append(self.video_probability(clips))
        if not probabilities:
            raise UserError("an empty list: at least one video is needed")
        return Predictions(self.input_kind, names, self.labels, np.stack(probabilities))

    def video_probability(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the mean class probabilities over a video's clips, shape (K,)."""
        lengths = [len(clip) for clip in clips]
        x_BTHW3 = torch.zeros(len(clips), max(lengths), *clips[0].shape[1:], dtype=torch.uint8)
        for row, clip in enumerate(clips):
            x_BTHW3[row, : len(clip)] = torch.from_numpy(np.ascontiguousarray(clip))
        lengths_B, none_B = torch.tensor(lengths), torch.full((len(clips),), -1)
        chunks = zip(
            x_BTHW3.split(_BATCH_SIZE),
            lengths_B.split(_BATCH_SIZE),
            none_B.split(_BATCH_SIZE),
            strict=True,
        )
        probability_BK = self.probabilities(SequenceBatch(*chunk) for chunk in chunks)
        mean_K: NDArray[np.float32] = probability_BK.mean(0, dtype=np.float64).astype(np.float32)
        return mean_K

    def predict_file(self, source: Path, target: Path, annotate: bool = False) -> list[Path]:
        """Predict from a video or a folder of them, and write a table.

        Args:
            source: a video or a folder of them.
            target: the CSV to write.
            annotate: also write a copy of each video, beside the table, with the predictions over
                time drawn into its frames.
        """
        with reporting_left_out():
            predictions = self.predict(source)
        with atomic_path(target) as temporary:
            predictions.to_frame().to_csv(temporary, index=False)
        copies = annotate_videos(self, predictions.names, source, target) if annotate else []
        return [target, *copies]

    def stream_encoder(self) -> VideoStreamEncoder:
        """Return the frame encoder for chunks of frames."""
        return VideoStreamEncoder(self.encoder, self.schema["size"])

    def stream(self, batch_size: int = 1) -> VideoStream:
        """Return streams that take frames of videos and predict after each.

        Args:
            batch_size: videos at once.

        Raises:
            UserError: the backbone is bidirectional.
        """
        return VideoStream(self, self.schema, batch_size)

    def export_module(self, example: Callable[[], Any] | None = None) -> ExportModule:
        """Return probabilities as a function of frames and lengths."""
        return video_export(self)

    def limits(self) -> list[str]:
        """Return known limits, with the training videos, frame size and number of frames."""
        evaluated = (
            "Trained with rendered figures: filmed people were not evaluated."
            if self.run_info.get("data", {}).get("source") == "rendered_people"
            else "People and scenes of the training videos are not recorded; no others were "
            "evaluated."
        )
        height, width = self.schema["size"]
        rate_hz = self.schema.get("frame_rate_hz")
        rate = f" at {rate_hz:g} frames a second" if rate_hz else ""
        frames = f"Takes {self.schema['num_frames']} frames of {height} x {width} a clip{rate}."
        return [*super().limits(), evaluated, frames]

    def usage(self) -> list[str]:
        """Return Python lines that classify a few frames of noise."""
        height, width = self.schema["size"]
        shape = (self.schema["num_frames"], height, width, 3)
        return [
            "import numpy",
            "",
            "# Your own: the path of a video, or the frames of a clip.",
            f'frames = numpy.random.default_rng(0).integers(0, 256, {shape}, dtype="uint8")',
            "print(model.predict(frames).to_frame())",
        ]
