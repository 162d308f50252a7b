"""The tracking model's use over a network: a video and first boxes.

Shapes: T frames, H height, W width, N objects.
"""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gru_suite.errors import UserError
from gru_suite.model.service.service import Service, kind_of
from gru_suite.video.reading.video_files import SUFFIXES
from gru_suite.video.sample_video import moving_square_video

from .inference.inputs import first_boxes
from .reading.frames import read_timed_video

if TYPE_CHECKING:
    from .model import TrackingModel

_NEEDED = (
    'needs {"video": {"name": "clip.mp4", "base64": "..."}, "boxes": [[x, y, width, height]]} with '
    "boxes in pixels of the first frame"
)
_MAX_OBJECTS = 20


class Video(NamedTuple):
    """A checked video.

    Attributes:
        name: of its file.
        frames_THW3: RGB.
        times: of the frames in seconds.
        boxes_N4: in the first frame; None where they are not known yet.
    """

    name: str
    frames_THW3: NDArray[np.uint8]
    times: list[float]
    boxes_N4: NDArray[np.float32] | None


class TrackingService(Service[Any, Video]):
    """A video and the boxes of objects in its first frame in, their boxes in each frame out."""

    model: "TrackingModel"
    input_kind: ClassVar[str] = "video"
    output_kind: ClassVar[str] = "tracks"
    suffixes: tuple[str, ...] = SUFFIXES
    step_kind: ClassVar[str] = "frame"

    def inputs(self) -> dict[str, Any]:
        """Return the seconds of a video at most."""
        return {"max_seconds": self.limits.max_seconds, "max_objects": _MAX_OBJECTS}

    def example(self) -> Any:
        """Return a short video of a moving square, and the box of the square."""
        content = moving_square_video(96, 128, 24)
        return {
            "video": {"name": "square.webm", "base64": base64.b64encode(content).decode()},
            "boxes": [[0, 32, 32, 32]],
        }

    def read(self, value: Any) -> Video:
        """Return a video with first boxes.

        Raises:
            UserError: it is none.
        """
        if not isinstance(value, dict) or value.keys() != {"video", "boxes"}:
            found = ", ".join(map(str, value)) if isinstance(value, dict) else kind_of(value)
            raise UserError(f"an input of {found[:200] or 'nothing'}: {_NEEDED}")
        given, boxes = value["video"], value["boxes"]
        if not isinstance(given, dict) or not isinstance(given.get("base64"), str):
            raise UserError(f"a video of type {kind_of(given)}: {_NEEDED}")
        if not isinstance(boxes, list) or not boxes or not isinstance(boxes[0], list):
            raise UserError(f"boxes of type {kind_of(boxes)}: {_NEEDED}")
        if len(boxes) > _MAX_OBJECTS:
            raise UserError(f"{len(boxes)} boxes: at most {_MAX_OBJECTS} are followed here")
        try:
            content = base64.b64decode(given["base64"], validate=True)
        except (binascii.Error, ValueError):
            raise UserError(f"a video that is not in base64: {_NEEDED}") from None
        video: Video = self.read_content(content, str(given.get("name", "video.mp4")))
        return video._replace(boxes_N4=first_boxes(boxes, video.frames_THW3, video.name))

    def read_file(self, path: Path, name: str) -> Video:
        """Return the frames of a video file.

        Raises:
            UserError: it cannot be read, or is too long.
        """
        frames_THW3, times = read_timed_video(path)
        self.limits.check_seconds(times[-1])
        return Video(name, frames_THW3, times, None)

    def predict(self, items: Sequence[Video]) -> list[dict[str, Any]]:
        """Return the boxes of each object in each frame."""
        results = []
        for item in items:
            if item.boxes_N4 is None:
                raise UserError(f"{item.name}: a file alone does not say what to follow; {_NEEDED}")
            boxes_NT4, visible_NT = self.model.follow(item.frames_THW3, item.boxes_N4)
            results.append(
                {
                    "name": item.name,
                    "size": list(item.frames_THW3.shape[1:3]),
                    "time": [round(each, 4) for each in item.times],
                    "tracks": [
                        {
                            "boxes": boxes_T4.astype(np.float64).round(2).tolist(),
                            "visible": visible_T.astype(np.float64).round(4).tolist(),
                        }
                        for boxes_T4, visible_T in zip(boxes_NT4, visible_NT, strict=True)
                    ],
                }
            )
        return results
