"""Cameras of many clients as rows of one batch.

Shapes: B clients, T frames of a window, N new frames, H height, W width, K classes, F features of a
    frame.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gru_suite.model.service.classification import class_probabilities
from gru_suite.model.service.streams import ServiceStreams
from gru_suite.nn.evaluation import evaluating

from ..network.video_classifier import VideoClassifier


class _Camera:
    """One client: features of its last frames, the frame before, and when frames came."""

    def __init__(self) -> None:
        self.features: list[Tensor] = []
        self.before: Tensor | None = None
        self.times: list[float] = []


class CameraStreams(ServiceStreams):
    """Cameras as rows of one batch, each with the prediction of its last frames.

    A prediction is that of a clip of the last frames, as many as in training, so that it follows
    what is seen now. Each frame is encoded once.
    """

    def __init__(self, model: VideoClassifier, read: Callable[[Any], Tensor]) -> None:
        """Begin without clients.

        Args:
            model: in evaluation mode.
            read: converts a message into a frame of the model's input size.
        """
        self._read, self._model = read, model
        self._num_frames = int(model.schema["num_frames"])
        self._cameras: list[_Camera] = []

    def join(self) -> None:
        """Add a client."""
        self._cameras.append(_Camera())

    def leave(self, row: int) -> None:
        """Remove a client."""
        self._cameras.pop(row)

    def reset(self, row: int) -> None:
        """Reset a client."""
        self._cameras[row] = _Camera()

    def read(self, message: Any) -> Tensor:
        """Return a checked frame."""
        return self._read(message)

    @torch.inference_mode()
    def push(self, chunks: Sequence[list[Any]]) -> list[dict[str, Any] | None]:
        """Encode new frames and classify the last ones of each client."""
        model, now = self._model, time.monotonic()
        rows = [row for row, own in enumerate(chunks) if own]
        found: list[dict[str, Any] | None] = [None] * len(chunks)
        if not rows:
            return found
        with evaluating(model):
            self._encode([(self._cameras[row], frame) for row in rows for frame in chunks[row]])
            windows = [torch.stack(self._cameras[row].features) for row in rows]
            lengths_B = torch.tensor([len(each) for each in windows], device=model.device)
            z_BTF = torch.nn.utils.rnn.pad_sequence(windows, batch_first=True)
            probability_BK = model.classify(z_BTF, lengths_B).float().softmax(-1).cpu().numpy()
        for row, probability_K in zip(rows, probability_BK, strict=True):
            camera = self._cameras[row]
            camera.times = [*camera.times, *[now] * len(chunks[row])][-self._num_frames :]
            found[row] = {
                **class_probabilities(model.labels, probability_K),
                "fps": _rate(camera.times),
            }
        return found

    def _encode(self, frames: Sequence[tuple[_Camera, Tensor]]) -> None:
        """Add the features of frames to their cameras, those of all cameras as one batch."""
        model = self._model
        x_NHW3 = torch.stack([frame for _, frame in frames]).to(model.device)
        before = []
        for index, (camera, _) in enumerate(frames):
            # The first frame has no difference, as if it repeated.
            before.append(x_NHW3[index] if camera.before is None else camera.before)
            camera.before = x_NHW3[index]
        z_N1F = model.encoder(x_NHW3[:, None], None, torch.stack(before))
        for (camera, _), z_1F in zip(frames, z_N1F, strict=True):
            camera.features = [*camera.features, z_1F[0]][-self._num_frames :]


def _rate(times: Sequence[float]) -> float | None:
    seconds = times[-1] - times[0]
    return round((len(times) - 1) / seconds, 1) if seconds > 0 else None
