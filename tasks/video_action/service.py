"""The video classifier's use over a network: files, and cameras.

Shapes: T frames of a window, H height, W width, K classes, F features of a frame.
"""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gru_suite.errors import UserError
from gru_suite.model.service.classification import ClassificationService
from gru_suite.model.service.service import kind_of
from gru_suite.video.reading.video_files import SUFFIXES
from gru_suite.video.sample_video import moving_square_video

from .inference.annotation import stepwise_predictions
from .inference.camera_streams import CameraStreams
from .inference.inputs import Clip, array_clips, read_clips
from .inference.streaming import resize_and_crop_frame

if TYPE_CHECKING:
    from .model import VideoActionModel

_MAX_STEPS, _MAX_FRAMES = 200, 1000
# Of a camera, where the training data has no frame rate.
_USUAL_FPS = 12.5
_PICTURES = ("JPEG", "PNG", "WEBP")
_NEEDED = (
    'needs {"frames": ...} of shape (frames, height, width, 3) from 0 to 255, {"pictures": [...]} '
    "with JPEG or PNG in base64, or a file"
)


class Video(NamedTuple):
    """A checked video.

    Attributes:
        name: of its file.
        clips: its test clips, (T, H, W, 3), uint8.
        steps: times and running probabilities; None for frames without times.
    """

    name: str
    clips: list[Clip]
    steps: dict[str, Any] | None


class VideoService(ClassificationService):
    """Videos in, classes out; cameras as streams."""

    model: "VideoActionModel"
    input_kind = "video"
    suffixes = SUFFIXES
    step_kind = "frame"

    def inputs(self) -> dict[str, Any]:
        """Return number, rate and size of the frames."""
        schema = self.model.schema
        return {
            "num_frames": int(schema["num_frames"]),
            "frame_rate_hz": schema.get("frame_rate_hz"),
            "size": list(schema["size"]),
            "max_seconds": self.limits.max_seconds,
        }

    def example(self) -> Any:
        """Return a short video of a moving square, as a file."""
        height, width = self.model.schema["size"]
        content = moving_square_video(2 * height, 2 * width, int(self.model.schema["num_frames"]))
        return {"name": "square.webm", "base64": base64.b64encode(content).decode()}

    def read(self, value: Any) -> Video:
        """Return the frames of a clip: numbers, or pictures as of :meth:`live_chunk`.

        Raises:
            UserError: they are none.
        """
        if not isinstance(value, dict) or len(value) != 1 or value.keys() - _READERS.keys():
            found = ", ".join(map(str, value)) if isinstance(value, dict) else kind_of(value)
            raise UserError(f"a video as {found[:200] or 'nothing'}: {_NEEDED}")
        ((form, frames),) = value.items()
        if not isinstance(frames, list) or not frames:
            raise UserError(f"{form} of type {kind_of(frames)}: {_NEEDED}")
        if len(frames) > _MAX_FRAMES:
            raise UserError(f"{len(frames):,} frames: at most {_MAX_FRAMES:,} are taken here")
        x_THW3 = _READERS[form](self, frames)
        return Video("frames", array_clips(x_THW3, self.model.schema), None)

    def _numbers(self, frames: list[Any]) -> NDArray[np.uint8]:
        try:
            array = np.array(frames, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise UserError(f"frames that are no numbers, or differ in size: {_NEEDED}") from None
        fits = array.ndim == 4 and array.shape[-1] == 3 and array.size
        if not fits or not ((array >= 0) & (array <= 255)).all():
            raise UserError(f"frames of shape {array.shape}: {_NEEDED}")
        self.limits.check_rows(len(array), array[0].size)
        return array.astype(np.uint8)

    def _pictures(self, frames: list[Any]) -> NDArray[np.uint8]:
        pictures = []
        for each in frames:
            try:
                content = base64.b64decode(each, validate=True)
            except (TypeError, ValueError):
                raise UserError(f"a picture that is not in base64: {_NEEDED}") from None
            pictures.append(self.live_chunk(content).numpy())
        return np.stack(pictures)

    def read_file(self, path: Path, name: str) -> Video:
        """Return the clips of a video file, and its running prediction.

        Raises:
            UserError: it cannot be read, or is too long or large.
        """
        self._check_size(path, name)
        try:
            clips = read_clips(path, self.model.schema)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from None
        time_T, probability_TK = stepwise_predictions(self.model, path)
        step = -(-len(time_T) // _MAX_STEPS)
        values_TK = probability_TK[::step].astype(np.float64).round(4)
        steps = {
            "time": time_T[::step].round(3).tolist(),
            "probability": {
                label: values_TK[:, index].tolist() for index, label in enumerate(self.model.labels)
            },
        }
        return Video(name, clips, steps)

    def _check_size(self, path: Path, name: str) -> None:
        try:
            with av.open(str(path)) as container:
                for stream in container.streams.video:
                    if stream.width * stream.height > self.limits.max_pixels:
                        raise UserError(
                            f"{name}: frames of {stream.width} x {stream.height} pixels"
                        )
                    if stream.duration and stream.time_base:
                        self.limits.check_seconds(float(stream.duration * stream.time_base))
                if container.duration:
                    self.limits.check_seconds(container.duration / av.time_base)
        except UserError:
            raise
        except (av.FFmpegError, OSError, ValueError, AttributeError):
            # The reader says why; a stream of an unknown codec has no width.
            return

    def predict(self, items: Sequence[Video]) -> list[dict[str, Any]]:
        """Return the classes of videos."""
        model, results = self.model, []
        for item in items:
            probability_K = model.video_probability(item.clips).astype(np.float64)
            result: dict[str, Any] = {
                "name": item.name,
                "label": model.labels[int(probability_K.argmax())],
                "probability": dict(zip(model.labels, probability_K.tolist(), strict=True)),
            }
            if item.steps is not None:
                result["steps"] = item.steps
            results.append(result)
        return results

    def live(self) -> dict[str, Any]:
        """Return the form of a chunk: a picture, and how many a second."""
        return {"chunk": "jpeg", "fps": float(self.model.schema.get("frame_rate_hz") or _USUAL_FPS)}

    def live_chunk(self, message: Any) -> Tensor:
        """Return a frame of the model's input size from a picture, (H, W, 3), uint8.

        Raises:
            UserError: it is none, or too large.
        """
        if not isinstance(message, bytes):
            raise UserError(
                "a chunk of a camera needs a binary message: a JPEG, PNG or WebP picture"
            )
        try:
            with Image.open(BytesIO(message), formats=_PICTURES) as picture:
                width, height = picture.size
                if width * height > self.limits.max_pixels:
                    raise UserError(f"a picture of {width} x {height} pixels is too large")
                frame_HW3 = np.asarray(picture.convert("RGB"))
        except UserError:
            raise
        except (
            UnidentifiedImageError,
            Image.DecompressionBombError,
            OSError,
            ValueError,
            SyntaxError,
        ) as error:
            raise UserError(f"a picture that cannot be read: {type(error).__name__}") from None
        return resize_and_crop_frame(frame_HW3, self.model.schema["size"])

    def streams(self) -> CameraStreams:
        """Return streams of cameras, also of a model that looks ahead."""
        return CameraStreams(self.model, self.live_chunk)


_READERS = {"frames": VideoService._numbers, "pictures": VideoService._pictures}
