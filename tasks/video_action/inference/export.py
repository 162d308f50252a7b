"""Export of the video action model.

Shapes: B batch, T frames (right-padded), H height, W width.
"""

import torch
from torch import Tensor

from gru_suite.model.export.module import BATCH, ClassificationExport, Port

from ..batches.augmentation import centre_crop
from ..network.video_classifier import VideoClassifier


class VideoExport(ClassificationExport):
    """Class probabilities as a function of frames and lengths."""

    def sequences(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return random example frames, uint8."""
        return torch.randint(0, 256, shape, generator=generator).to(torch.uint8)

    def from_batch(self, batch: object) -> tuple[Tensor, ...]:
        """Return the centre crops of a batch, and lengths."""
        x, lengths_B = super().from_batch(batch)
        return centre_crop(x, self.model.schema["size"]).contiguous(), lengths_B


def video_export(model: VideoClassifier) -> VideoExport:
    """Return the model as a function of frames, with a description of its tensors."""
    schema = model.schema
    height, width = (int(side) for side in schema["size"])
    frames = Port(
        "frames", "uint8", (BATCH, "frames", height, width, 3), "red, green and blue, 0 to 255"
    )
    preprocessing = {
        "inside": "scaling of the colours, the difference to the frame before, the frame encoder",
        "outside": "decoding; choosing `num_frames` frames of a clip, evenly spaced or at "
        "`frame_rate_hz`; scaling them to cover the size and cutting at the centre; the mean of "
        "the probabilities over `test_clips` clips of a video",
        **{name: schema.get(name) for name in ("num_frames", "frame_rate_hz", "test_clips")},
        "height": height,
        "width": width,
    }
    longest = max(2, int(schema["num_frames"]))
    steps = sorted({1, max(2, longest // 2), longest})
    return VideoExport(model, model.labels, frames, steps, preprocessing)
