"""The video action task: what is done in a clip.

Shapes: B batch, T frames (right-padded), H height, W width, F features, K classes, V videos.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import Metric

from gru_suite.errors import UserError
from gru_suite.files import atomic_path
from gru_suite.model.batches import SequenceBatch
from gru_suite.model.predictions import Predictions
from gru_suite.nn.pooling import Pooling
from gru_suite.options import build
from gru_suite.training.classification_task import ClassificationTask

from .batches.augmentation import centre_crop
from .inference.streaming import VideoStream, VideoStreamEncoder
from .network.frame_encoder import FROM_CHECKPOINT, FrameEncoder
from .training.metrics import MIN_CLASSES_FOR_TOP5, VideoMetrics, video_means

if TYPE_CHECKING:
    from gru_suite.model.export.module import ExportModule

_BATCH_SIZE = 8


class VideoActionTask(ClassificationTask):
    """Frame encoder -> backbone -> pooling -> a class for each clip.

    A video is judged by the mean of the probabilities of several clips of it. The checkpoint holds
    the encoder too, and takes videos as they are.
    """

    name: ClassVar[str] = "video_action"
    input_kind: ClassVar[str] = "file"
    better: ClassVar[dict[str, str]] = {
        "accuracy": "max",
        "clip_accuracy": "max",
        "macro_f1": "max",
        "nll": "min",
        "ece": "min",
        "group_std": "min",
        "group_worst": "max",
    }

    def __init__(
        self,
        backbone: dict[str, Any],
        schema: dict[str, Any],
        optimizer: dict[str, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
        encoder: dict[str, Any] | None = None,
        causal: bool = False,
        pooling: str = "attention",
        head_dropout: float = 0.3,
        label_smoothing: float = 0.1,
        class_weights: bool = False,
    ) -> None:
        """Build the network.

        Args:
            backbone: options of the recurrent stack.
            schema: what the data module says of the data: labels, size and number of the frames.
            optimizer: name and options of the optimizer.
            scheduler: name and options of the learning-rate schedule.
            encoder: options of :class:`FrameEncoder`.
            causal: nothing looks ahead, so that the network can follow a stream; needs a backbone
                of one direction.
            pooling: ``last``, ``mean``, ``max`` or ``attention``, or several joined by a plus sign.
            head_dropout: share of pooled features dropped in training.
            label_smoothing: share of the target spread over all classes.
            class_weights: weigh the loss by the inverse of a class's frequency.

        Raises:
            UserError: an option has a value that cannot work.
        """
        if causal and backbone.get("bidirectional"):
            raise UserError(
                "task.causal=true with backbone.bidirectional=true: the backward pass would look "
                "ahead; set backbone.bidirectional=false"
            )
        frame_encoder = build(FrameEncoder, "task.encoder", encoder)
        super().__init__(
            backbone,
            frame_encoder.output_size,
            schema,
            optimizer,
            scheduler,
            pooling,
            head_dropout,
            label_smoothing,
            class_weights,
        )
        if encoder and encoder.get("weights"):
            # The checkpoint will hold them: whoever loads it need not fetch them again.
            encoder = {**encoder, "weights": FROM_CHECKPOINT}
        self.save_hyperparameters()
        self.encoder = frame_encoder
        self.scoring = {"frame_features": self.frame_features}
        if len(self.labels) >= MIN_CLASSES_FOR_TOP5:
            self.better = {**type(self).better, "top5": "max"}  # type: ignore[misc]

    @property
    def pooling_list(self) -> list[Pooling]:
        """The poolings whose vectors are put side by side."""
        return [cast(Pooling, pooling) for pooling in self.poolings]

    def encode(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the features of every frame, (B, T, F), and the valid frames of each clip."""
        if batch.x.dim() == 3:
            # Frozen features, computed once by the data module.
            return batch.x, batch.lengths_B
        x_BTHW3 = centre_crop(batch.x, self.schema["size"])
        return self.encoder(x_BTHW3, batch.lengths_B), batch.lengths_B

    @torch.inference_mode()
    def frame_features(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Encode a batch without training, for the baseline that only averages frames."""
        training = self.training
        self.eval()
        moved = [part.to(self.device) for part in batch[:3]]
        z_BTF, lengths_B = self.encode(SequenceBatch(*moved))
        self.train(training)
        return z_BTF.cpu(), lengths_B.cpu()

    def limits(self) -> list[str]:
        """Add what is known of the videos, their size and how many frames are looked at."""
        seen = (
            "Trained with rendered figures: filmed people were not evaluated."
            if self.run_info.get("data", {}).get("source") == "rendered_people"
            else "Who and what was filmed in the training videos is not recorded; nothing else was "
            "evaluated."
        )
        height, width = self.schema["size"]
        rate_hz = self.schema.get("frame_rate_hz")
        rate = f" at {rate_hz:g} frames a second" if rate_hz else ""
        looks = f"Looks at {self.schema['num_frames']} frames of {height} x {width} a clip{rate}."
        return [*super().limits(), seen, looks]

    def usage(self) -> list[str]:
        """Label a few frames of noise."""
        height, width = self.schema["size"]
        shape = (self.schema["num_frames"], height, width, 3)
        return [
            "import numpy",
            "",
            "# Your own: the path of a video, or the frames of a clip.",
            f'frames = numpy.random.default_rng(0).integers(0, 256, {shape}, dtype="uint8")',
            "print(task.predict(frames).to_frame())",
        ]

    def export_module(self, example: Callable[[], Any] | None = None) -> "ExportModule":
        """Return probabilities as a function of frames and lengths."""
        from .inference.export import video_export

        return video_export(self)

    # Metrics

    def new_metrics(self) -> VideoMetrics:
        """Return :class:`VideoMetrics` for this task's classes."""
        return VideoMetrics(len(self.labels))

    def update_metrics(self, metrics: Metric, output: Tensor, batch: Any) -> None:
        """Add one batch."""
        metrics.update(output, batch.labels_B, batch.videos_B, batch.groups_B)

    def probabilities(self, batches: Iterable[Any]) -> NDArray[np.float32]:
        """Return the class probabilities of clips in their order, shape (B, K)."""
        return super().probabilities(SequenceBatch(*batch[:3]) for batch in batches)

    def predict_loader(self, loader: DataLoader[Any]) -> Predictions:
        """Predict the videos of a part, each by the mean of its clips.

        Args:
            loader: of validation or test.
        """
        dataset: Any = loader.dataset
        parts, videos, labels = [], [], []
        for batch in loader:
            parts.append(torch.from_numpy(self.probabilities([batch])))
            videos.append(batch.videos_B)
            labels.append(batch.labels_B)
        videos_N = torch.cat(videos)
        log_probability_VK, clip_V = video_means(torch.cat(parts).double().log(), videos_N)
        names = [dataset.names[number] for number in videos_N[clip_V].tolist()]
        return Predictions(
            self.input_kind,
            names,
            self.labels,
            log_probability_VK.exp().float().numpy(),
            torch.cat(labels)[clip_V].numpy(),
        )

    def write_plots(self, loader: DataLoader[Any], folder: Path) -> list[Path]:
        """Write the confusion matrix and its tables, a contact sheet, and answers over time."""
        from .results.example_clips import choose_posteriors, shown_clips
        from .results.plots import plot_contact_sheet, plot_posterior

        written = super().write_plots(loader, folder)
        clips = shown_clips(self, loader)
        if clips:
            written.append(plot_contact_sheet(folder / "test_clips.png", clips))
            chosen = choose_posteriors(clips)
            written.append(plot_posterior(folder / "answers_over_time.png", chosen, self.labels))
        return written

    # Prediction

    def predict(self, raw: Any) -> Predictions:
        """Say what is done in videos.

        Args:
            raw: the path of a video or of a folder of them; the frames of one clip: an array of
                shape (T, H, W, 3) with uint8 values, evenly spaced, at the training's frame rate
                where it had one; or a list of these.

        Raises:
            UserError: a path does not exist, or a file holds no readable video. In a folder such a
                file is left out with a warning.
        """
        from .inference.inputs import read_inputs

        names, rows = [], []
        for name, clips in read_inputs(raw, self.schema):
            names.append(name)
            rows.append(self.video_probability(clips))
        if not rows:
            raise UserError("an empty list: at least one video is needed")
        return Predictions(self.input_kind, names, self.labels, np.stack(rows))

    def video_probability(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the mean of the class probabilities of a video's clips, shape (K,)."""
        lengths = [len(clip) for clip in clips]
        x_BTHW3 = torch.zeros(len(clips), max(lengths), *clips[0].shape[1:], dtype=torch.uint8)
        for row, clip in enumerate(clips):
            x_BTHW3[row, : len(clip)] = torch.from_numpy(np.ascontiguousarray(clip))
        lengths_B, none_B = torch.tensor(lengths), torch.full((len(clips),), -1)
        parts = zip(
            x_BTHW3.split(_BATCH_SIZE),
            lengths_B.split(_BATCH_SIZE),
            none_B.split(_BATCH_SIZE),
            strict=True,
        )
        probability_BK = self.probabilities(SequenceBatch(*part) for part in parts)
        mean_K: NDArray[np.float32] = probability_BK.mean(0, dtype=np.float64).astype(np.float32)
        return mean_K

    def predict_file(self, source: Path, target: Path, annotate: bool = False) -> list[Path]:
        """Write a table for a file or a folder.

        Args:
            source: a video or a folder of them.
            target: the CSV to write.
            annotate: also write a copy of each video with the running prediction drawn in, beside
                the table.
        """
        from .inference.inputs import annotate_all, predict_noting

        predictions = predict_noting(self, source)
        with atomic_path(target) as temporary:
            predictions.to_frame().to_csv(temporary, index=False)
        copies = annotate_all(self, predictions.names, source, target) if annotate else []
        return [target, *copies]

    # Streams

    def stream_encoder(self) -> VideoStreamEncoder:
        """Return the frame encoder on one chunk of frames after the other."""
        return VideoStreamEncoder(self.encoder, self.schema["size"])

    def stream(self, batch_size: int = 1) -> VideoStream:
        """Return what takes the frames of clips as they come, and answers after each.

        Args:
            batch_size: videos at once.

        Raises:
            UserError: the backbone is bidirectional.
        """
        return VideoStream(self, batch_size)
